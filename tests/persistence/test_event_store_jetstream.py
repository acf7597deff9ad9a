"""This module is what only the event store on JetStream does: a cache that others' writes cannot spoil, the index, broken links."""

from __future__ import annotations

import asyncio

import pytest

from apps.persistence.errors import ContinuityLost, FeatureUnavailable, StreamClosed, StreamNotFound
from apps.persistence.events import AggregateRef, NewEvent, Upcaster, Upcasters, new_id
from apps.persistence.eventstore import EventCache, EventFilter, JetStreamEventStore
from apps.persistence.projections import Orders, run_projection
from apps.persistence.projections.builtin import index_of
from apps.persistence.store import EVENTS, Layout, Link, Store, ensure_home, get_stream, list_consumers, open_store, read_generations
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.store.generations import switch_generation

CART = AggregateRef("sales", "cart", "c1")


def added(item: str, *, correlation: str | None = None) -> NewEvent:
    return NewEvent(type="item_added", payload={"item": item}, correlation=correlation)


@pytest.fixture
def events(store: Store) -> JetStreamEventStore:
    return JetStreamEventStore(store=store)


async def test_cache_is_hit_and_still_sees_what_others_wrote(events: JetStreamEventStore, store: Store) -> None:
    other = JetStreamEventStore(store=store)
    await events.append_events(CART, [added("a"), added("b")])
    await events.get_events(CART)

    await other.append_events(CART, [added("c")])
    found = await events.get_events(CART)

    assert [one.event.payload["item"] for one in found] == ["a", "b", "c"]
    assert (events.cache.hits, events.cache.misses) == (1, 1)


async def test_cache_lets_go_of_an_aggregate_whose_stream_was_made_anew(events: JetStreamEventStore, store: Store) -> None:
    await events.append_events(CART, [added("a"), added("b")])
    await events.get_events(CART)
    config = (await get_stream(store.connection, store.layout.stream)).config

    await store.connection.api(f"STREAM.DELETE.{store.layout.stream}", stream=store.layout.stream)
    await store.connection.api(f"STREAM.CREATE.{store.layout.stream}", config, stream=store.layout.stream)
    await events.append_events(CART, [added("x"), added("y"), added("z")])

    assert [one.event.payload["item"] for one in await events.get_events(CART)] == ["x", "y", "z"]


async def test_cache_keeps_the_aggregates_read_last_and_no_long_ones(store: Store) -> None:
    events = JetStreamEventStore(store=store, cache=EventCache(size=2, longest=3))
    carts = [AggregateRef("sales", "cart", f"c{number}") for number in range(4)]
    for cart, count in zip(carts, (1, 1, 1, 4), strict=True):
        await events.append_events(cart, [added("a")] * count)

    for cart in carts:
        await events.get_events(cart)

    assert list(events.cache.kept) == [carts[1], carts[2]]
    events.cache.clear()
    assert list(events.cache.kept) == []


async def test_story_is_found_by_the_index_once_there_is_one(own_nats_server: EmbeddedServer) -> None:
    story = new_id()
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        events = JetStreamEventStore(store=store)
        await events.append_events(CART, [added("a", correlation=story), added("b")])
        await run_projection(store, index_of(EVENTS), 1, Orders(until=2))
        await events.append_events(CART, [added("c", correlation=story)])
        asked: list[str] = []
        async with store.connection.subscribe("$JS.API.DIRECT.GET.KV_cim-event-index-1", lambda message: asked.append(message.subject)):
            found = await events.get_events_by_correlation(story)

    assert [one.event.payload["item"] for one in found] == ["a", "c"]
    assert asked != []


async def test_story_is_found_far_behind_what_the_index_knows(own_nats_server: EmbeddedServer) -> None:
    story = new_id()
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        events = JetStreamEventStore(store=store)
        await events.append_events(CART, [added("a", correlation=story)])
        await run_projection(store, index_of(EVENTS), 1, Orders(until=1))
        for number in range(6):
            await events.append_events(AggregateRef("sales", "cart", f"d{number}"), [added("b")] * 1000)
        await events.append_events(CART, [added("c", correlation=story)])

        found = await events.get_events_by_correlation(story)

    assert [one.event.payload["item"] for one in found] == ["a", "c"]


