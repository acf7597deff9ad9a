"""This module is the event store in memory, for unit tests of programs that use one: no server, the same behaviour, the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from ..encoding import Cid, cid_of
from ..errors import ContinuityLost, InvalidEvent, InvalidInput, VersionConflict
from ..events import AggregateRef, Event, NewEvent, StoredEvent, Upcasters, new_id, now
from ..store import EVENTS, AggregateFull, Layout
from .protocol import ALL_EVENTS, Behind, EventFilter, check_limit, check_versions

MOST_AT_ONCE = 1000
LARGEST_EVENT = 1024 * 1024 - 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A stored block; the event is decoded anew for each reader, so that none can change what another gets."""

    block: bytes
    cid: Cid
    sequence: int
    stored_at: datetime
    subject: str


@dataclass(slots=True, kw_only=True)
class InMemoryEventStore:
    """Events that live as long as this object. For one event loop."""

    layout: Layout = EVENTS
    upcasters: Upcasters = field(default_factory=Upcasters)
    _kept: list[_Kept] = field(default_factory=list)
    _chains: dict[AggregateRef, list[_Kept]] = field(default_factory=dict)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def with_events(cls, given: Mapping[AggregateRef, Sequence[NewEvent]]) -> InMemoryEventStore:
        """A store in which these events have happened already. Raises InvalidEvent, EncodingError."""
        store = cls()
        for aggregate, events in given.items():
            store._add(aggregate, store._make(aggregate, events, after=()))
        return store

    async def append_events(
        self, aggregate: AggregateRef, events: Sequence[NewEvent], *, expected_version: int | None = None
    ) -> list[StoredEvent]:
        """See EventStore."""
        if not 1 <= len(events) <= MOST_AT_ONCE:
            raise InvalidInput(f"{len(events):,} events cannot be appended at once; 1 to {MOST_AT_ONCE:,} can.")
        chain = self._chains.get(aggregate, [])
        expected = len(chain) if expected_version is None else expected_version
        if not 0 <= expected <= len(chain):
            raise VersionConflict(aggregate, expected=expected, actual=len(chain))
        limit = self.layout.max_events
        if limit is not None and expected + len(events) > limit:
            raise AggregateFull(aggregate, version=expected, wanted=len(events), limit=limit)
        added = self._make(aggregate, events, after=chain[:expected])
        if expected < len(chain):
            stored = chain[expected : expected + len(added)]
            if [kept.block for kept in stored] != [kept.block for kept in added]:
                raise VersionConflict(aggregate, expected=expected, actual=len(chain))
            return [self._read(kept, upcast=False) for kept in stored]  # the same call again: they are stored already
        self._add(aggregate, added)
        return [self._read(kept, upcast=False) for kept in added]

    async def get_events(self, aggregate: AggregateRef, *, from_version: int = 1, to_version: int | None = None) -> list[StoredEvent]:
        """See EventStore."""
        check_versions(from_version, to_version)
        return [self._read(kept) for kept in self._chains.get(aggregate, [])[from_version - 1 : to_version]]

    async def get_aggregate_version(self, aggregate: AggregateRef) -> int:
        """See EventStore."""
        return len(self._chains.get(aggregate, []))

    async def get_events_by_type(
        self, event_type: str, *, limit: int = 100, newest: bool = False, context: str = "*", aggregate: str = "*"
    ) -> list[StoredEvent]:
        """See EventStore."""
        only = EventFilter(context=context, aggregate=aggregate, event=event_type)
        found = [one for one in map(self._read, self._kept) if only.takes(one.event)]
        return found[-check_limit(limit) :] if newest else found[: check_limit(limit)]

    async def get_events_by_correlation(self, correlation: str, *, limit: int = 100) -> list[StoredEvent]:
        """See EventStore."""
        return await self.get_events_since(0, limit=limit, only=EventFilter(correlation=correlation))

    async def get_events_since(self, behind: Behind, *, limit: int = 1000, only: EventFilter = ALL_EVENTS) -> list[StoredEvent]:
        """See EventStore."""
        found = map(self._read, self._kept[self._position(behind) :])
        return [one for one in found if only.takes(one.event)][: check_limit(limit)]

    @asynccontextmanager
    async def subscribe_to_events(
        self, behind: Behind | None = 0, *, only: EventFilter = ALL_EVENTS
    ) -> AsyncIterator[AsyncIterator[StoredEvent]]:
        """See EventStore. Raises ContinuityLost for a sequence behind the end."""
        position = len(self._kept) if behind is None else self._position(behind)
        if position > len(self._kept):
            raise ContinuityLost(
                f"{self.layout.stream} ends at sequence {len(self._kept):,}, before {position:,}; it is not the one that was read before."
            )
        async with aclosing(self._follow(position, only)) as events:
            yield events

    async def _follow(self, position: int, only: EventFilter) -> AsyncGenerator[StoredEvent, None]:
        while True:
            grown = self._grown
            while position < len(self._kept):
                stored = self._read(self._kept[position])
                position += 1
                if only.takes(stored.event):
                    yield stored
            await grown.wait()

    def _make(self, aggregate: AggregateRef, events: Sequence[NewEvent], *, after: Sequence[_Kept]) -> list[_Kept]:
        previous = after[-1].cid if after else None
        made: list[_Kept] = []
        for version, new in enumerate(events, start=len(after) + 1):
            event = self.upcasters.flags.as_written(_complete(new, aggregate, version, previous))
            block = self.upcasters.sealing.seal(event).to_block()
            if len(block) > LARGEST_EVENT:
                raise InvalidEvent(f"The event {event.type} of {aggregate} is {len(block):,} bytes, and {LARGEST_EVENT:,} can be stored.")
            previous = cid_of(block)
            sequence = len(self._kept) + len(made) + 1
            made.append(_Kept(block=block, cid=previous, sequence=sequence, stored_at=now(), subject=self.layout.subject(event)))
        return made

    def _add(self, aggregate: AggregateRef, made: Sequence[_Kept]) -> None:
        self._kept += made
        self._chains.setdefault(aggregate, []).extend(made)
        self._grown.set()
        self._grown = asyncio.Event()

    def _position(self, behind: Behind) -> int:
        if isinstance(behind, int):
            return max(0, behind)
        return sum(kept.stored_at < behind for kept in self._kept)

    def _read(self, kept: _Kept, *, upcast: bool = True) -> StoredEvent:
        event = self.upcasters.sealing.open(Event.from_block(kept.block))
        stored = StoredEvent(
            event=event,
            cid=kept.cid,
            stream=self.layout.stream,
            subject=kept.subject,
            sequence=kept.sequence,
            stored_at=kept.stored_at,
            size=len(kept.block),
            stored_schema=event.schema,
        )
        return self.upcasters.read(stored) if upcast else stored


def _complete(new: NewEvent, aggregate: AggregateRef, version: int, previous: Cid | None) -> Event:
    id = new.id or new_id()
    return Event(
        aggregate=aggregate,
        version=version,
        type=new.type,
        schema=new.schema,
        id=id,
        time=new.time or now(),
        actor=new.actor,
        correlation=new.correlation or id,
        causation=new.causation,
        scope=new.scope,
        previous=previous,
        payload=dict(new.payload),
        metadata=dict(new.metadata),
    )
