"""This module is the tests of asking queries as a browser without JavaScript does: the form, the acknowledgement, the result."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Store, append, ensure_home
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Home, Visitor
from .working_console import Worker, page, read, wait_for

FIND = "/aggregates/sales.order/ask/find_orders/"


async def place_orders(store: Store) -> None:
    await ensure_home(store.connection)
    for id, customer in (("o-1", "c-1"), ("o-2", "c-1"), ("o-3", "c-2")):
        created = NewEvent(type="created", payload={"customer": customer, "currency": "EUR"})
        await append(store, Head(aggregate=AggregateRef("sales", "order", id)), [created])


async def until_queries_are_heard(store: Store) -> None:
    async with asyncio.timeout(60):
        while (await store.connection.request("cim.queries.any", timeout=10)).status == "503":  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def orders(home_server: EmbeddedServer) -> EmbeddedServer:
    Home(home_server).run(place_orders)
    return home_server


@pytest.fixture(scope="module")
def answering(orders: EmbeddedServer) -> Iterator[Worker]:
    with Worker(orders) as alive:
        Home(orders).run(until_queries_are_heard)
        yield alive


@pytest.fixture(autouse=True)
def console(home: Home, settings: LazySettings) -> None:
    settings.CIM_DOMAINS = ["apps.domain"]


@pytest.mark.usefixtures("orders")
def test_without_a_worker_the_page_says_who_should_answer(viewer: Visitor) -> None:
    assert "No worker is at work, so find_orders cannot be answered." in read(viewer, f"{FIND}?asked=1", 503)


@pytest.mark.usefixtures("answering")
def test_the_result_is_shown_for_its_correlation(viewer: Visitor) -> None:
    text = wait_for(viewer, f"{FIND}?asked=1&customer=c-1", '"total": 2')

    assert "Accepted" in text
    assert '"id": "o-1"' in text
    assert '"id": "o-3"' not in text


@pytest.mark.usefixtures("answering")
def test_what_a_query_does_not_find_is_said_after_it_was_accepted(viewer: Visitor) -> None:
    text = read(viewer, "/aggregates/sales.order/ask/one_order/?asked=1&order=o-99")

    assert "Accepted, but there is no result. The order summary holds no order o-99" in text


@pytest.mark.usefixtures("answering")
def test_a_parameter_that_cannot_be_is_named_and_not_asked(viewer: Visitor) -> None:
    assert "'many' must be a whole number" in read(viewer, f"{FIND}?asked=1&limit=many", 422)
    assert "0 orders cannot be asked for; 1 to 500 can." in read(viewer, f"{FIND}?asked=1&limit=0", 422)


@pytest.mark.usefixtures("orders")
def test_what_can_be_asked_stands_on_the_page_of_the_type(viewer: Visitor) -> None:
    assert f'href="{FIND}"' in page(viewer, "/aggregates/sales.order/")
    assert '<option value="draft">' in page(viewer, FIND)
    page(viewer, "/aggregates/sales.order/ask/nothing/", 404)