async def test_newest_of_a_rare_type_is_found_far_back(events: JetStreamEventStore) -> None:
    await events.append_events(CART, [NewEvent(type="opened"), *[added("a")] * 999])
    for number in range(3):
        await events.append_events(AggregateRef("sales", "cart", f"d{number}"), [added("a")] * 1000)

    found = await events.get_events_by_type("opened", newest=True, limit=5)

    assert [(one.sequence, one.event.type) for one in found] == [(1, "opened")]


async def test_events_are_read_in_the_newest_schema_however_they_are_asked_for(store: Store) -> None:
    step = Upcaster(context="sales", aggregate="cart", type="item_added", from_schema=1, apply=lambda payload: {**payload, "pieces": 1})
    await JetStreamEventStore(store=store).append_events(CART, [added("a")])
    events = JetStreamEventStore(store=Store(connection=store.connection, declared=store.layout, upcasters=Upcasters([step])))

    async with events.subscribe_to_events() as incoming:
        followed = await anext(incoming)

    assert followed.event.payload == {"item": "a", "pieces": 1}
    assert [one.event.schema for one in await events.get_events(CART)] == [2]
    assert [one.event.schema for one in await events.get_events_by_type("item_added")] == [2]
    assert [one.event.schema for one in await events.get_events_since(0)] == [2]


async def test_subscription_makes_no_consumer_and_is_gone_after_its_block(events: JetStreamEventStore, store: Store) -> None:
    await events.append_events(CART, [added("a")])
    handlers = len(store.connection.client.handlers)

    async with events.subscribe_to_events() as incoming:
        await anext(incoming)
        consumers = await list_consumers(store.connection, store.layout.stream)

    assert consumers == []
    assert len(store.connection.client.handlers) == handlers


async def test_subscription_outlives_a_restart_of_the_server(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        events = JetStreamEventStore(store=store)
        await events.append_events(CART, [added("a")])

        async with events.subscribe_to_events(only=EventFilter(event="item_added")) as incoming:
            before = await anext(incoming)
            linked = asyncio.Event()
            store.connection.on_change(lambda state: linked.set() if state.link is Link.CONNECTED else None)
            waiting = asyncio.ensure_future(anext(incoming))
            await asyncio.to_thread(own_nats_server.stop)
            await asyncio.to_thread(own_nats_server.start)
            async with asyncio.timeout(60):
                await linked.wait()
                await events.append_events(CART, [added("b")])
                after = await waiting

    assert (before.event.payload["item"], after.event.payload["item"]) == ("a", "b")


async def test_subscription_behind_what_was_removed_says_so(store: Store) -> None:
    layout = Layout(stream=f"KEPT-{new_id()[-8:]}", root=f"kept.{new_id()[-8:]}")
    config = {"name": layout.stream, "subjects": [layout.subjects], "max_msgs": 2, "allow_direct": True, "allow_atomic": True}
    await store.connection.api(f"STREAM.CREATE.{layout.stream}", config, stream=layout.stream)
    events = JetStreamEventStore(store=store.on(layout))
    await events.append_events(CART, [added(item) for item in "abcd"])

    with pytest.raises(ContinuityLost, match="begins at sequence 3 now"):
        async with events.subscribe_to_events(1):
            pass


async def test_subscription_ends_where_another_generation_serves(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        events = JetStreamEventStore(store=store)
        await events.append_events(CART, [added("a")])

        async with events.subscribe_to_events() as incoming:
            first = await anext(incoming)
            await switch_generation(store.connection, await read_generations(store.connection, EVENTS.stream), 2, by="ada")
            with pytest.raises(StreamClosed, match="CIM-EVENTS-2 serves now"):
                await anext(incoming)

    assert first.event.payload["item"] == "a"


async def test_subscription_to_a_stream_that_is_not_there_says_so(store: Store) -> None:
    events = JetStreamEventStore(store=store.on(Layout(stream="NOWHERE", root="nowhere")))

    with pytest.raises(StreamNotFound, match="NOWHERE"):
        async with events.subscribe_to_events():
            pass


async def test_stream_without_versions_cannot_be_an_event_store(store: Store) -> None:
    foreign = Layout(stream="SHOP", kind="foreign", pattern="shop.{entity}.{event}", context="sales", aggregate="order")

    with pytest.raises(FeatureUnavailable, match="SHOP holds no versions"):
        JetStreamEventStore(store=store.on(foreign))
