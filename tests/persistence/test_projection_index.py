"""The index of events on a real server: one event among many by its CID, a story by its correlation."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidEvent
from apps.persistence.events import AggregateRef, Head, NewEvent, StoredEvent, new_id
from apps.persistence.projections import Orders, ProjectionDefinition, ensure_record, run_projection
from apps.persistence.projections.builtin import (
    events_by_correlation,
    find_by_cid,
    index_of,
)
from apps.persistence.projections.builtin.event_index import CHAPTER_BITS
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


async def add(store: Store, ref: AggregateRef, *types: str, correlation: str | None = None) -> list[StoredEvent]:
    head: Head = await head_of(store, ref, leader=True)
    return await append(store, head, [NewEvent(type=event_type, correlation=correlation) for event_type in types])


async def project(store: Store, *definitions: ProjectionDefinition) -> None:
    for definition in definitions:
        await ensure_record(store.connection, definition)
        await run_projection(store, definition, 1, TO_THE_HEAD)
