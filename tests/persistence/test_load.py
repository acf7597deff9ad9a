from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

from apps.persistence.errors import EncodingError, FeatureUnavailable, InvalidInput, InvalidSubject
from apps.persistence.events import AggregateRef, Head, NewEvent, Upcaster, Upcasters
from apps.persistence.store import (
    Layout,
    Message,
    Outgoing,
    Store,
    aggregate_at_time,
    append,
    at_version,
    ensure_stream,
    head_of,
    history,
    last_of_each,
    list_consumers,
    load,
    messages_of,
    open_store,
    store_message,
)
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.conftest import AppendOrders, fresh_layout


async def test_an_aggregate_that_does_not_exist_is_empty_at_version_0(store: Store, order: AggregateRef) -> None:
    found = await load(store, order)

    assert found.events == ()
    assert found.head == Head(aggregate=order) == await head_of(store, order)


async def test_only_the_aggregates_own_events_are_loaded(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    await append_items(3)
    await append_items(2, to=AggregateRef("sales", "order", "7f3c91e00"))

    assert [stored.event.aggregate.id for stored in (await load(store, order)).events] == ["7f3c91e0"] * 3


@pytest.mark.parametrize("count", [1023, 1024, 1025, 2000, 2500])
async def test_a_long_aggregate_is_loaded_whole_and_in_order(
    store: Store, order: AggregateRef, append_items: AppendOrders, count: int
) -> None:
    await append_items(count)

    found = await load(store, order)

    assert [stored.event.version for stored in found.events] == list(range(1, count + 1))
    assert found.head == await head_of(store, order)


@pytest.mark.parametrize("after", [0, 1, 99, 100, 101, 1399, 1400, 1401])
async def test_loading_after_a_version_gives_the_rest(store: Store, order: AggregateRef, append_items: AppendOrders, after: int) -> None:
    await append_items(1400)

    assert [stored.event.version for stored in (await load(store, order, after=after)).events] == list(range(after + 1, 1401))


async def test_history_gives_exactly_the_range_asked_for(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    await append_items(10)

    found = await history(store, order, from_version=4, to_version=7)

    assert [stored.event.version for stored in found.events] == [4, 5, 6, 7]


async def test_an_aggregate_at_a_version_ends_there(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    stored = await append_items(5)

    assert (await at_version(store, order, 3)).head == stored[2].head


async def test_an_aggregate_at_a_time_is_what_the_server_held_then(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    stored = await append_items(3)
    first = (await messages_of(store, order))[2].time
    await append(store, stored[-1].head, [NewEvent(type="submitted")])

    found = await aggregate_at_time(store, order, first)

    assert found.head.version == 3


async def consumers_made(store: Store, order: AggregateRef) -> int:
    """How many consumers loading the order asked for."""
    made: list[str] = []
    advisories = f"$JS.EVENT.ADVISORY.CONSUMER.CREATED.{store.layout.stream}.>"
    async with store.connection.subscribe(advisories, lambda message: made.append(message.subject)):
        await load(store, order)
        await store.connection.round_trip_ms()
    return len(made)


async def test_loading_makes_no_consumer_up_to_a_thousand_events(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    await append_items(1000)

    assert await consumers_made(store, order) == 0


async def test_consumer_that_reads_a_long_history_is_gone_afterwards(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    await append_items(1200)

    assert await consumers_made(store, order) == 1
    assert await list_consumers(store.connection, store.layout.stream) == []


async def test_store_that_makes_no_consumers_loads_a_long_history_by_versions(
    store: Store, order: AggregateRef, append_items: AppendOrders
) -> None:
    await append_items(2500)
    calm = replace(store, makes_consumers=False)

    assert await consumers_made(calm, order) == 0
    assert (await load(calm, order)).events == (await load(store, order)).events


async def test_user_that_may_make_no_consumers_loads_a_long_history_all_the_same(
    nats_server: EmbeddedServer, store: Store, order: AggregateRef, append_items: AppendOrders
) -> None:
    await append_items(1200)
    async with open_store(nats_server.settings("web"), layout=store.layout, layouts=[store.layout]) as web:
        assert len((await load(web, order)).events) == 1200


async def test_a_stream_without_direct_get_is_read_through_its_leader(
    store: Store, order: AggregateRef, append_items: AppendOrders
) -> None:
    layout = fresh_layout()
    await ensure_stream(store.connection, {"name": layout.stream, "subjects": [layout.subjects], "allow_atomic": True})
    without_direct = store.on(layout)
    await append(without_direct, Head(aggregate=order), [NewEvent(type="created"), NewEvent(type="submitted")])

    assert [stored.event.type for stored in (await load(without_direct, order)).events] == ["created", "submitted"]


async def test_bytes_that_are_no_event_are_named_with_their_sequence(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    await append_items(1)
    subject = f"{store.layout.root}.sales.order.7f3c91e0.created.v2"
    await store_message(store.connection, Outgoing(subject, b"\xff not cbor", {}))

    with pytest.raises(EncodingError, match="sequence 2"):
        await load(store, order)


async def test_a_version_far_beyond_a_hole_is_loaded_at_once(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    await append_items(1100)
    far = f"{store.layout.root}.sales.order.7f3c91e0.created.v9000000000"
    await store_message(store.connection, Outgoing(far, b"far away", {}))

    found = await messages_of(store, order)

    assert len(found) == 1101
    assert found[-1].data == b"far away"


async def test_old_events_are_read_in_the_newest_schema_and_keep_their_cid(store: Store, order: AggregateRef) -> None:
    stored = await append(store, Head(aggregate=order), [NewEvent(type="named", payload={"name": "Ada Lovelace"})])
    split = Upcaster(
        context="sales",
        aggregate="order",
        type="named",
        from_schema=1,
        apply=lambda payload: dict(zip(["first", "last"], str(payload["name"]).split(" "), strict=True)),
    )

    found = (await load(replace(store, upcasters=Upcasters([split])), order)).events[0]

    assert found.event.payload == {"first": "Ada", "last": "Lovelace"}
    assert (found.event.schema, found.cid) == (2, stored[0].cid)


def test_two_upcasters_from_one_schema_are_refused() -> None:
    step = Upcaster(context="sales", aggregate="order", type="named", from_schema=1, apply=dict)

    with pytest.raises(InvalidInput, match="Two upcasters"):
        Upcasters([step, step])


async def test_somebody_elses_stream_can_be_browsed_by_aggregate(store: Store) -> None:
    name = fresh_layout().root.replace("test.", "legacy-")
    foreign = Layout(stream=name, kind="foreign", pattern=name + ".{entity}.{event}", context="shop", aggregate="order")
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.>"], "allow_direct": True})
    for entity, event in [("1", "placed"), ("2", "placed"), ("1", "paid"), ("1", "paid")]:
        await store_message(store.connection, Outgoing(f"{name}.{entity}.{event}", b'{"total": 1}', {}))

    found = await messages_of(store.on(foreign), AggregateRef("shop", "order", "1"))

    assert [message.subject.rpartition(".")[2] for message in found] == ["placed", "paid", "paid"]


async def test_a_foreign_stream_has_no_versions_to_look_up() -> None:
    foreign = Layout(stream="ORDERS", kind="foreign", pattern="orders.{entity}.{event}", context="shop", aggregate="order")

    with pytest.raises(FeatureUnavailable, match="carry no version"):
        foreign.at_version(AggregateRef("shop", "order", "1"), 3)


def test_a_foreign_pattern_must_name_the_entity() -> None:
    with pytest.raises(InvalidSubject, match=r"needs \{entity\} once"):
        Layout(stream="ORDERS", kind="foreign", pattern="orders.*.{event}", context="shop", aggregate="order")


@pytest.mark.parametrize(
    "subject",
    [
        "cim.events.sales.order.1.created",
        "cim.events.sales.order.1.created.v0",
        "cim.events.sales.order.1.created.v1.x",
        "orders.1",
        "cim.events",
    ],
)
def test_a_subject_that_is_not_of_the_layout_says_nothing(subject: str) -> None:
    assert Layout(stream="CIM-EVENTS").parse(subject) is None


@pytest.mark.parametrize(("before", "added"), [(1000, 150), (1000, 99), (1050, 1000), (1099, 300)])
async def test_events_that_come_while_a_tail_is_read_leave_no_hole_in_it(
    store: Store, order: AggregateRef, append_items: AppendOrders, monkeypatch: pytest.MonkeyPatch, before: int, added: int
) -> None:
    await append_items(before)
    head, asked = await head_of(store, order), 0

    async def asked_while_somebody_appends(*arguments: Any, **options: Any) -> list[Message]:
        nonlocal asked
        asked += 1
        found = await last_of_each(*arguments, **options)
        if asked == 1:
            await append(store, head, [NewEvent(type="item_added") for _ in range(added)])
        return found

    monkeypatch.setattr(sys.modules["apps.persistence.store.load"], "last_of_each", asked_while_somebody_appends)
    found = await history(store, order, from_version=1000)

    versions = [stored.event.version for stored in found.events]
    assert versions == list(range(1000, versions[-1] + 1))
    assert versions[-1] in (before, before + added)
