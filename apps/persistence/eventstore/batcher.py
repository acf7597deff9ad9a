"""This module is the event batcher: events of many small writes are stored together, when there are enough of them or after a moment.

    async with EventBatcher(store, size=100, seconds=0.2) as batcher:
        receipt = await batcher.add(order, NewEvent(type="viewed"))
        stored = await receipt                     # only where the place in the stream matters

An event is stored once `await receipt` says so, or the block has been left without an error. Events of one aggregate keep their order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from types import TracebackType
from typing import Protocol, Self

from ..errors import InvalidInput, PersistenceError, Unavailable, VersionConflict
from ..events import AggregateRef, NewEvent, StoredEvent, new_id, now

MOST_TOGETHER = 1000
CLOSE_SECONDS = 30.0
_PAUSE_SECONDS = 0.1

Receipt = asyncio.Future[StoredEvent]


class Appends(Protocol):
    """What the batcher needs of an `EventStore`."""

    async def get_aggregate_version(self, aggregate: AggregateRef) -> int:
        """The newest version; 0 where there is no such aggregate."""

    async def append_events(
        self, aggregate: AggregateRef, events: Sequence[NewEvent], *, expected_version: int | None = None
    ) -> list[StoredEvent]:
        """Store them all or none, exactly once."""


@dataclass(slots=True, kw_only=True)
class _Chunk:
    """Events of one aggregate that are stored together; `expected` is the version they were sent after, so that sending again is safe."""

    aggregate: AggregateRef
    events: list[NewEvent] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    expected: int | None = None


class EventBatcher:
    """Holds events until `size` of them wait or the oldest waited for `seconds`; `add` waits while ten times as many are held."""

    def __init__(self, store: Appends, *, size: int = 100, seconds: float = 0.2, close_seconds: float = CLOSE_SECONDS) -> None:
        if size < 1 or seconds <= 0:
            raise InvalidInput(f"A batch of {size} events after {seconds} seconds makes no sense; give at least 1 event and some time.")
        self._store = store
        self._size = size
        self._seconds = seconds
        self._close_seconds = close_seconds
        self._added: list[tuple[AggregateRef, NewEvent, Receipt]] = []
        self._chunks: list[_Chunk] = []
        self._failures: list[PersistenceError] = []
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._ticking: asyncio.Task[None] | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick(), name="event batcher")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Store what is held. Raises the first failure; Unavailable where the server stays away: `waiting` then has what is not stored."""
        self._is_closed = True
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
        deadline = time.monotonic() + self._close_seconds
        while self.waiting:
            try:
                await self.flush()
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
        if self._failures and error is None:
            raise self._failures[0]

    @property
    def waiting(self) -> Sequence[tuple[AggregateRef, NewEvent]]:
        """What is not stored yet, in order."""
        held = [(chunk.aggregate, event) for chunk in self._chunks for event in chunk.events]
        return held + [(aggregate, event) for aggregate, event, _ in self._added]

    async def add(self, aggregate: AggregateRef, event: NewEvent) -> Receipt:
        """Take an event; its receipt is done when it is stored, or has the reason why it cannot be. Raises InvalidInput once closed."""
        while len(self._added) >= 10 * self._size and not self._is_closed:
            self._room.clear()
            await self._room.wait()
        if self._is_closed:
            raise InvalidInput("The batcher is closed; events can be added only inside its block.")
        receipt: Receipt = asyncio.get_running_loop().create_future()
        receipt.add_done_callback(_look_at)
        self._added.append((aggregate, replace(event, id=event.id or new_id(), time=event.time or now()), receipt))
        if len(self._added) == 1 or len(self._added) >= self._size:
            self._due.set()
        return receipt

    async def flush(self) -> None:
        """Store everything that is held now. Raises Unavailable where the server is away: all is still held, and is sent again."""
        async with self._flushing:
            added, self._added = self._added, []
            self._room.set()
            self._chunks += _chunks_of(added)
            while self._chunks:
                self._chunks[:1] = await self._store_chunk(self._chunks[0])

    async def _tick(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            deadline = time.monotonic() + self._seconds
            while len(self._added) < self._size and (left := deadline - time.monotonic()) > 0:
                await self._more(left)
            try:
                await self.flush()
            except Unavailable:
                await asyncio.sleep(_PAUSE_SECONDS)
                self._due.set()

    async def _more(self, seconds: float) -> None:
        """Until enough events came, at most so long."""
        self._due.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._due.wait()
        except TimeoutError:
            return

    async def _store_chunk(self, chunk: _Chunk) -> list[_Chunk]:
        """Until it is stored, or can never be. What is left to do: each event alone, where they cannot be stored together."""
        while True:
            try:
                if chunk.expected is None:
                    chunk.expected = await self._store.get_aggregate_version(chunk.aggregate)
                stored = await self._store.append_events(chunk.aggregate, chunk.events, expected_version=chunk.expected)
            except VersionConflict:  # somebody else wrote there, and nothing of ours is stored
                chunk.expected = None
            except Unavailable:
                raise
            except PersistenceError as error:
                return self._give_up(chunk, error)
            else:
                for receipt, one in zip(chunk.receipts, stored, strict=True):
                    _settle(receipt, one)
                return []

    def _give_up(self, chunk: _Chunk, error: PersistenceError) -> list[_Chunk]:
        """One event that cannot be stored must not take the others with it."""
        if len(chunk.events) > 1:
            alone = zip(chunk.events, chunk.receipts, strict=True)
            return [_Chunk(aggregate=chunk.aggregate, events=[event], receipts=[receipt]) for event, receipt in alone]
        self._failures.append(error)
        _settle(chunk.receipts[0], error)
        return []


def _chunks_of(added: Sequence[tuple[AggregateRef, NewEvent, Receipt]]) -> list[_Chunk]:
    """By aggregate, each in its order."""
    chunks: list[_Chunk] = []
    ordered = sorted(added, key=lambda one: str(one[0]))
    for aggregate, group in groupby(ordered, key=lambda one: one[0]):
        same = list(group)
        for start in range(0, len(same), MOST_TOGETHER):
            part = same[start : start + MOST_TOGETHER]
            chunks.append(_Chunk(aggregate=aggregate, events=[one[1] for one in part], receipts=[one[2] for one in part]))
    return chunks


def _settle(receipt: Receipt, outcome: StoredEvent | PersistenceError) -> None:
    if receipt.done():  # whoever waited has given up
        return
    if isinstance(outcome, PersistenceError):
        receipt.set_exception(outcome)
    else:
        receipt.set_result(outcome)


def _look_at(receipt: Receipt) -> None:
    """A failure that nobody waits for is raised when the batcher is left."""
    if not receipt.cancelled():
        receipt.exception()
