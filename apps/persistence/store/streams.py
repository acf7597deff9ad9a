"""This module is what a server says of its streams, consumers and subjects: read fresh, never through a consumer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import ServerRefused
from ..events import parse_time
from .api_errors import CONSUMER_NOT_FOUND
from .connection import Connection
from .names import check_stream_name

_ZERO_TIME = "0001-01-01T00:00:00Z"
SUBJECTS_PAGE = 100_000
"""How many subjects the server names in one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """One stream. Sequences are 0 and times None while it is empty; `deleted` counts gaps between first and last; ages in nanoseconds."""

    name: str
    subjects: tuple[str, ...]
    retention: str
    storage: str
    replicas: int
    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    first_time: datetime | None
    last_time: datetime | None
    deleted: int
    consumers: int
    subject_count: int
    created: datetime | None
    leader: str
    followers: tuple[Follower, ...]
    mirror: str
    sources: tuple[str, ...]
    is_sealed: bool
    allows_direct: bool
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A replica that is not the leader; `behind` counts the operations it still lacks."""

    name: str
    is_current: bool
    is_offline: bool
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerInfo:
    """One consumer. `lag` is what it has not finished: events it has not been given, and those it has not acknowledged.

    `deliveries` counts how often it gave something out since it was made or last reset.
    """

    stream: str
    name: str
    durable: bool
    filter_subjects: tuple[str, ...]
    pending: int
    ack_pending: int
    redelivered: int
    waiting: int
    ack_floor: int
    delivered: int
    deliveries: int
    last_delivered: datetime | None
    max_ack_pending: int
    deliver_policy: str
    ack_policy: str
    is_push: bool
    is_bound: bool
    is_paused: bool
    pause_until: datetime | None
    created: datetime | None
    config: Mapping[str, Any]

    @property
    def lag(self) -> int:
        """Events not yet finished by this consumer."""
        return self.pending + self.ack_pending

    @property
    def position(self) -> int:
        """The sequence up to which it has finished: acknowledged, or delivered where it asks for no acknowledgements."""
        return self.delivered if self.ack_policy == "none" else self.ack_floor


async def list_streams(connection: Connection) -> list[StreamInfo]:
    """Every stream of the account, of any kind, by name."""
    found: list[StreamInfo] = []
    while True:
        answer = await connection.api("STREAM.LIST", {"offset": len(found)})
        page = answer.get("streams") or []
        found.extend(to_stream_info(stream) for stream in page)
        if not page or len(found) >= answer["total"]:
            return sorted(found, key=lambda stream: stream.name)


async def get_stream(connection: Connection, name: str) -> StreamInfo:
    """One stream. Raises StreamNotFound, InvalidInput for what no stream can be called."""
    return to_stream_info(await connection.api(f"STREAM.INFO.{check_stream_name(name)}", stream=name))


async def deleted_sequences(connection: Connection, name: str) -> list[int]:
    """The sequences between first and last that hold nothing, in order. All come in one answer, so look at `deleted` before."""
    answer = await connection.api(f"STREAM.INFO.{check_stream_name(name)}", {"deleted_details": True}, stream=name)
    return sorted(answer["state"].get("deleted") or [])


async def list_consumers(connection: Connection, stream: str) -> list[ConsumerInfo]:
    """Every consumer of a stream, by name. Raises StreamNotFound."""
    found: list[ConsumerInfo] = []
    while True:
        answer = await connection.api(f"CONSUMER.LIST.{stream}", {"offset": len(found)}, stream=stream)
        page = answer.get("consumers") or []
        found.extend(to_consumer_info(consumer) for consumer in page)
        if not page or len(found) >= answer["total"]:
            return sorted(found, key=lambda consumer: consumer.name)


async def find_consumer(connection: Connection, stream: str, name: str) -> ConsumerInfo | None:
    """One consumer, or None. Raises StreamNotFound."""
    try:
        return to_consumer_info(await connection.api(f"CONSUMER.INFO.{stream}.{name}", stream=stream))
    except ServerRefused as error:
        if error.err_code == CONSUMER_NOT_FOUND:
            return None
        raise


async def subjects_matching(connection: Connection, stream: str, pattern: str, *, limit: int = SUBJECTS_PAGE) -> dict[str, int]:
    """The subjects of a stream that match `pattern`, each with its number of messages; at most `limit` of them.

    The server looks at every match for each page of 100,000, so narrow the pattern first. Raises StreamNotFound.
    """
    found: dict[str, int] = {}
    while True:
        body = {"subjects_filter": pattern, "offset": len(found)}
        answer = await connection.api(f"STREAM.INFO.{stream}", body, stream=stream, timeout=15)
        page = answer["state"].get("subjects") or {}
        found.update(page)
        if not page or len(found) >= min(limit, answer.get("total", 0)):
            return dict(list(found.items())[:limit]) if len(found) > limit else found


def to_stream_info(answer: Mapping[str, Any]) -> StreamInfo:
    """The stream that an answer of STREAM.INFO or STREAM.LIST describes."""
    config, state, cluster = answer["config"], answer["state"], answer.get("cluster") or {}
    return StreamInfo(
        name=config["name"],
        subjects=tuple(config.get("subjects") or ()),
        retention=config.get("retention", "limits"),
        storage=config.get("storage", "file"),
        replicas=config.get("num_replicas", 1),
        messages=state["messages"],
        bytes=state["bytes"],
        first_sequence=state["first_seq"] if state["messages"] else 0,
        last_sequence=state["last_seq"],
        first_time=_time(state.get("first_ts")),
        last_time=_time(state.get("last_ts")),
        deleted=state.get("num_deleted", 0),
        consumers=state.get("consumer_count", 0),
        subject_count=state.get("num_subjects", 0),
        created=_time(answer.get("created")),
        leader=cluster.get("leader", ""),
        followers=tuple(_follower(replica) for replica in cluster.get("replicas") or ()),
        mirror=(config.get("mirror") or {}).get("name", ""),
        sources=tuple(source["name"] for source in config.get("sources") or ()),
        is_sealed=config.get("sealed", False),
        allows_direct=config.get("allow_direct", False),
        config=config,
    )


def to_consumer_info(answer: Mapping[str, Any]) -> ConsumerInfo:
    """The consumer that an answer of CONSUMER.INFO or CONSUMER.LIST describes."""
    config = answer["config"]
    filters = config.get("filter_subjects") or ([config["filter_subject"]] if config.get("filter_subject") else [])
    return ConsumerInfo(
        stream=answer["stream_name"],
        name=answer["name"],
        durable=bool(config.get("durable_name")),
        filter_subjects=tuple(filters),
        pending=answer.get("num_pending", 0),
        ack_pending=answer.get("num_ack_pending", 0),
        redelivered=answer.get("num_redelivered", 0),
        waiting=answer.get("num_waiting", 0),
        ack_floor=answer["ack_floor"]["stream_seq"],
        delivered=answer["delivered"]["stream_seq"],
        deliveries=answer["delivered"].get("consumer_seq", 0),
        last_delivered=_time(answer["delivered"].get("last_active")),
        max_ack_pending=config.get("max_ack_pending", 0),
        deliver_policy=config.get("deliver_policy", "all"),
        ack_policy=config.get("ack_policy", "none"),
        is_push=bool(config.get("deliver_subject")),
        is_bound=bool(answer.get("push_bound")) or answer.get("num_waiting", 0) > 0,
        is_paused=bool(answer.get("paused")),
        pause_until=_time(config.get("pause_until")),
        created=_time(answer.get("created")),
        config=config,
    )


def _follower(replica: Mapping[str, Any]) -> Follower:
    return Follower(
        name=replica["name"],
        is_current=replica.get("current", False),
        is_offline=replica.get("offline", False),
        behind=replica.get("lag", 0),
    )


def _time(text: str | None) -> datetime | None:
    return None if not text or text == _ZERO_TIME else parse_time(text)
