"""This module is what a consumer's new place means: how it gets there, and how many events are delivered again, skipped and left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..encoding import Value
from ..errors import InvalidInput
from ..events import parse_time
from ..store import Connection, ConsumerInfo, StreamInfo, at_time
from ..store.consumers import RESET_SINCE
from ..work.operation import Change
from .counting import ALL, count_from

_STARTS_ANYWHERE = ("all", "by_start_sequence", "by_start_time")
_AGAIN_ANYWAY = "Whatever these events caused elsewhere is caused again, unless whoever reads them takes care."


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A consumer's new place. The counts are None where the server lets nobody count them."""

    start: int
    again: int | None
    skipped: int | None
    left: int | None
    changes: tuple[Change, ...]
    notes: tuple[str, ...]


async def plan_move(connection: Connection, info: StreamInfo, consumer: ConsumerInfo, start: int) -> Move:
    """What it means to go on at `start`."""
    patterns, position = consumer.filter_subjects, consumer.position
    left = await count_left(connection, info, patterns, start)
    rest = await count_left(connection, info, patterns, position + 1)
    difference = None if left is None or rest is None else left - rest
    again = 0 if start > position else difference
    skipped = 0 if start <= position + 1 else None if difference is None else -difference
    is_native = await can_reset(connection, consumer, start)
    return Move(
        start=start,
        again=again,
        skipped=skipped,
        left=left,
        changes=() if is_native else (Change(what="Consumer", now=f"made {consumer.created:%Y-%m-%d %H:%M} UTC", after="made anew"),),
        notes=(
            *_effects(consumer, start, again=again, skipped=skipped),
            *_limits_of(info, start),
            *(() if is_native else (_made_anew(connection, consumer),)),
            *_at_work(consumer),
        ),
    )


async def can_reset(connection: Connection, consumer: ConsumerInfo, start: int) -> bool:
    """Whether the server can move it; else it is deleted and made anew. Before its own first place the server moves nothing."""
    config, policy = consumer.config, consumer.deliver_policy
    if not connection.server.at_least(*RESET_SINCE) or policy not in _STARTS_ANYWHERE:
        return False
    if policy == "by_start_sequence":
        return start >= int(config.get("opt_start_seq", 1))
    if policy == "by_start_time":
        first = await at_time(connection, consumer.stream, parse_time(str(config["opt_start_time"])))
        return first is not None and start >= first.sequence
    return True


def moved_config(consumer: ConsumerInfo, start: int) -> dict[str, Any]:
    """The configuration of the same consumer with a new start; what the server itself wrote into it is left out."""
    config = {key: value for key, value in consumer.config.items() if key not in ("opt_start_time", "metadata", "num_replicas")}
    metadata = {key: value for key, value in (consumer.config.get("metadata") or {}).items() if not key.startswith("_nats.")}
    replicas = consumer.config.get("num_replicas", 0)
    return {
        **config,
        **({"metadata": metadata} if metadata else {}),
        **({"num_replicas": replicas} if replicas else {}),
        "name": consumer.name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": start,
    }


def was_moved(consumer: ConsumerInfo, before: Mapping[str, Value]) -> bool:
    """Whether an attempt that was killed had moved it: its counters only fall by a reset, and its place jumps only by one."""
    deliveries, delivered, start = (int(str(before[name])) for name in ("deliveries", "delivered", "start"))
    return consumer.deliveries < deliveries or consumer.delivered < delivered or delivered < start - 1 <= consumer.delivered


async def count_left(connection: Connection, info: StreamInfo, patterns: tuple[str, ...], first: int) -> int | None:
    """How many events of these patterns (none: of all) lie at `first` or after it; None where the server lets nobody count them."""
    try:
        return sum([await count_from(connection, info, first, pattern) for pattern in patterns or (ALL,)])
    except InvalidInput:
        return None


def _effects(consumer: ConsumerInfo, start: int, *, again: int | None, skipped: int | None) -> tuple[str, ...]:
    position = consumer.position
    if start <= position:
        events = "Events" if again is None else _events(again)
        return (f"{events} from sequence {start:,} to {position:,}, processed before, {_are(again)} delivered again. {_AGAIN_ANYWAY}",)
    if start > position + 1:
        events = "Events" if skipped is None else _events(skipped)
        return (f"{events} from sequence {position + 1:,} to {start - 1:,} {_are(skipped)} skipped: this consumer is never given them.",)
    return ()


def _limits_of(info: StreamInfo, start: int) -> tuple[str, ...]:
    gone = f"{info.name} begins at sequence {info.first_sequence:,}; what lay before is not stored any more."
    kept = f"{info.name} removes what was acknowledged ({info.retention} retention), so only what it still stores is delivered."
    return (*((gone,) if start < info.first_sequence else ()), *((kept,) if info.retention != "limits" else ()))


def _made_anew(connection: Connection, consumer: ConsumerInfo) -> str:
    is_old = not connection.server.at_least(*RESET_SINCE)
    why = (
        f"nats-server {connection.server.version} cannot move a consumer (that needs {RESET_SINCE[0]}.{RESET_SINCE[1]})"
        if is_old
        else f"The server does not move a consumer that starts as this one does ({consumer.deliver_policy})"
    )
    return f"{why}, so it is deleted and made anew with the same settings, but for its start. Whoever reads it may have to ask again."


def _at_work(consumer: ConsumerInfo) -> tuple[str, ...]:
    given = (
        f"{_events(consumer.ack_pending)} {_are(consumer.ack_pending)} given out and not acknowledged; what is acknowledged late counts "
        "for nothing."
    )
    works = (
        "Somebody is subscribed and is sent"
        if consumer.is_push
        else f"{consumer.name} is read at this moment, and whoever reads it is given"
    )
    now = (
        f"{works} what comes next at once. As soon as it moves on, this plan no longer holds and is refused; "
        f"{'it is paused, so it will not.' if consumer.is_paused else 'pause it first.'}"
    )
    return (*((given,) if consumer.ack_pending else ()), *((now,) if consumer.is_bound else ()))


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _are(count: int | None) -> str:
    return "is" if count == 1 else "are"
