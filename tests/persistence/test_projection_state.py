"""Newest states on a real server: the fold of all events, never an older one, and none with a gap."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.errors import ProjectionFailed
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, Head, NewEvent, State, StoredEvent, new_id
from apps.persistence.projections import Orders, ProjectionDefinition, build_beside, ensure_record, run_projection
from apps.persistence.projections.builtin import (
    find_newest_state,
    newest_state_projections,
)
from apps.persistence.store import Layout, Outgoing, Store, append, ensure_event_stream, ensure_home, head_of, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import fresh_layout

TO_THE_HEAD = Orders(until=10**12)
ORDER_ONE = AggregateRef("sales", "order", "one")


@pytest.fixture
def layout() -> Layout:
    return fresh_layout()


@pytest.fixture
async def store(nats_server: EmbeddedServer, layout: Layout) -> AsyncIterator[Store]:
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as opened:
        await ensure_home(opened.connection)
        await ensure_event_stream(opened.connection, layout)
        yield opened


async def test_the_newest_state_is_the_fold_of_all_events(store: Store, layout: Layout) -> None:
    context = f"c{new_id()[-12:]}"
    order = AggregateRef(context, "order", "one")
    definition = counting(context)
    await add(store, order, "item_added", "item_added")
    await project(store, *newest_state_projections([definition], layout=layout))
    last = (await add(store, order, "item_added"))[0]
    await project(store, *newest_state_projections([definition], layout=layout))

    newest = await find_newest_state(store.connection, definition, order)

    assert newest is not None
    assert newest.state == {"events": 3}
    assert newest.head == last.head


async def test_a_state_that_was_never_folded_is_none(store: Store) -> None:
    assert await find_newest_state(store.connection, counting("nowhere"), AggregateRef("nowhere", "order", "one")) is None


async def test_a_raised_schema_folds_all_states_anew_beside_the_old_ones(store: Store, layout: Layout) -> None:
    context = f"c{new_id()[-12:]}"
    order = AggregateRef(context, "order", "one")
    old, new = counting(context), replace(counting(context), schema=2, apply=counting_by_ten)
    await add(store, order, "item_added", "item_added")
    await project(store, *newest_state_projections([old], layout=layout))
    await build_beside(store, newest_state_projections([new], layout=layout)[0])

    before = await find_newest_state(store.connection, old, order)
    after = await find_newest_state(store.connection, new, order)

    assert before is not None
    assert after is not None
    assert (before.state, after.state) == ({"events": 2}, {"events": 20})


async def test_building_states_anew_never_shows_an_older_one(store: Store, layout: Layout) -> None:
    context = f"c{new_id()[-12:]}"
    order = AggregateRef(context, "order", "one")
    definition = counting(context)
    projection = newest_state_projections([definition], layout=layout)[0]
    events = await add(store, order, "item_added", "item_added", "item_added")
    await project(store, projection)

    await run_projection(store, projection, 2, Orders(until=events[0].sequence))

    newest = await find_newest_state(store.connection, definition, order)
    assert newest is not None
    assert newest.head.version == 3


async def test_a_missing_version_stops_the_states_of_its_type(store: Store, layout: Layout) -> None:
    context = f"c{new_id()[-12:]}"
    order = AggregateRef(context, "order", "one")
    projection = newest_state_projections([counting(context)], layout=layout)[0]
    first = (await add(store, order, "item_added"))[0]
    gap = replace(first.event, version=3, previous=first.cid)
    await store_message(store.connection, Outgoing(layout.subject(gap), gap.to_block(), {}))

    with pytest.raises(ProjectionFailed, match="comes after version 1; versions between are missing"):
        await project(store, projection)


def counting(context: str) -> AggregateDefinition:
    return AggregateDefinition(context=context, type="order", title="Order", apply=count_events)


def count_events(state: State, event: Event) -> State:
    return {"events": int(str(state.get("events", 0))) + 1}


def counting_by_ten(state: State, event: Event) -> State:
    return {"events": int(str(state.get("events", 0))) + 10}


async def add(store: Store, ref: AggregateRef, *types: str, correlation: str | None = None) -> list[StoredEvent]:
    head: Head = await head_of(store, ref, leader=True)
    return await append(store, head, [NewEvent(type=event_type, correlation=correlation) for event_type in types])


async def project(store: Store, *definitions: ProjectionDefinition) -> None:
    for definition in definitions:
        await ensure_record(store.connection, definition)
        await run_projection(store, definition, 1, TO_THE_HEAD)
