"""This module is which marks are believed: only what a verification left that says so itself in CIM-CONSOLE, and no later one.

A mark lies in a bucket that anybody with the server can write to. What a run said stands in the operators' trail, chained, logged and
signed: the receipt of a verification names each mark that it left by its CID, and when that was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EncodingError, InvalidEvent, StreamNotFound
from ..events import AggregateRef, Event, StoredEvent, format_time
from ..store import CONSOLE, Store, load, read_batch
from .marks import Mark, list_marks, mark_history, read_mark

VERIFY = "verify"
CID_KEY, TIME_KEY = "mark", "marked"
"""Under which names a receipt says of a stream which mark was left, and when."""
_AT_ONCE = 200
_ENDED = ("finished", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMark:
    """The `mark` of a stream, None where there is none that is believed; `doubt` says why one that is there is not."""

    mark: Mark | None = None
    doubt: str = ""


async def known_mark(store: Store, stream: str) -> KnownMark:
    """What is known of how far a stream was verified. Raises Unavailable."""
    mark = await read_mark(store, stream)
    return await _known(store, mark) if mark else KnownMark()


async def known_marks(store: Store) -> dict[str, KnownMark]:
    """The same of every stream that has a mark, by name."""
    marks = await list_marks(store)
    found = await asyncio.gather(*(_known(store, mark) for mark in marks))
    return {mark.stream: known for mark, known in zip(marks, found, strict=True)}


async def known_history(store: Store, stream: str) -> list[Mark]:
    """The last states of a stream's mark that verifications left, newest first."""
    marks = await mark_history(store, stream)
    found = await asyncio.gather(*(_events_of(store, mark.run) for mark in marks))
    return [mark for mark, events in zip(marks, found, strict=True) if not _doubt(events, mark)]


async def _known(store: Store, mark: Mark) -> KnownMark:
    events = await _events_of(store, mark.run)
    doubt = mark.problem or _doubt(events, mark)
    finished = next((stored for stored in events if stored.event.type == "finished"), None)
    if not doubt and finished is not None and await _left_later(store, mark, after=finished.sequence):
        doubt = "a later verification left another one"
    if not doubt:
        return KnownMark(mark=mark)
    what = f"that says {mark.stream} was verified to {mark.sequence:,}" if not mark.problem else f"of {mark.stream}"
    return KnownMark(doubt=f"The mark {what} is not relied on: {doubt}")


async def _events_of(store: Store, run: str) -> Sequence[StoredEvent]:
    """The events of a run in CIM-CONSOLE, none where it is not there or cannot be read."""
    if not run:
        return ()
    try:
        return (await load(store.on(CONSOLE), AggregateRef("console", "run", run))).events
    except (StreamNotFound, EncodingError, InvalidEvent):
        return ()


def _doubt(events: Sequence[StoredEvent], mark: Mark) -> str:
    """Why the run that a mark names does not stand for it; empty where it does. One at work has not said yet what it left."""
    if not mark.run:
        return "it names no run that left it"
    said = {stored.event.type: stored.event for stored in events}
    requested = said.get("requested")
    if requested is None or requested.payload.get("operation") != VERIFY or requested.payload.get("dry_run"):
        return f"no verification {mark.run} is in {CONSOLE.stream}"
    if "confirmed" not in said or "started" not in said:
        return f"the verification {mark.run} never began"
    if not any(kind in said for kind in _ENDED):
        return ""
    if "finished" in said and any(one.get(CID_KEY) == str(mark.cid) for one in _receipts(said["finished"], mark.stream)):
        return ""
    return f"the verification {mark.run} did not leave it"


async def _left_later(store: Store, mark: Mark, *, after: int) -> bool:
    """Whether a verification that finished behind that sequence of CIM-CONSOLE left another mark, later."""
    pattern = CONSOLE.pattern_of(context="console", aggregate="run", event="finished")
    left = format_time(mark.at)
    while True:
        batch = await read_batch(store.connection, CONSOLE.stream, from_sequence=after + 1, limit=_AT_ONCE, pattern=pattern)
        for message in batch.messages:
            after = message.sequence
            try:
                event = Event.from_block(message.data)
            except (EncodingError, InvalidEvent):
                continue
            for one in _receipts(event, mark.stream):
                if one.get(CID_KEY) != str(mark.cid) and str(one.get(TIME_KEY) or "") > left:
                    return True
        if not batch.messages or not batch.pending:
            return False


def _receipts(finished: Event, stream: str) -> Iterator[Mapping[str, Any]]:
    """What a receipt says of one stream."""
    figures: Any = finished.payload.get("figures")
    if isinstance(figures, dict):
        streams = figures.get("streams")
        for one in (figures, *(streams if isinstance(streams, list) else ())):
            if isinstance(one, dict) and one.get("stream") == stream:
                yield one
