"""This module is what the limits of a stream removed from its beginning: a limit that was never reached explains nothing.

A limit may have been another one before. Where a run of the console was asked to change the stream, each limit that it has now is taken as
perhaps reached; a change that no run made is none that a verification knows of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ..errors import PersistenceError, StreamNotFound
from ..events import Event, now
from ..store import CONSOLE, Store, StreamInfo, read_batch
from .gaps import Range
from .removal_runs import confirmed_removals
from .removals import EXPIRED, RESTORED_FROM, Removal, stream_key

_LIMITS = {"max_age": "its limit of age", "max_msgs": "its limit of messages", "max_bytes": "its limit of bytes"}
_CLOCKS = timedelta(minutes=5)
_LARGEST = 8 << 20
"""A stream at its limit of bytes is below it by less than a message, which is hardly ever larger than this."""
_PAGE = 500
_REQUESTS = "cim.console.run.*.requested.v1"


async def expired_of(store: Store, info: StreamInfo) -> Removal | None:
    """What limits removed from the beginning, as far as that can be told from them; None where there are none that can have."""
    limits = [name for name in _LIMITS if int(info.config.get(name) or 0) > 0]
    if info.config.get("discard") == "new":
        limits = [name for name in limits if name == "max_age"]
    if not limits or info.first_sequence <= 1:
        return None
    removed = sum(removal.count for removal in await confirmed_removals(store, info))
    reached = [name for name in limits if _may_be_reached(name, info, removed)]
    if not reached and await _was_changed_by_a_run(store, info.name):
        reached = limits
    if not reached:
        return None
    gone = Range(1, info.first_sequence - 1)
    return Removal(
        run_id="",
        operation=EXPIRED,
        stream=info.name,
        created=stream_key(info),
        pattern=">",
        ranges=(gone,),
        is_exact=True,
        count=gone.size,
        by=info.name,
        reason=_words(reached, info),
        at=info.first_time or now(),
    )


def _may_be_reached(name: str, info: StreamInfo, removed: int) -> bool:
    limit = int(info.config[name])
    if name == "max_msgs":
        return info.messages + info.deleted + removed >= limit
    if name == "max_bytes":
        return bool(removed or info.deleted) or info.bytes + _LARGEST >= limit
    is_older = bool(info.mirror) or RESTORED_FROM in (info.config.get("metadata") or {})
    return is_older or info.created is None or now() - info.created + _CLOCKS >= timedelta(microseconds=limit / 1000)


def _words(reached: Sequence[str], info: StreamInfo) -> str:
    """Sure is only that nothing younger went than a limit of age allows: where what is left begins at that age."""
    words = " or ".join(_LIMITS[name] for name in reached)
    age = timedelta(microseconds=int(info.config.get("max_age") or 0) / 1000)
    is_sure = "max_age" in reached and info.first_time is not None and now() - info.first_time + _CLOCKS >= age
    is_full = "max_msgs" in reached and info.messages >= int(info.config["max_msgs"])
    return words if is_sure or is_full else f"perhaps {words}, which cannot be told any more,"


async def _was_changed_by_a_run(store: Store, stream: str) -> bool:
    """Whether a run in CIM-CONSOLE was asked to change the settings of the stream."""
    position = 1
    while True:
        try:
            batch = await read_batch(store.connection, CONSOLE.stream, from_sequence=position, limit=_PAGE, pattern=_REQUESTS)
        except StreamNotFound:
            return False
        if any(_asks_to_change(message.data, stream) for message in batch.messages):
            return True
        if not batch.messages or not batch.pending:
            return False
        position = batch.messages[-1].sequence + 1


def _asks_to_change(block: bytes, stream: str) -> bool:
    try:
        said = Event.from_block(block).payload
    except PersistenceError:
        return False
    return (said.get("operation"), said.get("target")) == ("change-stream", f"stream/{stream}")
