"""Queries from whoever asks to the result, on a real server: an acknowledgement first and alone, the result for the correlation id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from apps.domain.cqrs import (
    Accepted,
    CorrelationId,
    EventStreamSubscription,
    QueryAccepted,
    QueryRejected,
    QuerySet,
    ask_query,
    new_command,
    new_query,
    query,
    submit,
)
from apps.domain.orders import ORDER
from apps.domain.orders.commands import Create
from apps.domain.orders.queries import PROJECTION, FindOrders, OneOrder
from apps.domain.projections import ORDER_SUMMARY
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, Unavailable
from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.projections import Orders, ensure_record, run_projection
from apps.persistence.registry import Domain, Registry, load_domains
from apps.persistence.store import EVENTS, Store, append, ensure_home, get_stream, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.answering import QueryResult, answer_queries
from apps.persistence.work.commands import consume_commands

SECONDS = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this module, so that nobody else answers its queries."""
    with EmbeddedServer(tmp_path_factory.mktemp("queries")) as started:
        asyncio.run(fill(started))
        yield started


async def fill(server: EmbeddedServer) -> None:
    """Two orders of one customer, and their summary."""
    async with open_store(server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        for id in ("o-1", "o-2"):
            created = NewEvent(type="created", payload={"customer": "c-1", "currency": "EUR"})
            await append(opened, Head(aggregate=AggregateRef("sales", "order", id)), [created])
        await ensure_record(opened.connection, ORDER_SUMMARY)
        last = (await get_stream(opened.connection, EVENTS.stream)).last_sequence
        await run_projection(opened, ORDER_SUMMARY, 1, Orders(until=last))


@pytest.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(server.settings("worker")) as opened:
        yield opened


@pytest.fixture
async def web(server: EmbeddedServer) -> AsyncIterator[Store]:
    """What a web process has."""
    async with open_store(server.settings("web")) as opened:
        yield opened


@asynccontextmanager
async def answering(store: Store, registry: Registry | None = None, *, workers: int = 1) -> AsyncIterator[None]:
    known = registry or load_domains(["apps.domain"])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answer_queries(store, known)) for _ in range(workers)]
        while not await _is_heard(store):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _is_heard(store: Store) -> bool:
    return (await store.connection.request("cim.queries.any", timeout=1)).status != "503"


async def result_of(web: Store, asked: FindOrders | OneOrder) -> tuple[object, QueryResult]:
    """The five steps: listen, ask, acknowledgement, answer, result."""
    sent = new_query(asked, ORDER.key, actor="ada")
    async with EventStreamSubscription.of_query(sent).results(web) as results:
        ack = await ask_query(web.connection, sent, timeout_seconds=SECONDS)
        async with asyncio.timeout(SECONDS):
            return ack, await anext(results)


async def test_query_is_acknowledged_and_its_result_comes_for_its_correlation(store: Store, web: Store) -> None:
    async with answering(store):
        ack, said = await result_of(web, FindOrders(customer="c-1"))

    assert ack == QueryAccepted(query_id=said.query_id)
    assert isinstance(said.result, dict)
    assert said.result["total"] == 2
    assert sorted(order["id"] for order in said.result["orders"]) == ["o-1", "o-2"]  # type: ignore[union-attr,index,call-overload]


async def test_acknowledgement_holds_no_result(store: Store, web: Store) -> None:
    async with answering(store):
        sent = new_query(OneOrder(order="o-1"), ORDER.key, actor="ada")
        ack = await ask_query(web.connection, sent, timeout_seconds=SECONDS)

    assert [name for name in type(ack).__slots__] == ["query_id"]  # type: ignore[attr-defined]


async def test_one_order_is_found_and_one_that_is_not_there_is_said_to_be(store: Store, web: Store) -> None:
    async with answering(store):
        _, found = await result_of(web, OneOrder(order="o-2"))
        _, missing = await result_of(web, OneOrder(order="o-9"))

    assert found.result["id"] == "o-2"  # type: ignore[index,call-overload]
    assert found.result["customer"] == "c-1"  # type: ignore[index,call-overload]
    assert missing.reason.startswith("The order summary holds no order o-9")


