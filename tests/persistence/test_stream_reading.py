from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from apps.persistence.errors import EventNotFound, StreamNotFound
from apps.persistence.events import AggregateRef, Head, NewEvent, now
from apps.persistence.store import (
    Gap,
    Outgoing,
    Store,
    append,
    at_time,
    ensure_event_stream,
    ensure_stream,
    gaps_between,
    get_last,
    get_message,
    get_stream,
    list_consumers,
    list_streams,
    open_reader,
    open_store,
    page_back,
    page_forward,
    store_message,
    subjects_matching,
)
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.conftest import AppendOrders, fresh_layout


async def read_all(store: Store, **options: object) -> list[int]:
    async with open_reader(store.connection, store.layout.stream, **options) as reader:  # type: ignore[arg-type]
        return [message.sequence async for batch in reader for message in batch]


async def test_a_whole_stream_is_read_in_order(store: Store, append_items: AppendOrders) -> None:
    await append_items(2500)

    assert await read_all(store) == list(range(1, 2501))


async def test_a_range_is_read_with_both_its_ends(store: Store, append_items: AppendOrders) -> None:
    await append_items(50)

    assert await read_all(store, from_sequence=10, to_sequence=20) == list(range(10, 21))


async def test_reading_past_the_end_ends(store: Store, append_items: AppendOrders) -> None:
    await append_items(5)

    assert await read_all(store, from_sequence=6) == []
    assert await read_all(store, from_sequence=4, to_sequence=900) == [4, 5]


async def test_an_empty_stream_is_read_at_once(store: Store) -> None:
    assert await read_all(store) == []


async def test_only_matching_subjects_are_read(store: Store, append_items: AppendOrders) -> None:
    await append_items(3)
    await append_items(3, to=AggregateRef("stock", "product", "kb-201"))

    assert await read_all(store, patterns=[f"{store.layout.root}.stock.>"]) == [4, 5, 6]
    assert await read_all(store, patterns=[f"{store.layout.root}.nothing.>"]) == []


async def test_the_reader_leaves_no_consumer_behind(store: Store, append_items: AppendOrders) -> None:
    await append_items(5)
    await read_all(store)

    assert await list_consumers(store.connection, store.layout.stream) == []


async def test_a_slow_reader_loses_nothing(store: Store, append_items: AppendOrders) -> None:
    await append_items(20_000)
    seen: list[int] = []

    async with open_reader(store.connection, store.layout.stream, batch_size=100) as reader:
        async for batch in reader:
            seen.extend(message.sequence for message in batch)
            await asyncio.sleep(0.002)

    assert seen == list(range(1, 20_001))


async def test_a_reader_goes_on_after_the_server_was_killed(own_nats_server: EmbeddedServer, order: AggregateRef) -> None:
    layout = fresh_layout()
    async with open_store(own_nats_server.settings(), layout=layout) as store:
        await ensure_event_stream(store.connection, layout)
        head = Head(aggregate=order)
        for _ in range(3):
            head = (await append(store, head, [NewEvent(type="item_added")] * 1000))[-1].head
        seen: list[int] = []

        async with open_reader(store.connection, layout.stream, batch_size=50) as reader:
            async for batch in reader:
                is_first = not seen
                seen.extend(message.sequence for message in batch)
                if is_first:
                    await asyncio.to_thread(own_nats_server.kill)
                    await asyncio.to_thread(own_nats_server.start)

        assert seen == list(range(1, 3001))


async def test_a_stream_that_does_not_exist_is_named(store: Store) -> None:
    with pytest.raises(StreamNotFound, match="There is no stream NO-SUCH"):
        await get_stream(store.connection, "NO-SUCH")


@pytest.mark.parametrize("leader", [False, True])
async def test_a_sequence_beyond_the_end_is_not_found(store: Store, append_items: AppendOrders, leader: bool) -> None:
    await append_items(2)

    with pytest.raises(EventNotFound, match="no message at sequence 3"):
        await get_message(store.connection, store.layout.stream, 3, leader=leader)


async def test_a_message_is_the_same_by_direct_get_and_through_the_leader(store: Store, append_items: AppendOrders) -> None:
    await append_items(1)

    direct = await get_message(store.connection, store.layout.stream, 1)
    leader = await get_message(store.connection, store.layout.stream, 1, leader=True)

    assert (direct.subject, direct.time_ns, direct.data, direct.headers) == (leader.subject, leader.time_ns, leader.data, leader.headers)


