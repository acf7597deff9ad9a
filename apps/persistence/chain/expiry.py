"""This module is what the limits of a stream removed from its beginning: a limit that was never reached explains nothing.

A limit may have been another one before: the tightest that is recorded as set honestly counts (see limits.py). One lowered past the
console, and that nobody accepted, is how messages went and no explanation. Where a run of the console was asked to change a limit, that one
is taken as perhaps reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ..errors import PersistenceError, StreamNotFound
from ..events import Event, now
from ..store import CONSOLE, Store, StreamInfo, read_batch
from .gaps import Range
from .limits import LIMITS, Limit, limit_words, limits_of
from .removal_runs import confirmed_removals
from .removals import EXPIRED, LOWERED, RESTORED_FROM, Removal, stream_key

_CLOCKS = timedelta(minutes=5)
_ROOM = 1024
"""More than the server needs beside the content of a message, but for a long subject."""
_PAGE = 500
_REQUESTS = "cim.console.run.*.requested.v1"
_PARAMETERS = {"max_age": "max_age", "max_messages": "max_msgs", "max_bytes": "max_bytes"}


async def expired_of(store: Store, info: StreamInfo) -> Removal | None:
    """What limits removed from the beginning, as far as that can be told from them; None where there are none that can have.

    Its operation is LOWERED where only a limit can have, that somebody lowered and nobody accepted.
    """
    if info.first_sequence <= 1:
        return None
    limits = await limits_of(store, info)
    removed = sum(removal.count for removal in await confirmed_removals(store, info))
    may_be_reached = _Reach(store, info, removed).may_be_reached
    reached = [one for one in limits.honest if may_be_reached(one)]
    lowered = [one for one in limits.lowered if may_be_reached(one)] if not reached else []
    if lowered:
        return _removal(info, LOWERED, " or ".join(_lowered_words(one) for one in lowered))
    reached = reached or [Limit(name=name, value=0) for name in await _changed_by_runs(store, info.name)]
    return _removal(info, EXPIRED, _words(reached, info)) if reached else None


def _removal(info: StreamInfo, operation: str, reason: str) -> Removal:
    gone = Range(1, info.first_sequence - 1)
    return Removal(
        run_id="",
        operation=operation,
        stream=info.name,
        created=stream_key(info),
        pattern=">",
        ranges=(gone,),
        is_exact=True,
        count=gone.size,
        by=info.name,
        reason=reason,
        at=info.first_time or now(),
    )


class _Reach:
    """Whether a stream can have been at a limit; the server takes message by message, as few as bring it below."""

    def __init__(self, store: Store, info: StreamInfo, removed: int) -> None:
        self._info = info
        self._fewer = removed + info.deleted
        self._largest = store.connection.server.max_payload + _ROOM

    def may_be_reached(self, limit: Limit) -> bool:
        info = self._info
        if limit.name != "max_age" and limit.is_now and info.config.get("discard") == "new":
            return False
        if limit.name == "max_msgs":
            return info.messages + self._fewer >= limit.value
        if limit.name == "max_bytes":
            return info.bytes + (self._fewer + 1) * self._largest >= limit.value
        is_older = bool(info.mirror) or RESTORED_FROM in (info.config.get("metadata") or {})
        return is_older or info.created is None or now() - info.created + _CLOCKS >= timedelta(microseconds=limit.value / 1000)


def _words(reached: Sequence[Limit], info: StreamInfo) -> str:
    """Sure is only that nothing younger went than a limit of age allows, or that the stream is as full as a limit lets it be."""
    words = " or ".join(f"its {LIMITS[one.name]}{_once(one)}" for one in reached)
    if any(one.is_now and _is_plain(one, info) for one in reached):
        return words
    bound = [f"{one.value - info.bytes:,}" for one in reached if one.name == "max_bytes" and one.value > info.bytes]
    only = f" (of bytes only if a message of {bound[0]} bytes was to make room)" if bound else ""
    return f"perhaps {words}{only}, which cannot be told any more,"


def _is_plain(limit: Limit, info: StreamInfo) -> bool:
    """Whether the stream is at this limit now."""
    if limit.name == "max_age":
        return info.first_time is not None and now() - info.first_time + _CLOCKS >= timedelta(microseconds=limit.value / 1000)
    if limit.name == "max_msgs":
        return info.messages >= limit.value
    return info.bytes + 2 * info.bytes // max(1, info.messages) >= limit.value


def _once(limit: Limit) -> str:
    return "" if limit.is_now or not limit.value else f" ({limit_words(limit.name, limit.value)} once)"


def _lowered_words(limit: Limit) -> str:
    before, after = limit_words(limit.name, limit.before), limit_words(limit.name, limit.value)
    seen = f"{limit.lowered_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"its {LIMITS[limit.name]} (lowered from {before} to {after}, as was seen at {seen}, not accepted)"


async def _changed_by_runs(store: Store, stream: str) -> list[str]:
    """The limits of the stream that runs in CIM-CONSOLE were asked to change."""
    position, found = 1, set[str]()
    while True:
        try:
            batch = await read_batch(store.connection, CONSOLE.stream, from_sequence=position, limit=_PAGE, pattern=_REQUESTS)
        except StreamNotFound:
            return []
        for message in batch.messages:
            found |= _asked_to_change(message.data, stream)
        if not batch.messages or not batch.pending:
            return sorted(found)
        position = batch.messages[-1].sequence + 1


def _asked_to_change(block: bytes, stream: str) -> set[str]:
    try:
        said: Any = Event.from_block(block).payload
    except PersistenceError:
        return set()
    if (said.get("operation"), said.get("target")) != ("change-stream", f"stream/{stream}") or said.get("dry_run"):
        return set()
    given = said.get("parameters") or {}
    return {name for parameter, name in _PARAMETERS.items() if given.get(parameter)}
