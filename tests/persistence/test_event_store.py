"""This module is the conformance of event stores: one set of tests for the one on a real server and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from apps.persistence.errors import ContinuityLost, EncodingError, InvalidEvent, InvalidInput, InvalidSubject, VersionConflict
from apps.persistence.events import AggregateRef, NewEvent, StoredEvent, new_id
from apps.persistence.eventstore import EventFilter, EventStore, InMemoryEventStore, JetStreamEventStore, read_many
from apps.persistence.store import Layout, Store, ensure_event_stream

CART = AggregateRef("sales", "cart", "c1")
OTHER = AggregateRef("sales", "cart", "c2")
PERSON = AggregateRef("people", "person", "p1")


@pytest.fixture(params=["jetstream", "flat", "memory"])
async def events(request: pytest.FixtureRequest, store: Store) -> EventStore:
    """The event store on a versioned layout, on a flat one, and in memory."""
    if request.param == "memory":
        return InMemoryEventStore()
    if request.param == "flat":
        flat = Layout(stream=f"FLAT-{new_id()[-12:]}", root=f"flat.{new_id()[-12:]}", kind="flat")
        await ensure_event_stream(store.connection, flat)
        return JetStreamEventStore(store=store.on(flat))
    return JetStreamEventStore(store=store)


def added(item: str, *, correlation: str | None = None) -> NewEvent:
    return NewEvent(type="item_added", payload={"item": item}, correlation=correlation)


def items(found: list[StoredEvent]) -> list[object]:
    return [one.event.payload["item"] for one in found]


async def take(incoming: AsyncIterator[StoredEvent], count: int) -> list[StoredEvent]:
    async with asyncio.timeout(60):
        return [await anext(incoming) for _ in range(count)]


# -- append and read back ----------------------------------------------------------------------------------------------------------------


async def test_events_are_stored_in_order_and_linked(events: EventStore) -> None:
    first = await events.append_events(CART, [added("tea"), added("milk")], expected_version=0)
    second = await events.append_events(CART, [added("cups")], expected_version=2)

    found = await events.get_events(CART)

    assert [one.cid for one in found] == [one.cid for one in first + second]
    assert [one.event.version for one in found] == [1, 2, 3]
    assert [one.event.previous for one in found] == [None, found[0].cid, found[1].cid]
    assert items(found) == ["tea", "milk", "cups"]


async def test_append_refuses_a_stale_expected_version_and_stores_nothing(events: EventStore) -> None:
    await events.append_events(CART, [added("tea")])

    with pytest.raises(VersionConflict) as raised:
        await events.append_events(CART, [added("milk"), added("cups")], expected_version=0)

    assert (raised.value.expected, raised.value.actual) == (0, 1)
    assert items(await events.get_events(CART)) == ["tea"]


async def test_append_refuses_a_version_that_is_not_there_yet(events: EventStore) -> None:
    with pytest.raises(VersionConflict) as raised:
        await events.append_events(CART, [added("tea")], expected_version=4)

    assert (raised.value.expected, raised.value.actual) == (4, 0)


async def test_same_append_made_twice_stores_once(events: EventStore) -> None:
    event = NewEvent(type="item_added", payload={"item": "tea"}, id=new_id(), time=datetime(2026, 5, 1, tzinfo=UTC))
    first = await events.append_events(CART, [event], expected_version=0)

    second = await events.append_events(CART, [event], expected_version=0)

    assert [one.cid for one in second] == [one.cid for one in first]
    assert await events.get_aggregate_version(CART) == 1


async def test_writers_that_expect_nothing_all_get_a_version_of_their_own(events: EventStore) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(events.append_events(CART, [added(f"item-{number}")]))

    found = await events.get_events(CART)

    assert [one.event.version for one in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sorted(items(found), key=str) == [f"item-{number}" for number in range(8)]


async def test_one_of_two_writers_that_expect_the_same_version_wins(events: EventStore) -> None:
    async def try_to_append(item: str) -> bool:
        try:
            await events.append_events(CART, [added(item)], expected_version=0)
        except VersionConflict:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(try_to_append(item)) for item in ("tea", "milk")]

    assert sorted(task.result() for task in tasks) == [False, True]
    assert await events.get_aggregate_version(CART) == 1


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([], InvalidInput),
        ([NewEvent(type="bad.type")], InvalidSubject),
        ([NewEvent(type="added", payload={"n": float("nan")})], EncodingError),
        ([NewEvent(type="added", payload={"n": "x" * 1_100_000})], InvalidEvent),
        ([NewEvent(type="added", actor="")], InvalidEvent),
        ([NewEvent(type="added")] * 1001, InvalidInput),
    ],
)
async def test_what_cannot_be_stored_is_refused_whole(events: EventStore, given: list[NewEvent], error: type[Exception]) -> None:
    with pytest.raises(error):
        await events.append_events(CART, given)

    assert await events.get_events(CART) == []


async def test_range_of_versions_includes_both_ends(events: EventStore) -> None:
    await events.append_events(CART, [added(item) for item in "abcde"])

    assert items(await events.get_events(CART, from_version=2, to_version=4)) == ["b", "c", "d"]
    assert items(await events.get_events(CART, from_version=4)) == ["d", "e"]
    assert items(await events.get_events(CART, from_version=6)) == []
    assert len(await events.get_events(CART)) == 5
    assert items(await events.get_events(CART, to_version=2)) == ["a", "b"]


async def test_versions_that_cannot_be_are_refused(events: EventStore) -> None:
    with pytest.raises(InvalidInput, match="from 0"):
        await events.get_events(CART, from_version=0)
    with pytest.raises(InvalidInput, match="from 3 to 2"):
        await events.get_events(CART, from_version=3, to_version=2)


async def test_reader_that_changes_a_payload_changes_nobody_elses(events: EventStore) -> None:
    await events.append_events(CART, [added("tea")])
    (found,) = await events.get_events(CART)

    found.event.payload["item"] = "poison"

    assert items(await events.get_events(CART)) == ["tea"]


async def test_many_aggregates_are_read_in_the_order_asked_for(events: EventStore) -> None:
    await events.append_events(CART, [added("tea")])
    await events.append_events(OTHER, [added("milk"), added("cups")])

    found = [(ref, items(read)) async for ref, read in read_many(events, [OTHER, PERSON, CART], at_once=2)]

    assert found == [(OTHER, ["milk", "cups"]), (PERSON, []), (CART, ["tea"])]


# -- across aggregates --------------------------------------------------------------------------------------------------------------------


async def test_events_of_a_type_are_found_across_aggregates_first_or_newest(events: EventStore) -> None:
    await events.append_events(CART, [added("a"), NewEvent(type="closed"), added("b")])
    await events.append_events(OTHER, [added("c"), added("d")])
    await events.append_events(PERSON, [added("e")])

    assert items(await events.get_events_by_type("item_added")) == ["a", "b", "c", "d", "e"]
    assert items(await events.get_events_by_type("item_added", limit=2)) == ["a", "b"]
    assert items(await events.get_events_by_type("item_added", limit=2, newest=True)) == ["d", "e"]
    assert items(await events.get_events_by_type("item_added", context="sales", aggregate="cart", limit=3, newest=True)) == ["b", "c", "d"]
    assert await events.get_events_by_type("unheard_of") == []


async def test_story_is_found_across_aggregates_in_stream_order(events: EventStore) -> None:
    story = new_id()
    await events.append_events(CART, [added("a", correlation=story), added("b")])
    await events.append_events(PERSON, [added("c", correlation=story)])
    await events.append_events(CART, [added("d", correlation=story)])

    assert items(await events.get_events_by_correlation(story)) == ["a", "c", "d"]
    assert items(await events.get_events_by_correlation(story, limit=2)) == ["a", "c"]
    assert await events.get_events_by_correlation(new_id()) == []


async def test_events_since_a_sequence_lie_behind_it(events: EventStore) -> None:
    stored = await events.append_events(CART, [added(item) for item in "abcd"])

    assert items(await events.get_events_since(stored[1].sequence)) == ["c", "d"]
    assert items(await events.get_events_since(0, limit=1)) == ["a"]
    assert await events.get_events_since(stored[-1].sequence) == []
    assert await events.get_events_since(stored[-1].sequence + 100) == []


async def test_events_since_a_time_include_what_was_stored_at_it(events: EventStore) -> None:
    await events.append_events(CART, [added("a")])
    await events.append_events(CART, [added("b")])
    stored = await events.get_events(CART)

    assert items(await events.get_events_since(stored[1].stored_at)) == ["b"]
    assert items(await events.get_events_since(stored[0].stored_at - timedelta(hours=1))) == ["a", "b"]
    assert await events.get_events_since(stored[1].stored_at + timedelta(hours=1)) == []


@pytest.mark.parametrize("limit", [0, -1, 10_001])
async def test_limit_out_of_bounds_is_refused(events: EventStore, limit: int) -> None:
    with pytest.raises(InvalidInput, match="asked for at once"):
        await events.get_events_since(0, limit=limit)
    with pytest.raises(InvalidInput, match="asked for at once"):
        await events.get_events_by_type("item_added", limit=limit, newest=True)
    with pytest.raises(InvalidInput, match="asked for at once"):
        await events.get_events_by_correlation(new_id(), limit=limit)


async def test_filter_that_names_no_token_or_story_is_refused(events: EventStore) -> None:
    with pytest.raises(InvalidSubject, match=r"'item\.\*'"):
        await events.get_events_by_type("item.*")
    with pytest.raises(InvalidEvent, match="correlation"):
        await events.get_events_by_correlation("no-uuid")


# -- following ----------------------------------------------------------------------------------------------------------------------------


async def test_subscription_gives_what_is_stored_and_then_what_comes(events: EventStore) -> None:
    await events.append_events(CART, [added("a"), added("b")])

    async with events.subscribe_to_events() as incoming:
        before = await take(incoming, 2)
        await events.append_events(CART, [added("c")])
        after = await take(incoming, 1)

    assert items(before) == ["a", "b"]
    assert items(after) == ["c"]


async def test_subscription_without_a_place_begins_now(events: EventStore) -> None:
    await events.append_events(CART, [added("a")])

    async with events.subscribe_to_events(None) as incoming:
        await events.append_events(CART, [added("b")])

        assert items(await take(incoming, 1)) == ["b"]


async def test_subscription_gives_only_what_is_wanted(events: EventStore) -> None:
    story = new_id()
    await events.append_events(CART, [added("a"), added("b", correlation=story), NewEvent(type="closed", correlation=story)])
    await events.append_events(PERSON, [added("c", correlation=story)])

    async with events.subscribe_to_events(only=EventFilter(event="item_added", correlation=story)) as incoming:
        found = await take(incoming, 2)
    async with events.subscribe_to_events(only=EventFilter(context="people")) as incoming:
        people = await take(incoming, 1)

    assert items(found) == ["b", "c"]
    assert items(people) == ["c"]


async def test_subscription_from_a_place_beyond_the_end_says_so(events: EventStore) -> None:
    await events.append_events(CART, [added("a")])

    with pytest.raises(ContinuityLost, match="before 1,000,000"):
        async with events.subscribe_to_events(1_000_000):
            pass


async def test_hand_over_from_history_to_live_loses_and_doubles_nothing_while_writers_write(events: EventStore) -> None:
    carts = [AggregateRef("sales", "cart", f"c{number}") for number in range(4)]
    for cart in carts:
        await events.append_events(cart, [added(f"{cart.id}-{number}") for number in range(300)])

    async def write(cart: AggregateRef) -> None:
        for number in range(300, 360, 3):
            await events.append_events(cart, [added(f"{cart.id}-{number + step}") for step in range(3)])
            await asyncio.sleep(0)

    async def read() -> list[StoredEvent]:
        async with events.subscribe_to_events() as incoming:
            return await take(incoming, 1440)

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read()) for _ in range(2)]
        for cart in carts:
            group.create_task(write(cart))

    everything = await events.get_events_since(0, limit=2000)
    assert len(everything) == 1440
    assert [one.sequence for one in readers[0].result()] == [one.sequence for one in everything]
    assert [one.sequence for one in readers[1].result()] == [one.sequence for one in everything]
