"""This module is layouts beside the usual one: flat, one stream for each aggregate type, and an aggregate that may have no more events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from apps.persistence.errors import FeatureUnavailable, InvalidInput, VersionConflict
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, Head, NewEvent, State, new_id
from apps.persistence.eventstore import EventStore, InMemoryEventStore, JetStreamEventStore
from apps.persistence.snapshots import state_at, take
from apps.persistence.store import (
    AggregateFull,
    Layout,
    Store,
    append,
    append_at,
    create_event_streams,
    ensure_event_stream,
    find_version,
    get_stream,
    head_of,
    history,
    load,
    one_stream_each,
    subjects_matching,
)

CART = AggregateRef("sales", "cart", "c1")
SEVEN = [("cim", name) for name in ("person", "organization", "agent", "location", "policy", "document", "workflow")]


def added(*numbers: int) -> list[NewEvent]:
    return [NewEvent(type="added", payload={"n": number}) for number in numbers]


def layout(**given: object) -> Layout:
    name = new_id()[-12:]
    return Layout(**{"stream": f"LAYOUT-{name}", "root": f"layout.{name}", **given})  # type: ignore[arg-type]


@pytest.fixture
async def flat(store: Store) -> Store:
    flat = layout(kind="flat")
    await ensure_event_stream(store.connection, flat)
    return store.on(flat)


async def test_flat_layout_has_one_subject_for_an_aggregate(flat: Store) -> None:
    await append(flat, Head(aggregate=CART), added(1, 2))
    await append(flat, await head_of(flat, CART), added(3))

    subjects = await subjects_matching(flat.connection, flat.layout.stream, ">")

    assert subjects == {f"{flat.layout.root}.sales.cart.c1": 3}
    assert (await head_of(flat, CART)).version == 3
    assert [one.event.version for one in (await history(flat, CART, from_version=2)).events] == [2, 3]
    third = await find_version(flat, CART, 3)
    assert third is not None
    assert third.sequence == 3
    assert await find_version(flat, CART, 4) is None


async def test_flat_append_refuses_a_head_that_is_not_the_newest(flat: Store) -> None:
    first = await append(flat, Head(aggregate=CART), added(1))
    await append(flat, first[-1].head, added(2))

    with pytest.raises(VersionConflict) as raised:
        await append(flat, first[-1].head, added(9))
    with pytest.raises(VersionConflict):
        await append(flat, Head(aggregate=CART), added(9, 10))
    with pytest.raises(VersionConflict) as ahead:
        await append_at(flat, CART, 7, added(9))

    assert (raised.value.expected, raised.value.actual) == (1, 2)
    assert (ahead.value.expected, ahead.value.actual) == (7, 2)
    assert (await load(flat, CART)).head.version == 2


async def test_flat_append_made_twice_stores_once(flat: Store) -> None:
    event = NewEvent(type="added", id=new_id(), time=datetime(2026, 5, 1, tzinfo=UTC))
    first = await append(flat, Head(aggregate=CART), [event, *added()])

    again = await append(flat, Head(aggregate=CART), [event])

    assert [one.cid for one in again] == [one.cid for one in first]
    assert (await head_of(flat, CART)).version == 1


async def test_one_of_many_flat_writers_wins_each_version(flat: Store) -> None:
    async def write(number: int) -> None:
        events = JetStreamEventStore(store=flat)
        await events.append_events(CART, added(number, number))

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(write(number))

    found = (await load(flat, CART)).events
    assert [one.event.version for one in found] == list(range(1, 13))
    assert [one.event.previous for one in found[1:]] == [one.cid for one in found[:-1]]


async def test_state_and_snapshot_are_the_same_on_a_flat_layout(flat: Store) -> None:
    def apply(state: State, event: Event) -> State:
        return {"sum": state.get("sum", 0) + event.payload["n"]}  # type: ignore[operator]

    cart = AggregateDefinition(context="sales", type="cart", title="Cart", apply=apply)
    ref = AggregateRef("sales", "cart", new_id())
    await append(flat, Head(aggregate=ref), added(1, 2, 3))
    await take(flat, cart, ref, by="test")
    await append(flat, await head_of(flat, ref), added(4))

    found = await state_at(flat, cart, ref)

    assert (found.state, found.version, found.snapshot_version, found.events_read) == ({"sum": 10}, 4, 3, 1)
    assert (await state_at(flat, cart, ref, version=2)).state == {"sum": 3}


def test_flat_subjects_say_no_version() -> None:
    flat = layout(kind="flat")

    with pytest.raises(FeatureUnavailable, match="carry no version"):
        flat.at_version(CART, 1)


# -- one stream for each aggregate type -------------------------------------------------------------------------------------------------


async def test_each_of_seven_types_has_a_stream_of_its_own(store: Store) -> None:
    name = new_id()[-12:]
    layouts = one_stream_each(SEVEN, stream=f"SEVEN-{name}", root=f"seven.{name}")

    made = await create_event_streams(store.connection, layouts)
    many = Store(connection=store.connection, layouts=tuple(layouts))
    for context, kind in SEVEN:
        ref = AggregateRef(context, kind, "one")
        await JetStreamEventStore(store=many.holding(ref)).append_events(ref, added(1, 2))

    assert [info.subjects for info in made] == [(f"seven.{name}.cim.{kind}.>",) for _, kind in SEVEN]
    assert [(await get_stream(store.connection, one.stream)).messages for one in layouts] == [2] * 7
    person = JetStreamEventStore(store=many.on(layouts[0]))
    assert len(await person.get_events_by_type("added")) == 2
    with pytest.raises(InvalidInput, match=r"holds only aggregates cim\.person"):
        await person.append_events(CART, added(1))
    with pytest.raises(InvalidInput, match=r"No layout holds sales\.cart\.c1"):
        many.holding(CART)


async def test_streams_whose_subjects_overlap_are_refused_and_none_is_made(store: Store) -> None:
    name = new_id()[-12:]
    whole = Layout(stream=f"WHOLE-{name}", root=f"over.{name}")
    layouts = one_stream_each(SEVEN, stream=f"OVER-{name}", root=f"over.{name}")

    with pytest.raises(InvalidInput, match=f"WHOLE-{name} takes over"):
        await create_event_streams(store.connection, [*layouts, whole])
    await create_event_streams(store.connection, [whole])
    with pytest.raises(InvalidInput, match="an event would belong in both"):
        await create_event_streams(store.connection, layouts)

    with pytest.raises(InvalidInput, match="declared twice"):
        await create_event_streams(store.connection, [layouts[0], layouts[0]])
    with pytest.raises(InvalidInput, match="would share the stream"):
        one_stream_each([("a-b", "c"), ("a", "b-c")])


def test_type_without_its_context_is_refused() -> None:
    with pytest.raises(InvalidInput, match="without its context"):
        Layout(stream="S", aggregate="order")


# -- a limit of events ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "limit"), [("versioned", 10_000), ("flat", 1_000), ("memory", 1_000)])
async def test_event_after_the_last_that_is_allowed_is_refused(store: Store, kind: str, limit: int) -> None:
    there = layout(kind="flat" if kind == "flat" else "versioned", max_events=limit)
    await ensure_event_stream(store.connection, there)
    limited: EventStore = InMemoryEventStore(layout=there) if kind == "memory" else JetStreamEventStore(store=store.on(there))
    for start in range(0, limit, 1000):
        await limited.append_events(CART, added(*range(1000)), expected_version=start)

    with pytest.raises(AggregateFull, match=rf"sales\.cart\.c1 has {limit:,} events, and 1 more would exceed the limit") as raised:
        await limited.append_events(CART, added(1))

    assert isinstance(raised.value, InvalidInput)
    assert await limited.get_aggregate_version(CART) == limit
    await limited.append_events(AggregateRef("sales", "cart", "c2"), added(1))