async def test_the_last_message_of_a_pattern_is_found(store: Store, append_items: AppendOrders) -> None:
    await append_items(4)
    await append_items(1, to=AggregateRef("stock", "product", "kb-201"))

    found = await get_last(store.connection, store.layout.stream, f"{store.layout.root}.sales.>")

    assert found is not None
    assert found.sequence == 4
    assert await get_last(store.connection, store.layout.stream, f"{store.layout.root}.none.>") is None


async def test_a_time_leads_to_the_first_message_from_then_on(store: Store, append_items: AppendOrders) -> None:
    await append_items(3)
    second = await get_message(store.connection, store.layout.stream, 2)

    found = await at_time(store.connection, store.layout.stream, second.time)

    assert found is not None
    assert found.sequence <= 2
    assert await at_time(store.connection, store.layout.stream, now() + timedelta(days=1)) is None


async def test_pages_turn_both_ways(store: Store, append_items: AppendOrders) -> None:
    await append_items(25)
    stream = await get_stream(store.connection, store.layout.stream)

    newest = await page_back(store.connection, stream, before_sequence=stream.last_sequence + 1, limit=10)
    older = await page_back(store.connection, stream, before_sequence=newest.messages[0].sequence, limit=10)
    back = await page_forward(store.connection, stream, from_sequence=older.messages[-1].sequence + 1, limit=10)

    assert [message.sequence for message in newest.messages] == list(range(16, 26))
    assert [message.sequence for message in older.messages] == list(range(6, 16))
    assert back.messages == newest.messages


async def test_one_match_at_the_very_beginning_is_found_from_the_end(store: Store, append_items: AppendOrders) -> None:
    await append_items(1, to=AggregateRef("stock", "product", "kb-201"))
    await append_items(3000)
    stream = await get_stream(store.connection, store.layout.stream)

    page = await page_back(store.connection, stream, before_sequence=3002, limit=10, pattern=f"{store.layout.root}.stock.>")

    assert [message.sequence for message in page.messages] == [1]
    assert (page.scanned_from, page.scanned_to, page.is_complete) == (1, 3001, True)


async def test_missing_sequences_are_named_as_gaps(store: Store) -> None:
    name = fresh_layout().stream
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.>"], "allow_direct": True})
    for _ in range(10):
        await store_message(store.connection, Outgoing(f"{name}.x", b"", {}))
    for sequence in (4, 5, 6, 9):
        await store.connection.api(f"STREAM.MSG.DELETE.{name}", {"seq": sequence}, stream=name)
    stream = await get_stream(store.connection, name)

    page = await page_forward(store.connection, stream, from_sequence=1, limit=20)

    gaps = gaps_between(page.messages, scanned_from=page.scanned_from, scanned_to=page.scanned_to)
    assert gaps == [Gap(first=4, last=6), Gap(first=9, last=9)]
    assert stream.deleted == 4


@pytest.mark.parametrize("retention", ["workqueue", "interest"])
async def test_queues_can_be_paged_without_taking_from_them(store: Store, retention: str) -> None:
    name = fresh_layout().stream
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.>"], "retention": retention, "allow_direct": True})
    consumer = {"stream_name": name, "config": {"durable_name": "keeps", "ack_policy": "explicit"}}
    await store.connection.api(f"CONSUMER.DURABLE.CREATE.{name}.keeps", consumer)
    for _ in range(3):
        await store_message(store.connection, Outgoing(f"{name}.x", b"job", {}))
    stream = await get_stream(store.connection, name)

    page = await page_back(store.connection, stream, before_sequence=4, limit=10)

    assert [message.sequence for message in page.messages] == [1, 2, 3]
    assert (await get_stream(store.connection, name)).messages == 3


async def test_more_streams_than_one_answer_holds_are_all_listed(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings()) as store:
        for number in range(300):
            await store.connection.api(
                f"STREAM.CREATE.S{number:03}", {"name": f"S{number:03}", "subjects": [f"s{number}"], "storage": "memory"}
            )

        assert [stream.name for stream in await list_streams(store.connection)] == [f"S{number:03}" for number in range(300)]


async def test_subjects_are_counted_by_pattern(store: Store, append_items: AppendOrders) -> None:
    await append_items(3)

    found = await subjects_matching(store.connection, store.layout.stream, f"{store.layout.root}.sales.order.*.*.v2")

    assert found == {f"{store.layout.root}.sales.order.7f3c91e0.item_added.v2": 1}
