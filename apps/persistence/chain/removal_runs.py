"""This module is what the run behind a recorded removal must have said in CIM-CONSOLE, so that the record explains anything.

Only the operations of REMOVING remove messages; a run of any other explains nothing. A run that has finished names its record by its CID.
Any other explains only what it was asked for, as its request and its plan say: that message, those subjects, so many from here to there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..encoding import Value
from ..errors import StreamNotFound
from ..events import AggregateRef, Event
from ..store import CONSOLE, Store, StreamInfo, load
from .removals import Removal, list_removals

PURGE, DELETE_MESSAGE, DELETE_STREAM = "purge", "delete-message", "delete-stream"
SAW_COUNT, SAW_SPAN = "messages that would go", "sequences that would go"
ALL = ">"


def span_words(first: int, last: int) -> str:
    """What the plan of a purge commits to: its first and its last sequence."""
    return f"{first} to {last}"


async def confirmed_removals(store: Store, info: StreamInfo) -> list[Removal]:
    """The records of a stream that their runs in CIM-CONSOLE confirm."""
    return [removal for removal in await list_removals(store.connection, info) if await is_confirmed(store, removal)]


async def is_confirmed(store: Store, removal: Removal) -> bool:
    """Whether the run that a record names is there and says the same."""
    try:
        found = await load(store.on(CONSOLE), AggregateRef("console", "run", removal.run_id))
    except StreamNotFound:
        return False
    return _agrees({stored.event.type: stored.event for stored in found.events}, removal)


def _agrees(events: Mapping[str, Event], removal: Removal) -> bool:
    """Whether a run with these events, by type, was confirmed, began, and says what the record says."""
    requested, finished = events.get("requested"), events.get("finished")
    if requested is None or "confirmed" not in events or "started" not in events or requested.payload.get("dry_run"):
        return False
    said = requested.payload
    committed = REMOVING.get(removal.operation)
    wanted = (removal.operation, f"stream/{removal.stream}", removal.reason)
    if committed is None or (said.get("operation"), said.get("target"), said.get("reason")) != wanted or requested.actor != removal.by:
        return False
    size = sum(part.size for part in removal.ranges)
    if size < 1 or (removal.is_exact and size != removal.count):
        return False
    if finished is not None:
        return cast("dict[str, Value]", finished.payload.get("figures", {})).get("record") == str(removal.cid)
    return committed(_map(said.get("parameters")), _map(said.get("saw")), removal)


def _purged(parameters: Mapping[str, Any], saw: Mapping[str, Any], removal: Removal) -> bool:
    if removal.pattern != (parameters.get("subject") or ALL) or removal.count != saw.get(SAW_COUNT):
        return False
    first, last = removal.ranges[0].first, removal.ranges[-1].last
    if SAW_SPAN in saw:
        return bool(saw[SAW_SPAN] == span_words(first, last))
    before = str(parameters.get("before") or "")
    return before.isdecimal() and last < int(before)


def _deleted(parameters: Mapping[str, Any], saw: Mapping[str, Any], removal: Removal) -> bool:
    sequence = parameters.get("sequence")
    if [(part.first, part.last) for part in removal.ranges] != [(sequence, sequence)]:
        return False
    return bool(saw.get(f"sequence {sequence}") == removal.pattern)


def _dropped(parameters: Mapping[str, Any], saw: Mapping[str, Any], removal: Removal) -> bool:
    return bool(saw.get("messages") == removal.count and removal.ranges[-1].last <= saw.get("last sequence", 0))


def _map(value: Value) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


REMOVING: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], Removal], bool]] = {
    PURGE: _purged,
    DELETE_MESSAGE: _deleted,
    DELETE_STREAM: _dropped,
}
"""The operations that remove, each with whether what its request and its plan said commits to a record."""
