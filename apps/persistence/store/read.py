"""This module is reading single messages and pages of a stream without a consumer: Direct Get (ADR-31), or the leader.

Direct Get is answered by any replica, so it may be a moment behind an acknowledgement; `leader=True` asks the leader. Where a stream
forbids Direct Get everything falls back to the leader, message by message.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import EventNotFound, FeatureUnavailable, PermissionDenied, ServerRefused
from ..events import format_time
from .api_errors import NO_MESSAGE
from .client import parse_headers
from .connection import Connection
from .link import Reply
from .message import Message, from_direct, nanoseconds
from .streams import get_stream

MAX_MATCHES = 1024
"""A `multi_last` request is refused (413) when more subjects than this match."""
READ_SECONDS = 10.0
_DIRECT_GET_MEMORY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some messages in stream order; `pending` counts those that match and come after them (exact only where the server says so)."""

    messages: tuple[Message, ...]
    pending: int


class TooManyMatches(FeatureUnavailable):
    """More than 1,024 subjects match; narrow the filters."""


async def get_message(connection: Connection, stream: str, sequence: int, *, leader: bool = False) -> Message:
    """The message at `sequence`. Raises EventNotFound, StreamNotFound or Unavailable."""
    message = await _get_one(connection, stream, {"seq": sequence}, leader=leader)
    if message is None:
        raise EventNotFound(stream, sequence)
    return message


async def get_last(connection: Connection, stream: str, pattern: str, *, leader: bool = False) -> Message | None:
    """The newest message whose subject matches `pattern`, or None."""
    return await _get_one(connection, stream, {"last_by_subj": pattern}, leader=leader)


async def get_next(
    connection: Connection, stream: str, *, from_sequence: int = 1, pattern: str = ">", leader: bool = False
) -> Message | None:
    """The first message at or after `from_sequence` whose subject matches `pattern`, or None."""
    return await _get_one(connection, stream, {"seq": max(1, from_sequence), "next_by_subj": pattern}, leader=leader)


async def at_time(connection: Connection, stream: str, moment: datetime, *, pattern: str = ">") -> Message | None:
    """The first message that was stored at or after `moment`, or None. Needs Direct Get; raises FeatureUnavailable where it is off."""
    body = {"start_time": format_time(moment), "next_by_subj": pattern}
    replies = await _direct(connection, stream, body | {"batch": 1}, many=True)
    if replies is None:
        raise FeatureUnavailable(f"{stream} does not allow Direct Get, so it cannot be searched by time; set allow_direct on it.")
    found = [reply for reply in replies if not reply.status]
    return from_direct(*found[0]) if found else None


async def read_batch(
    connection: Connection, stream: str, *, from_sequence: int = 1, limit: int = 200, pattern: str = ">", max_bytes: int = 0
) -> Batch:
    """Up to `limit` messages from `from_sequence` on that match `pattern`, in order, at most about `max_bytes` (0: no limit)."""
    body: dict[str, Any] = {"seq": max(1, from_sequence), "next_by_subj": pattern, "batch": limit}
    if max_bytes:
        body["max_bytes"] = max_bytes
    replies = await _direct(connection, stream, body, many=True)
    if replies is None:
        return await _read_singly(connection, stream, from_sequence, limit, pattern)
    messages = tuple(from_direct(*reply) for reply in replies if not reply.status)
    end = parse_headers(replies[-1].raw_headers) if replies[-1].status == "204" else {}
    return Batch(messages=messages, pending=int(end.get("Nats-Num-Pending", 0)))


async def last_of_each(
    connection: Connection,
    stream: str,
    patterns: Sequence[str],
    *,
    up_to_sequence: int | None = None,
    up_to_time: datetime | None = None,
) -> list[Message]:
    """The newest message of every subject that matches one of `patterns`, in stream order (`multi_last`).

    Raises TooManyMatches above 1,024 subjects, and FeatureUnavailable where the stream forbids Direct Get.
    """
    body: dict[str, Any] = {"multi_last": list(patterns)}
    if up_to_sequence is not None:
        body["up_to_seq"] = up_to_sequence
    if up_to_time is not None:
        body["up_to_time"] = format_time(up_to_time)
    replies = await _direct(connection, stream, body, many=True)
    if replies is None:
        raise FeatureUnavailable(f"{stream} does not allow Direct Get; set allow_direct on it.")
    return [from_direct(*reply) for reply in replies if not reply.status]


# -- one request -----------------------------------------------------------------------------------------------------------------------


async def _get_one(connection: Connection, stream: str, body: dict[str, Any], *, leader: bool) -> Message | None:
    if not leader:
        replies = await _direct(connection, stream, body, many=False)
        if replies is not None:
            return None if replies[0].status else from_direct(*replies[0])
    return await _get_from_leader(connection, stream, body)


async def _direct(connection: Connection, stream: str, body: dict[str, Any], *, many: bool) -> list[Reply] | None:
    """The answers to a Direct Get, or None where nobody answers Direct Gets of this stream. 404 is an answer."""
    until = connection.without_direct_get.get(stream, 0.0)
    if until > time.monotonic():
        return None
    subject = f"{connection.settings.api_root}.DIRECT.GET.{stream}"
    last = _is_end if many else _always
    replies = await connection.request_many(subject, json.dumps(body).encode(), last, timeout=READ_SECONDS)
    status = replies[-1].status
    if status == "503":
        await _note_silence(connection, stream)
        return None
    if status == "413":
        raise TooManyMatches(f"More than {MAX_MATCHES:,} subjects of {stream} match; narrow the filter.")
    if status in ("408", "400"):
        description = parse_headers(replies[-1].raw_headers).get("Description", "bad request")
        raise ServerRefused(f"Direct Get of {stream}: {description}", code=int(status), err_code=0)
    return replies


async def _note_silence(connection: Connection, stream: str) -> None:
    """Nobody answered a Direct Get. Remember that for a while if the stream forbids it. Raises StreamNotFound where it is missing."""
    try:
        is_forbidden = not (await get_stream(connection, stream)).allows_direct
    except PermissionDenied:
        is_forbidden = True
    if is_forbidden:
        connection.without_direct_get[stream] = time.monotonic() + _DIRECT_GET_MEMORY_SECONDS


def _always(reply: Reply) -> bool:
    return True


def _is_end(reply: Reply) -> bool:
    return bool(reply.status)


async def _get_from_leader(connection: Connection, stream: str, body: dict[str, Any]) -> Message | None:
    try:
        answer = await connection.api(f"STREAM.MSG.GET.{stream}", body, stream=stream)
    except ServerRefused as error:
        if error.err_code == NO_MESSAGE:
            return None
        raise
    found = answer["message"]
    return Message(
        stream,
        found["subject"],
        found["seq"],
        nanoseconds(found["time"]),
        base64.b64decode(found.get("hdrs", "")),
        base64.b64decode(found.get("data", "")),
    )


async def _read_singly(connection: Connection, stream: str, from_sequence: int, limit: int, pattern: str) -> Batch:
    messages: list[Message] = []
    position = max(1, from_sequence)
    while len(messages) < limit:
        message = await _get_from_leader(connection, stream, {"seq": position, "next_by_subj": pattern})
        if message is None:
            return Batch(messages=tuple(messages), pending=0)
        messages.append(message)
        position = message.sequence + 1
    return Batch(messages=tuple(messages), pending=1)
