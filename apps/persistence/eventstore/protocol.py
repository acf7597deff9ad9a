"""This module is the protocol of an event store, held to by one set of tests for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..errors import InvalidInput, PersistenceError, Unavailable
from ..events import AggregateRef, Event, NewEvent, StoredEvent
from ..events.identity import check_uuid
from ..subjects import check_token

MOST_EVENTS = 10_000
"""How many events one call gives at most."""
MOST_AT_ONCE = 64

Behind = int | datetime
"""A place in the stream: what lies behind this sequence, or what was stored at this time or later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are wanted; `*` stands for all. `correlation` is the story that they belong to. Raises InvalidInput."""

    context: str = "*"
    aggregate: str = "*"
    entity: str = "*"
    event: str = "*"
    correlation: str | None = None

    def __post_init__(self) -> None:
        for token, what in (
            (self.context, "a context"),
            (self.aggregate, "an aggregate type"),
            (self.entity, "an aggregate id"),
            (self.event, "an event type"),
        ):
            if token != "*":
                check_token(token, what)
        if self.correlation is not None:
            check_uuid(self.correlation, "The correlation")

    def takes(self, event: Event) -> bool:
        """Whether `event` is wanted."""
        ref = event.aggregate
        given = ((self.context, ref.context), (self.aggregate, ref.type), (self.entity, ref.id), (self.event, event.type))
        return all(wanted in ("*", token) for wanted, token in given) and self.correlation in (None, event.correlation)


ALL_EVENTS = EventFilter()


class EventStore(Protocol):
    """Events of aggregates: written once, read by aggregate, type, story or place, and followed as they come."""

    async def append_events(
        self, aggregate: AggregateRef, events: Sequence[NewEvent], *, expected_version: int | None = None
    ) -> list[StoredEvent]:
        """Store 1 to 1,000 events, all or none, exactly once, and return when they are stored.

        Without `expected_version` they follow whatever is newest. Raises VersionConflict, InvalidInput, InvalidEvent, EncodingError.
        """

    async def get_events(self, aggregate: AggregateRef, *, from_version: int = 1, to_version: int | None = None) -> list[StoredEvent]:
        """The events of these versions, both included, in order; none where there is no such aggregate."""

    async def get_aggregate_version(self, aggregate: AggregateRef) -> int:
        """The newest version; 0 where there is no such aggregate."""

    async def get_events_by_type(
        self, event_type: str, *, limit: int = 100, newest: bool = False, context: str = "*", aggregate: str = "*"
    ) -> list[StoredEvent]:
        """The first events of a type across aggregates, or the `newest` ones; always in stream order."""

    async def get_events_by_correlation(self, correlation: str, *, limit: int = 100) -> list[StoredEvent]:
        """The first events of a story, in stream order."""

    async def get_events_since(self, behind: Behind, *, limit: int = 1000, only: EventFilter = ALL_EVENTS) -> list[StoredEvent]:
        """The first events behind a sequence, or stored at a time or later, in stream order."""

    def subscribe_to_events(
        self, behind: Behind | None = 0, *, only: EventFilter = ALL_EVENTS
    ) -> AbstractAsyncContextManager[AsyncIterator[StoredEvent]]:
        """What is stored already behind a place, then each event as it comes: every one once, in stream order, without end.

        `None` begins with what is stored from now on.
        """


async def read_many(
    events: EventStore, aggregates: Sequence[AggregateRef], *, at_once: int = 8
) -> AsyncIterator[tuple[AggregateRef, list[StoredEvent]]]:
    """The events of many aggregates, in the order given; no more than `at_once` of them are read, or in memory, at a time."""
    _check_at_once(at_once)
    for start in range(0, len(aggregates), at_once):
        refs = aggregates[start : start + at_once]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(events.get_events(ref)) for ref in refs]
        for ref, task in zip(refs, tasks, strict=True):
            yield ref, task.result()


async def append_many(
    events: EventStore, given: Mapping[AggregateRef, Sequence[NewEvent]], *, at_once: int = 8
) -> dict[AggregateRef, list[StoredEvent] | PersistenceError]:
    """Append to many aggregates, no more than `at_once` at a time; what each got, or why it was refused. Each is stored whole or not.

    Raises Unavailable as soon as the server stays away: what is stored then is known by reading, and the same call may be made again.
    """
    slots = asyncio.Semaphore(_check_at_once(at_once))

    async def append_one(ref: AggregateRef) -> list[StoredEvent] | PersistenceError:
        async with slots:
            try:
                return await events.append_events(ref, given[ref])
            except Unavailable:
                raise
            except PersistenceError as error:
                return error

    async with asyncio.TaskGroup() as group:
        tasks = {ref: group.create_task(append_one(ref)) for ref in given}
    return {ref: task.result() for ref, task in tasks.items()}


def _check_at_once(at_once: int) -> int:
    if not 1 <= at_once <= MOST_AT_ONCE:
        raise InvalidInput(f"{at_once} aggregates cannot be worked on at once; 1 to {MOST_AT_ONCE} can.")
    return at_once


def check_limit(limit: int) -> int:
    """Return `limit` if one call can give so many events. Raises InvalidInput."""
    if not 1 <= limit <= MOST_EVENTS:
        raise InvalidInput(f"{limit:,} events cannot be asked for at once; 1 to {MOST_EVENTS:,} can. Go on behind the last one's sequence.")
    return limit


def check_versions(first: int, last: int | None) -> None:
    """Raise InvalidInput where no aggregate has these versions."""
    if first < 1 or (last is not None and last < first):
        raise InvalidInput(f"There are no versions from {first} to {last}; versions begin at 1.")
