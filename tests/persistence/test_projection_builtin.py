"""The projections that the console brings itself, on a real server: the directory, the index of events, newest states."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidEvent, InvalidSubject, ProjectionFailed
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, Head, NewEvent, State, StoredEvent, new_id
from apps.persistence.projections import Orders, ProjectionDefinition, build_beside, ensure_record, run_projection, switch
from apps.persistence.projections.builtin import (
    directory_of,
    events_by_correlation,
    find_aggregate_entry,
    find_by_cid,
    find_newest_state,
    index_of,
    list_aggregate_types,
    newest_state_projections,
    page_aggregates,
    recent_aggregates,
)
from apps.persistence.projections.builtin.event_index import CHAPTER_BITS
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


async def test_the_directory_has_every_aggregate_with_its_head(store: Store, layout: Layout) -> None:
    first, last = await add(store, ORDER_ONE, "created", "submitted")
    await project(store, directory_of(layout))

    entry = await find_aggregate_entry(store.connection, ORDER_ONE, layout=layout)

    assert entry is not None
    assert entry.head == last.head
    assert (entry.version, entry.events, entry.last_event) == (2, 2, "submitted")
    assert (entry.first_sequence, entry.last_sequence) == (first.sequence, last.sequence)


async def test_the_directory_counts_each_type(store: Store, layout: Layout) -> None:
    await add(store, ORDER_ONE, "created", "submitted")
    await add(store, AggregateRef("sales", "order", "two"), "created")
    await add(store, AggregateRef("people", "person", "ann"), "born")
    await project(store, directory_of(layout))

    types = await list_aggregate_types(store.connection, layout=layout)

    assert [(found.context, found.type, found.aggregates, found.events) for found in types] == [
        ("people", "person", 1, 1),
        ("sales", "order", 2, 3),
    ]


async def test_a_directory_that_was_never_built_is_empty(store: Store, layout: Layout) -> None:
    assert await list_aggregate_types(store.connection, layout=layout) == []
    assert await find_aggregate_entry(store.connection, ORDER_ONE, layout=layout) is None
    assert (await page_aggregates(store.connection, "sales", "order", layout=layout)).total == 0
    assert (await recent_aggregates(store.connection, layout=layout)).entries == ()


async def test_pages_of_a_type_go_on_after_the_last_id(store: Store, layout: Layout) -> None:
    await add_orders(store, "c", "a", "d", "b", "e")
    await project(store, directory_of(layout))

    first = await page_aggregates(store.connection, "sales", "order", limit=2, layout=layout)
    second = await page_aggregates(store.connection, "sales", "order", limit=2, after=first.next_after or "", layout=layout)
    third = await page_aggregates(store.connection, "sales", "order", limit=2, after=second.next_after or "", layout=layout)

    assert [[entry.aggregate.id for entry in page.entries] for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert (first.total, third.next_after) == (5, None)


async def test_pages_are_narrowed_by_the_beginning_of_an_id(store: Store, layout: Layout) -> None:
    await add_orders(store, "7f3c", "7f41", "8000", "7e")
    await project(store, directory_of(layout))

    page = await page_aggregates(store.connection, "sales", "order", prefix="7f", layout=layout)

    assert [entry.aggregate.id for entry in page.entries] == ["7f3c", "7f41"]
    assert page.total == 2


async def test_a_new_aggregate_is_on_the_next_page_that_is_asked_for(store: Store, layout: Layout) -> None:
    await add_orders(store, "b", "d")
    await project(store, directory_of(layout))
    await page_aggregates(store.connection, "sales", "order", layout=layout)
    await add_orders(store, "a", "c")
    await project(store, directory_of(layout))

    page = await page_aggregates(store.connection, "sales", "order", layout=layout)

    assert [entry.aggregate.id for entry in page.entries] == ["a", "b", "c", "d"]


async def test_many_new_aggregates_are_listed_anew(store: Store, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.projections.builtin.directory.MAX_NEWS", 0)
    await add_orders(store, "b")
    await project(store, directory_of(layout))
    await page_aggregates(store.connection, "sales", "order", layout=layout)
    await add_orders(store, *(f"n{number:04}" for number in range(1_100)))
    await project(store, directory_of(layout))

    page = await page_aggregates(store.connection, "sales", "order", layout=layout)

    assert page.total == 1_101


async def test_a_page_follows_a_switch_to_another_build(store: Store, layout: Layout) -> None:
    await add_orders(store, "a")
    await project(store, directory_of(layout))
    await add_orders(store, "b")
    rebuilt = await build_beside(store, directory_of(layout))
    await switch(store.connection, directory_of(layout).name, from_build=1, to_build=rebuilt.build)

    page = await page_aggregates(store.connection, "sales", "order", layout=layout)

    assert page.total == 2


async def test_a_context_that_is_no_token_is_refused(store: Store, layout: Layout) -> None:
    with pytest.raises(InvalidSubject):
        await page_aggregates(store.connection, "sales.>", "order", layout=layout)


async def test_recent_aggregates_come_with_the_last_changed_first(store: Store, layout: Layout) -> None:
    await add_orders(store, "a", "b", "c")
    await add(store, AggregateRef("sales", "order", "a"), "submitted")
    await project(store, directory_of(layout))

    first = await recent_aggregates(store.connection, limit=2, layout=layout)
    second = await recent_aggregates(store.connection, limit=2, before=first.older, layout=layout)

    assert [[entry.aggregate.id for entry in page.entries] for page in (first, second)] == [["a", "c"], ["b"]]


async def test_an_event_is_found_by_its_cid(store: Store, layout: Layout) -> None:
    events = await add(store, ORDER_ONE, *["item_added"] * 300)
    await project(store, index_of(layout))

    message = await find_by_cid(store, events[217].cid)

    assert message is not None
    assert message.sequence == events[217].sequence


async def test_a_cid_that_nobody_stored_is_not_found(store: Store, layout: Layout) -> None:
    await add(store, ORDER_ONE, "created")
    await project(store, index_of(layout))

    assert await find_by_cid(store, cid_of(b"something else")) is None


async def test_events_that_are_not_indexed_yet_are_found_too(store: Store, layout: Layout) -> None:
    await add(store, ORDER_ONE, "created")
    await project(store, index_of(layout))
    story = new_id()
    late = (await add(store, ORDER_ONE, "submitted", correlation=story))[0]

    by_cid = await find_by_cid(store, late.cid)
    by_story = await events_by_correlation(store, story)

    assert by_cid is not None
    assert by_cid.sequence == late.sequence
    assert [message.sequence for message in by_story] == [late.sequence]


async def test_without_an_index_the_beginning_of_the_stream_is_searched(store: Store) -> None:
    event = (await add(store, ORDER_ONE, "created"))[0]

    message = await find_by_cid(store, event.cid)

    assert message is not None


async def test_a_story_is_found_across_aggregates_in_stream_order(store: Store, layout: Layout) -> None:
    story = new_id()
    await add(store, ORDER_ONE, "created")
    one = (await add(store, ORDER_ONE, "submitted", correlation=story))[0]
    two = (await add(store, AggregateRef("shipping", "parcel", "p1"), "packed", correlation=story))[0]
    await project(store, index_of(layout))

    messages = await events_by_correlation(store, story)

    assert [message.sequence for message in messages] == [one.sequence, two.sequence]


async def test_a_long_story_is_cut_at_the_limit(store: Store, layout: Layout) -> None:
    story = new_id()
    await add(store, ORDER_ONE, *["item_added"] * 20, correlation=story)
    await project(store, index_of(layout))

    assert [message.sequence for message in await events_by_correlation(store, story, limit=3)] == [1, 2, 3]


async def test_a_correlation_that_is_no_uuid_is_refused(store: Store) -> None:
    with pytest.raises(InvalidEvent, match="must be a UUID"):
        await events_by_correlation(store, "yesterday")


async def test_chapters_are_told_apart(store: Store, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.projections.builtin.event_index.CHAPTER_BITS", 3)
    events = await add(store, ORDER_ONE, *["item_added"] * 50)
    await project(store, index_of(layout))

    message = await find_by_cid(store, events[41].cid)

    assert message is not None
    assert message.sequence == events[41].sequence


def test_a_chapter_of_one_story_fits_in_a_message() -> None:
    assert (1 << CHAPTER_BITS) * (16 + 2) < 1_000_000


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


async def add_orders(store: Store, *names: str) -> None:
    for name in names:
        await add(store, AggregateRef("sales", "order", name), "created")


async def project(store: Store, *definitions: ProjectionDefinition) -> None:
    for definition in definitions:
        await ensure_record(store.connection, definition)
        await run_projection(store, definition, 1, TO_THE_HEAD)
