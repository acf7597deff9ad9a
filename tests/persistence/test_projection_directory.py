"""The directory of aggregates on a real server: every aggregate, by id and by last change, and counts of each type."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.errors import InvalidSubject
from apps.persistence.events import AggregateRef, Head, NewEvent, StoredEvent
from apps.persistence.projections import Orders, ProjectionDefinition, build_beside, ensure_record, run_projection, switch
from apps.persistence.projections.builtin import (
    directory_of,
    find_aggregate_entry,
    list_aggregate_types,
    page_aggregates,
    recent_aggregates,
)
from apps.persistence.store import Layout, Store, append, ensure_event_stream, ensure_home, head_of, open_store
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
