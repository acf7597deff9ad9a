"""The batcher: stores on size, on time and at the end; nothing is lost, and nothing stored twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from apps.persistence.errors import AppendUnresolved, InvalidInput, InvalidSubject, Unavailable
from apps.persistence.events import AggregateRef, NewEvent, StoredEvent
from apps.persistence.eventstore import EventBatcher, JetStreamEventStore
from apps.persistence.store import Store

LONG = 3600.0
SECONDS = 60


@dataclass(slots=True, kw_only=True)
class Counted:
    """A store that counts what is appended; `unresolved` appends are stored and not acknowledged, `away` ones not stored."""

    events: JetStreamEventStore
    unresolved: int = 0
    away: int = 0
    batches: list[int] = field(default_factory=list)

    async def get_aggregate_version(self, aggregate: AggregateRef) -> int:
        return await self.events.get_aggregate_version(aggregate)

    async def append_events(
        self, aggregate: AggregateRef, events: Sequence[NewEvent], *, expected_version: int | None = None
    ) -> list[StoredEvent]:
        if self.away:
            self.away -= 1
            raise Unavailable("the server is away")
        stored = await self.events.append_events(aggregate, events, expected_version=expected_version)
        if self.unresolved:
            self.unresolved -= 1
            raise AppendUnresolved("no acknowledgement came")
        self.batches.append(len(stored))
        return stored


@pytest.fixture
def counted(store: Store) -> Counted:
    return Counted(events=JetStreamEventStore(store=store))


@pytest.fixture
def ref(order: AggregateRef) -> AggregateRef:
    return order


def viewed(number: int) -> NewEvent:
    return NewEvent(type="viewed", payload={"number": number})


async def numbers(counted: Counted, ref: AggregateRef) -> list[object]:
    return [stored.event.payload["number"] for stored in await counted.events.get_events(ref)]


async def test_full_batch_is_stored_at_once_in_one_go(counted: Counted, ref: AggregateRef) -> None:
    async with EventBatcher(counted, size=5, seconds=LONG) as batcher:
        receipts = [await batcher.add(ref, viewed(number)) for number in range(5)]
        async with asyncio.timeout(SECONDS):
            stored = [await receipt for receipt in receipts]

        assert [one.event.version for one in stored] == [1, 2, 3, 4, 5]
        assert counted.batches == [5]


async def test_batch_that_does_not_fill_is_stored_after_its_time(counted: Counted, ref: AggregateRef) -> None:
    async with EventBatcher(counted, size=1000, seconds=0.05) as batcher:
        receipt = await batcher.add(ref, viewed(1))
        async with asyncio.timeout(SECONDS):
            await receipt

        assert await numbers(counted, ref) == [1]


async def test_what_is_held_at_the_end_is_stored_before_the_block_is_left(counted: Counted, ref: AggregateRef) -> None:
    other = AggregateRef(ref.context, ref.type, "another")

    async with EventBatcher(counted, size=1000, seconds=LONG) as batcher:
        for number in range(7):
            await batcher.add(ref if number % 2 else other, viewed(number))
        waiting = len(batcher.waiting)

    assert waiting == 7
    assert (await numbers(counted, ref), await numbers(counted, other)) == ([1, 3, 5], [0, 2, 4, 6])


async def test_what_is_held_is_stored_also_when_the_block_fails(counted: Counted, ref: AggregateRef) -> None:
    async def fail() -> None:
        async with EventBatcher(counted, seconds=LONG) as batcher:
            await batcher.add(ref, viewed(1))
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await fail()

    assert await numbers(counted, ref) == [1]


async def test_lost_acknowledgement_stores_nothing_twice(counted: Counted, ref: AggregateRef) -> None:
    counted.unresolved = 2

    async with EventBatcher(counted, seconds=0.01) as batcher:
        receipt = await batcher.add(ref, viewed(1))
        async with asyncio.timeout(SECONDS):
            assert (await receipt).event.version == 1
        await batcher.add(ref, viewed(2))

    assert await numbers(counted, ref) == [1, 2]


async def test_server_that_is_away_is_waited_for(counted: Counted, ref: AggregateRef) -> None:
    counted.away = 3

    async with EventBatcher(counted, seconds=0.01) as batcher:
        await batcher.add(ref, viewed(1))

    assert await numbers(counted, ref) == [1]


async def test_server_that_stays_away_leaves_what_is_not_stored_with_the_caller(counted: Counted, ref: AggregateRef) -> None:
    counted.away = 10**6
    batcher = EventBatcher(counted, seconds=LONG, close_seconds=0.01)

    with pytest.raises(Unavailable, match="the server is away"):
        async with batcher:
            await batcher.add(ref, viewed(1))

    assert [(aggregate, event.payload) for aggregate, event in batcher.waiting] == [(ref, {"number": 1})]


async def test_others_who_write_there_do_not_hinder(counted: Counted, ref: AggregateRef) -> None:
    async with EventBatcher(counted, size=2, seconds=LONG) as batcher:
        receipt = await batcher.add(ref, viewed(1))
        await counted.events.append_events(ref, [viewed(0)])
        await batcher.add(ref, viewed(2))
        async with asyncio.timeout(SECONDS):
            await receipt

    assert await numbers(counted, ref) == [0, 1, 2]


async def test_event_that_cannot_be_stored_takes_no_other_with_it_and_is_not_passed_over(counted: Counted, ref: AggregateRef) -> None:
    receipts = []

    async def add_all() -> None:
        async with EventBatcher(counted, seconds=LONG) as batcher:
            for new in (viewed(1), NewEvent(type="no token"), viewed(2)):
                receipts.append(await batcher.add(ref, new))

    with pytest.raises(InvalidSubject):
        await add_all()

    assert [type(receipt.exception()).__name__ for receipt in receipts] == ["NoneType", "InvalidSubject", "NoneType"]
    assert await numbers(counted, ref) == [1, 2]


async def test_adding_waits_while_too_much_is_held(counted: Counted, ref: AggregateRef) -> None:
    async with EventBatcher(counted, size=2, seconds=0.01) as batcher, asyncio.timeout(SECONDS):
        most = 0
        for number in range(100):
            await batcher.add(ref, viewed(number))
            most = max(most, len(batcher.waiting))

    assert most <= 40
    assert await numbers(counted, ref) == list(range(100))


async def test_closed_batcher_and_senseless_sizes_are_refused(counted: Counted, ref: AggregateRef) -> None:
    async with EventBatcher(counted) as batcher:
        pass

    with pytest.raises(InvalidInput, match="The batcher is closed"):
        await batcher.add(ref, viewed(1))
    with pytest.raises(InvalidInput, match="A batch of 0 events"):
        EventBatcher(counted, size=0)
