"""This module is the event store on JetStream. It writes and reads by the functions of the store and keeps no truth of its own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from ..errors import FeatureUnavailable, PersistenceError, StreamNotFound, VersionConflict
from ..events import AggregateDefinition, AggregateRef, NewEvent, StoredEvent
from ..projections import find_record
from ..projections.builtin import events_by_correlation, index_of
from ..projections.builtin.event_index import MAX_TAIL
from ..projections.models import place_of, read_position
from ..snapshots import take
from ..store import Store, append, append_at, get_stream, head_of, messages_of, page_back, read_batch
from .cache import EventCache
from .checking import OnRead, check_read
from .following import PAGE, follow, pattern_of, position_of, read_event
from .protocol import ALL_EVENTS, Behind, EventFilter, check_limit, check_versions

TRIES = 50
"""How often events without an expected version are appended anew where others keep being faster."""
BY_THRESHOLD = "threshold"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JetStreamEventStore:
    """The events of a store's layout, versioned or flat. The cache is this object's; the events are everybody's.

    `on_read` says what happens where something that is read was changed or does not follow from what is before it. With a
    `snapshot_threshold`, appending takes a snapshot of an aggregate of `definitions` each time it has so many more events.
    """

    store: Store
    cache: EventCache = field(default_factory=EventCache)
    on_read: OnRead = OnRead.STRICT
    definitions: Mapping[tuple[str, str], AggregateDefinition] = field(default_factory=dict)
    snapshot_threshold: int | None = None

    def __post_init__(self) -> None:
        if not self.store.layout.takes_events:
            raise FeatureUnavailable(f"{self.store.layout.stream} holds no versions, so it cannot be an event store; it can be browsed.")

    async def append_events(
        self, aggregate: AggregateRef, events: Sequence[NewEvent], *, expected_version: int | None = None
    ) -> list[StoredEvent]:
        """See EventStore; raises also as `store.append`, which also says when the same call may be made again."""
        stored = await self._append(aggregate, events, expected_version)
        await self._take_if_due(aggregate, stored)
        return stored

    async def _append(self, aggregate: AggregateRef, events: Sequence[NewEvent], expected_version: int | None) -> list[StoredEvent]:
        if expected_version is not None:
            return await append_at(self.store, aggregate, expected_version, events)
        for _ in range(TRIES - 1):
            try:
                return await append(self.store, await head_of(self.store, aggregate, leader=True), events)
            except VersionConflict:
                continue
        return await append(self.store, await head_of(self.store, aggregate, leader=True), events)

    async def _take_if_due(self, aggregate: AggregateRef, stored: Sequence[StoredEvent]) -> None:
        """The events are stored whatever comes of the snapshot, so what stands in its way is only logged."""
        definition, every = self.definitions.get((aggregate.context, aggregate.type)), self.snapshot_threshold
        if definition is None or every is None or stored[-1].event.version // every == (stored[0].event.version - 1) // every:
            return
        try:
            await take(self.store, definition, aggregate, by=BY_THRESHOLD, version=stored[-1].event.version, use_snapshot=True)
        except PersistenceError as error:
            log.warning("no snapshot of %s was taken at version %d: %s", aggregate, stored[-1].event.version, error)

    async def get_events(self, aggregate: AggregateRef, *, from_version: int = 1, to_version: int | None = None) -> list[StoredEvent]:
        """See EventStore. Raises InvalidEvent or EncodingError at the first event that cannot be read, ChainBroken where it is strict."""
        check_versions(from_version, to_version)
        store = self.store.pinned()
        is_whole = from_version == 1 and to_version is None
        if is_whole or aggregate in self.cache.kept:
            messages = await self.cache.read(store, aggregate)
        else:
            messages = tuple(await messages_of(store, aggregate, from_version=from_version, to_version=to_version))
        found = [read_event(store, message, self.on_read) for message in messages]
        check_read(aggregate, found, messages, self.on_read)
        return [one for one in found if from_version <= one.event.version and (to_version is None or one.event.version <= to_version)]

    async def get_aggregate_version(self, aggregate: AggregateRef) -> int:
        """See EventStore."""
        return (await head_of(self.store, aggregate)).version

    async def get_events_by_type(
        self, event_type: str, *, limit: int = 100, newest: bool = False, context: str = "*", aggregate: str = "*"
    ) -> list[StoredEvent]:
        """See EventStore."""
        only = EventFilter(context=context, aggregate=aggregate, event=event_type)
        if not newest:
            return await self.get_events_since(0, limit=limit, only=only)
        store = self.store.pinned()
        info = await get_stream(store.connection, store.layout.stream)
        found: list[StoredEvent] = []
        before, wanted = info.last_sequence + 1, check_limit(limit)
        while True:
            missing = wanted - len(found) if store.layout.is_chained else PAGE
            page = await page_back(store.connection, info, before_sequence=before, limit=missing, pattern=pattern_of(store, only))
            read = [read_event(store, message, self.on_read) for message in page.messages]
            found = [one for one in read if only.takes(one.event)] + found
            if page.is_complete or len(found) >= wanted:
                return found[-wanted:]
            before = page.scanned_from

    async def get_events_by_correlation(self, correlation: str, *, limit: int = 100) -> list[StoredEvent]:
        """See EventStore. Quick where the projection `event-index` is up to date; the stream is read where it is not."""
        only, store = EventFilter(correlation=correlation), self.store.pinned()
        check_limit(limit)
        if store.layout.is_chained and await _is_indexed(store):
            return [read_event(store, message, self.on_read) for message in await events_by_correlation(store, correlation, limit=limit)]
        return await self.get_events_since(0, limit=limit, only=only)

    async def get_events_since(self, behind: Behind, *, limit: int = 1000, only: EventFilter = ALL_EVENTS) -> list[StoredEvent]:
        """See EventStore."""
        store, wanted = self.store.pinned(), check_limit(limit)
        pattern = pattern_of(store, only)
        position = await position_of(store, behind, pattern)
        if position is None:
            return []
        correlation = (only.correlation or "").encode()
        found: list[StoredEvent] = []
        while len(found) < wanted:
            limit = min(PAGE, wanted - len(found)) if store.layout.is_chained and not correlation else PAGE
            batch = await read_batch(store.connection, store.layout.stream, from_sequence=position + 1, limit=limit, pattern=pattern)
            read = [read_event(store, message, self.on_read) for message in batch.messages if correlation in message.data]
            found += [one for one in read if only.takes(one.event)]
            if not batch.messages or not batch.pending:
                break
            position = batch.messages[-1].sequence
        return found[:wanted]

    def subscribe_to_events(
        self, behind: Behind | None = 0, *, only: EventFilter = ALL_EVENTS
    ) -> AbstractAsyncContextManager[AsyncIterator[StoredEvent]]:
        """See EventStore, and `following.follow` for what is raised. No consumer is made; a broken link is bridged."""
        return follow(self.store, behind, only, on_read=self.on_read)


async def _is_indexed(store: Store) -> bool:
    """Whether the index of events knows the stream so far that it and the newest events are all there is."""
    definition = index_of(store.layout)
    record = await find_record(store.connection, definition.name)
    if record and (record.serving_build.generation, record.serving_build.version) != (store.layout.generation, definition.version):
        return False  # it knows the sequences of another generation, or is written in another way
    info = await get_stream(store.connection, store.layout.stream)
    try:
        position = await read_position(store.connection, place_of(definition, record.serving if record else 1))
    except StreamNotFound:
        return info.last_sequence <= MAX_TAIL
    return info.last_sequence - position.sequence <= MAX_TAIL
