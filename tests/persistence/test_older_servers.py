"""What a server or a stream cannot do is switched off by name; everything else works, only slower."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.errors import FeatureUnavailable
from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import (
    Store,
    append,
    at_time,
    check_health,
    ensure_event_stream,
    ensure_stream,
    get_message,
    get_stream,
    history,
    last_of_each,
    load,
    open_store,
    page_back,
    read_batch,
)
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.bad_network import proxy_to
from tests.persistence.conftest import fresh_layout


@pytest.fixture
async def old_store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """A store on a server that says it is 2.10."""
    layout = fresh_layout()
    async with (
        proxy_to(nats_server.port, version="2.10.25") as proxy,
        open_store(replace(nats_server.settings(), url=f"nats://127.0.0.1:{proxy.port}"), layout=layout) as store,
    ):
        await ensure_event_stream(store.connection, layout)
        yield store


@pytest.fixture
async def without_direct(store: Store) -> Store:
    """A store on a stream that forbids Direct Get."""
    layout = fresh_layout()
    await ensure_stream(store.connection, {"name": layout.stream, "subjects": [layout.subjects], "allow_atomic": True})
    return store.on(layout)


async def append_singly(store: Store, order: AggregateRef, count: int) -> Head:
    head = Head(aggregate=order)
    for number in range(count):
        head = (await append(store, head, [NewEvent(type="item_added", payload={"number": number})]))[-1].head
    return head


async def test_what_an_old_server_lacks_is_named(old_store: Store) -> None:
    health = await check_health(old_store.connection)

    assert [(feature.name, feature.needs) for feature in health.missing] == [
        ("paged Direct Get", "2.11"),
        ("consumer pause", "2.11"),
        ("atomic batches", "2.12"),
        ("consumer reset", "2.14"),
    ]


async def test_an_old_server_is_given_no_batch_as_it_would_store_it_in_pieces(old_store: Store, order: AggregateRef) -> None:
    with pytest.raises(FeatureUnavailable, match=r"2\.10\.25 knows no atomic batches, so nothing was stored; it needs 2\.12"):
        await append(old_store, Head(aggregate=order), [NewEvent(type="created")] * 2)

    assert (await get_stream(old_store.connection, old_store.layout.stream)).messages == 0


async def test_an_old_server_is_read_message_by_message(old_store: Store, order: AggregateRef) -> None:
    head = await append_singly(old_store, order, 5)
    info = await get_stream(old_store.connection, old_store.layout.stream)

    page = await page_back(old_store.connection, info, before_sequence=6, limit=3)

    assert (await load(old_store, order)).head == head
    assert [stored.event.version for stored in (await history(old_store, order, from_version=2, to_version=4)).events] == [2, 3, 4]
    assert [message.sequence for message in page.messages] == [3, 4, 5]


async def test_a_stream_that_forbids_direct_get_is_paged_and_filtered(without_direct: Store, order: AggregateRef) -> None:
    await append_singly(without_direct, order, 5)
    pattern = without_direct.layout.all_of(order)

    batch = await read_batch(without_direct.connection, without_direct.layout.stream, from_sequence=2, limit=3, pattern=pattern)

    assert [message.sequence for message in batch.messages] == [2, 3, 4]
    assert batch.pending > 0


@pytest.mark.parametrize("sequence", [1, 2, 3, 7])
async def test_a_stream_that_forbids_direct_get_is_searched_by_time(without_direct: Store, order: AggregateRef, sequence: int) -> None:
    await append_singly(without_direct, order, 7)
    wanted = await get_message(without_direct.connection, without_direct.layout.stream, sequence)

    found = await at_time(without_direct.connection, without_direct.layout.stream, wanted.time)

    assert found is not None
    assert found.time >= wanted.time
    assert found.sequence <= sequence


async def test_the_newest_of_each_subject_is_found_without_direct_get(without_direct: Store, order: AggregateRef) -> None:
    await append_singly(without_direct, order, 4)
    stream = without_direct.layout.stream

    every = await last_of_each(without_direct.connection, stream, [without_direct.layout.all_of(order)])
    early = await last_of_each(without_direct.connection, stream, [without_direct.layout.all_of(order)], up_to_sequence=2)

    assert [message.sequence for message in every] == [1, 2, 3, 4]
    assert [message.sequence for message in early] == [1, 2]