@pytest.mark.parametrize(
    ("parameters", "name", "about", "reason"),
    [
        ({"limit": 0}, "find_orders", ORDER.key, "0 orders cannot be asked for; 1 to 500 can."),
        ({"colour": "red"}, "find_orders", ORDER.key, "The command holds colour, which it does not take."),
        ({}, "count_orders", ORDER.key, "sales.order knows no query 'count_orders'; it knows one_order, find_orders."),
        ({}, "find_orders", ("sales", "invoice"), "Nobody here answers queries about sales.invoice"),
        ({}, "find orders", ORDER.key, "'find orders' cannot be used as a query's name"),
    ],
)
async def test_query_that_cannot_be_answered_is_rejected_with_the_reason(
    store: Store, web: Store, parameters: dict[str, Value], name: str, about: tuple[str, str], reason: str
) -> None:
    sent = replace(new_query(FindOrders(), about, actor="ada", name=name), parameters=parameters)

    async with answering(store):
        ack = await ask_query(web.connection, sent, timeout_seconds=SECONDS)

    assert isinstance(ack, QueryRejected)
    assert ack.reason.startswith(reason)


async def test_without_a_worker_a_query_is_no_acknowledgement(web: Store) -> None:
    with pytest.raises(Unavailable, match="No worker is at work, so find_orders cannot be answered"):
        await ask_query(web.connection, new_query(FindOrders(), ORDER.key, actor="ada"), timeout_seconds=SECONDS)


async def test_two_workers_answer_a_query_once(store: Store, web: Store) -> None:
    correlation = CorrelationId.new()
    async with answering(store, workers=2):
        first = new_query(OneOrder(order="o-1"), ORDER.key, actor="ada", correlation=correlation)
        last = new_query(OneOrder(order="o-2"), ORDER.key, actor="ada", correlation=correlation)
        async with EventStreamSubscription.of_query(first).results(web) as results:
            await ask_query(web.connection, first, timeout_seconds=SECONDS)
            async with asyncio.timeout(SECONDS):
                heard = [await anext(results)]
                await ask_query(web.connection, last, timeout_seconds=SECONDS)
                heard.append(await anext(results))

    assert [one.query_id for one in heard] == [first.id, last.id]


async def test_bug_in_the_domain_is_a_result_that_says_so(store: Store, web: Store) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Broken:
        """It never works."""

    async def fail(store: Store, asked: Broken) -> Value:
        raise ZeroDivisionError

    queries = QuerySet(context="sales", type="order", queries=[query(Broken, fail)])
    registry = Registry([Domain(name="broken", title="Broken", queries={ORDER.key: queries})])
    async with answering(store, registry):
        sent = new_query(Broken(), ORDER.key, actor="ada")
        async with EventStreamSubscription.of_query(sent).results(web) as results:
            await ask_query(web.connection, sent, timeout_seconds=SECONDS)
            async with asyncio.timeout(SECONDS):
                said = await anext(results)

    assert said.reason == "broken failed in the domain's own code; its worker has logged why."


async def test_command_is_submitted_and_its_event_reaches_who_listens_for_the_story(store: Store, web: Store) -> None:
    command = new_command(Create(customer="c-1", currency="EUR"), AggregateRef("sales", "order", new_id()), actor="ada")
    other = new_command(Create(customer="c-2", currency="EUR"), AggregateRef("sales", "order", new_id()), actor="bob")
    stop = asyncio.Event()

    async with asyncio.TaskGroup() as group:
        group.create_task(consume_commands(store, load_domains(["apps.domain"]), stop))
        async with EventStreamSubscription.of_command(command).events(web) as events:
            acks = [await submit(web.connection, one, timeout_seconds=SECONDS) for one in (other, command)]
            async with asyncio.timeout(SECONDS):
                stored = await anext(events)
        stop.set()

    assert acks == [Accepted(command_id=other.id), Accepted(command_id=command.id)]
    assert (stored.event.aggregate, stored.event.type, stored.event.correlation) == (command.aggregate, "created", command.correlation)


async def test_subscription_to_a_subject_that_is_none_of_ours_is_refused(store: Store) -> None:
    story = EventStreamSubscription(correlation_id=CorrelationId.new(), stream_subject="orders.>")

    with pytest.raises(InvalidInput, match=r"'orders\.>' is no subject of CIM-EVENTS; its events are on cim\.events\.>"):
        async with story.events(store):
            pass
    with pytest.raises(InvalidInput, match="No results are published on"):
        async with story.results(store):
            pass


def test_correlation_that_is_no_uuid_cannot_be() -> None:
    with pytest.raises(InvalidInput, match="The correlation is 'story'"):
        CorrelationId("story")


def test_summary_is_the_projection_that_answers() -> None:
    assert ORDER_SUMMARY.name == PROJECTION
