"""This module is declared routers at work: each event routed once and in order, whatever happens to the worker, and what holds one up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from apps.persistence.encoding import decode
from apps.persistence.errors import InvalidInput, NotFound, Unavailable
from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.registry import Domain, Registry
from apps.persistence.routing import (
    CAME_THROUGH,
    CONTEXTS_STREAM,
    ContextBridge,
    ContextMapping,
    Interest,
    NatsMessage,
    RoutePattern,
    RouterDefinition,
    RouterRecord,
    RoutingStrategy,
    bridging,
    list_routers,
    on_payload,
    read_router,
)
from apps.persistence.store import Message, Store, append, ensure_home, find_consumer, head_of, open_store, read_batch
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.lease import Lease, hold
from apps.persistence.work.routers import consumer_of, run_routers

from .projecting import eventually
from .routing_domain import DOMAIN

WAIT = 60


@pytest.fixture
def source() -> str:
    return f"s{new_id()[-12:]}"


@pytest.fixture
def target() -> str:
    return f"t{new_id()[-12:]}"


@asynccontextmanager
async def routed(store: Store, *definitions: RouterDefinition) -> AsyncIterator[None]:
    """A worker that carries out these routers for as long as the block lasts."""

    def lease_of(name: str) -> AbstractAsyncContextManager[Lease]:
        return hold(store.connection, name, f"test-{new_id()}", ttl_seconds=1)

    task = asyncio.create_task(run_routers(store, definitions, lease_of))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def bridge_of(store: Store, source: str, target: str, event_types: dict[str, str], name: str = "") -> RouterDefinition:
    words = ContextMapping(
        source=source,
        target=target,
        aggregates={"order": "invoice"},
        event_types=event_types,
        transform=on_payload(lambda payload: {"line": payload["number"]}),
    )
    made = bridging(
        name=name or source,
        title="Test",
        bridge=ContextBridge(mappings=[words], interests=[Interest(target=target, source=source)]),
    )
    return RouterDefinition(
        name=made.name, title="Test", routes=made.routes, handlers=made.handlers, bridge=made.bridge, stream=store.layout.stream
    )


async def add(store: Store, context: str, *types: str, order: str = "one") -> None:
    ref = AggregateRef(context, "order", order)
    head = await head_of(store, ref, leader=True)
    await append(store, head, [NewEvent(type=one, payload={"number": head.version + place}) for place, one in enumerate(types, start=1)])


async def translated(store: Store, target: str) -> Sequence[Message]:
    return (await read_batch(store.connection, CONTEXTS_STREAM, limit=1000, pattern=f"cim.contexts.{target}.>")).messages


def there_are(count: int, store: Store, target: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        try:
            return len(await translated(store, target)) >= count
        except NotFound:
            return False

    return look


def stands(store: Store, name: str, attempts: int = 1) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        record = (await list_routers(store.connection)).get(name, RouterRecord(name=name))
        return record.failure is not None and record.failure.attempts >= attempts

    return look


def is_at(store: Store, name: str, position: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return (await list_routers(store.connection)).get(name, RouterRecord(name=name)).position == position

    return look


async def test_bridge_stores_each_event_once_in_the_words_of_the_other_context(store: Store, source: str, target: str) -> None:
    await add(store, source, "item_added", "paid", "item_added")

    async with routed(store, bridge_of(store, source, target, {"item_added": "line_added", "paid": "settled"})):
        await eventually(there_are(3, store, target), seconds=WAIT)
        await eventually(is_at(store, source, 3), seconds=WAIT)

    found = await translated(store, target)
    begin = f"cim.contexts.{target}.{source}.invoice.one"
    assert [one.subject for one in found] == [f"{begin}.line_added.v1", f"{begin}.settled.v2", f"{begin}.line_added.v3"]
    assert [decode(one.data) for one in found] == [{"line": 1}, {"line": 2}, {"line": 3}]
    assert found[1].headers["Cim-Aggregate"] == f"{source}.order.one"
    assert found[1].headers["Cim-Version"] == "2"
    assert found[1].headers[CAME_THROUGH] == source
    stats = (await read_router(store.connection, source)).routes[f"{source} to {target}: every event"]
    assert (stats.hits, stats.failures) == (3, 0)


async def test_bridge_goes_on_where_it_was_after_a_restart(store: Store, source: str, target: str) -> None:
    bridge = bridge_of(store, source, target, {"item_added": "line_added"})
    await add(store, source, "item_added")
    async with routed(store, bridge):
        await eventually(is_at(store, source, 1), seconds=WAIT)

    await add(store, source, "item_added")
    async with routed(store, bridge):
        await eventually(is_at(store, source, 2), seconds=WAIT)

    assert len(await translated(store, target)) == 2
    assert (await read_router(store.connection, source)).routes[f"{source} to {target}: every event"].hits == 2
    consumer = await find_consumer(store.connection, store.layout.stream, consumer_of(source))
    assert consumer is not None
    assert consumer.filter_subjects == (f"{store.layout.root}.{source}.*.*.*.*",)


async def test_event_without_a_mapping_holds_the_bridge_where_people_see_it(store: Store, source: str, target: str) -> None:
    await add(store, source, "item_added", "paid", "item_added")

    async with routed(store, bridge_of(store, source, target, {"item_added": "line_added"})):
        await eventually(stands(store, source, attempts=2), seconds=WAIT)

    record = await read_router(store.connection, source)
    assert record.position == 1
    assert record.failure is not None
    assert record.failure.sequence == 2
    assert f"No mapping from {source} to {target} covers event type paid; declare it" in record.failure.reason
    assert len(await translated(store, target)) == 1


async def test_held_bridge_goes_on_once_the_mapping_is_declared(store: Store, source: str, target: str) -> None:
    await add(store, source, "item_added", "paid", "item_added")
    async with routed(store, bridge_of(store, source, target, {"item_added": "line_added"})):
        await eventually(stands(store, source), seconds=WAIT)

    async with routed(store, bridge_of(store, source, target, {"item_added": "line_added", "paid": "settled"})):
        await eventually(is_at(store, source, 3), seconds=WAIT)

    assert (await read_router(store.connection, source)).failure is None
    assert [one.subject.split(".")[-2] for one in await translated(store, target)] == ["line_added", "settled", "line_added"]


async def test_event_that_was_translated_but_not_recorded_is_not_stored_twice(store: Store, source: str, target: str) -> None:
    await add(store, source, "item_added")
    first = bridge_of(store, source, target, {"item_added": "line_added"}, name=f"{source}-a")
    async with routed(store, first):
        await eventually(is_at(store, f"{source}-a", 1), seconds=WAIT)

    again = bridge_of(store, source, target, {"item_added": "line_added"}, name=f"{source}-b")
    async with routed(store, again):
        await eventually(is_at(store, f"{source}-b", 1), seconds=WAIT)

    assert len(await translated(store, target)) == 1


async def test_routes_are_taken_by_the_strategy_and_what_no_route_takes_is_passed(store: Store, source: str) -> None:
    seen: list[str] = []

    async def note(store: Store, message: NatsMessage, route: RoutePattern) -> bytes:
        seen.append(f"{route.name} {message.headers['Cim-Version']}")
        return b""

    router = RouterDefinition(
        name=source,
        title="Test",
        strategy=RoutingStrategy.ROUND_ROBIN,
        routes=[RoutePattern(name=name, pattern=f"{source}.order.item_added.*", handler="note") for name in ("left", "right")],
        handlers={"note": note},
        stream=store.layout.stream,
    )
    await add(store, source, "item_added", "item_added", "paid", "item_added")

    async with routed(store, router):
        await eventually(is_at(store, source, 4), seconds=WAIT)

    record = await read_router(store.connection, source)
    assert seen == ["left 1", "right 2", "left 4"]
    assert record.passed == 1
    assert {name: stats.hits for name, stats in record.routes.items()} == {"left": 2, "right": 1}


async def test_handler_that_fails_is_called_until_it_does_not(store: Store, source: str) -> None:
    calls: list[str] = []

    async def fail_first(store: Store, message: NatsMessage, route: RoutePattern) -> bytes:
        calls.append(message.headers["Cim-Version"])
        if len(calls) == 1:
            raise KeyError("sku")
        return b""

    router = RouterDefinition(
        name=source,
        title="Test",
        routes=[RoutePattern(name="all", pattern=f"{source}.>", handler="fail_first")],
        handlers={"fail_first": fail_first},
        stream=store.layout.stream,
    )
    await add(store, source, "item_added", "item_added")

    async with routed(store, router):
        await eventually(is_at(store, source, 2), seconds=WAIT)

    stats = (await read_router(store.connection, source)).routes["all"]
    assert calls == ["1", "1", "2"]
    assert (stats.hits, stats.failures) == (3, 1)


async def test_killed_worker_loses_and_doubles_nothing(own_nats_server: EmbeddedServer) -> None:
    settings = own_nats_server.settings("worker")
    async with open_store(settings) as store:
        await ensure_home(store.connection)
        for number in range(4):
            ref = AggregateRef("here", "order", f"o-{number}")
            await append(store, Head(aggregate=ref), [NewEvent(type="item_added", payload={"number": one}) for one in range(100)])
        for so_many in (50, 100):
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.persistence.killed_worker", settings.url, settings.user or "", settings.password or ""),
                "tests.persistence.routing_domain",
                stdout=subprocess.DEVNULL,
            )
            try:
                await eventually(there_are(so_many, store, "there"), seconds=60)
            finally:
                worker.kill()
                await worker.wait()
        async with routed(store, *DOMAIN.routers):
            await eventually(is_at(store, "here-to-there", 400), seconds=60)

        found = await translated(store, "there")
        record = await read_router(store.connection, "here-to-there")

    assert len(found) == 400
    assert len({one.subject for one in found}) == 400
    assert [decode(one.data) for one in found if ".o-2." in one.subject] == [{"number": one} for one in range(100)]
    assert record.routes["here to there: every event"].hits == 400


async def test_two_bridges_on_one_way_are_refused(store: Store) -> None:
    one, two = (bridge_of(store, "a", "b", {}, name=name) for name in ("one", "two"))

    with pytest.raises(InvalidInput, match="one and two both lead from a to b"):
        Registry([Domain(name="d", title="D", routers=[one, two])])


def test_declarations_that_cannot_work_are_refused() -> None:
    async def answer(store: Store, message: NatsMessage, route: RoutePattern) -> bytes:
        raise Unavailable("never called")

    route = RoutePattern(name="r", pattern="sales.order", handler="answer")
    two_to_one = ContextMapping(source="a", target="b", aggregates={"x": "z", "y": "z"}, event_types={})
    with pytest.raises(InvalidInput, match=r"sales\.order, under which no event comes"):
        RouterDefinition(name="n", title="N", routes=[route], handlers={"answer": answer})
    with pytest.raises(NotFound, match="the handler 'answer', which it does not have"):
        RouterDefinition(name="n", title="N", routes=[route], handlers={})
    with pytest.raises(InvalidInput, match="two routes of one name"):
        RouterDefinition(name="n", title="N", routes=[route, route], handlers={"answer": answer})
    with pytest.raises(InvalidInput, match="one word for two aggregate types"):
        bridging(name="n", title="N", bridge=ContextBridge(mappings=[two_to_one], interests=[]))
