"""This module is the test of the streams pages as a browser without JavaScript gets them, from a real server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client

from apps import connection
from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Store, append, ensure_home, list_consumers

from .conftest import Home, Visitor
from .stream_stage import add_consumer, append_story, delete, fill, make_stream
from .working_console import wait_until

SEQUENCES = re.compile(r'<tr id="event-(\d+)"')
GAPS = re.compile(r'<tr class="gap"[^>]*><td[^>]*>([^<]*)')


@pytest.fixture(scope="module")
def made() -> set[str]:
    """The streams that this module has already made on its server."""
    return set()


@pytest.fixture
def orders(home: Home, made: set[str]) -> str:
    """200 messages, every fourth of them `orders.late`; 100 to 139 and 198 are deleted."""

    async def make(store: Store) -> None:
        await make_stream(store, "ORDERS")
        await fill(store, "ORDERS", 200, subjects=("new", "paid", "sent", "late"), Content_Type="application/json", Trace="<t>")
        await delete(store, "ORDERS", *range(100, 140), 198)

    if "ORDERS" not in made:
        made.add("ORDERS")
        home.run(make)
    return "/streams/ORDERS/"


def page(client: Client, address: str, status: int = 200) -> str:
    response: HttpResponse = client.get(address)  # type: ignore[assignment]
    assert response.status_code == status, response.content[:2000]
    return response.content.decode()


def shown(text: str) -> list[int]:
    return [int(sequence) for sequence in SEQUENCES.findall(text)]


def link(text: str, words: str) -> str:
    found = re.search(rf'href="([^"]*)"[^>]*>{words}<', text)
    assert found, f"no link {words}"
    return found[1].replace("&amp;", "&")


def test_the_newest_events_come_first_with_the_gaps_between(viewer: Visitor, orders: str) -> None:
    text = page(viewer, orders)

    assert shown(text) == [200, 199, *range(197, 149, -1)]
    assert GAPS.findall(text) == ["198 is missing, deleted, purged or expired."]
    assert "These are the newest events there are." in text


def test_pages_turn_back_over_a_gap_and_forward_again(viewer: Visitor, orders: str) -> None:
    newest = page(viewer, orders)
    older = page(viewer, orders + link(newest, "Older"))
    again = page(viewer, orders + link(older, "Newer"))

    assert shown(older) == [*range(149, 139, -1), *range(99, 59, -1)]
    assert GAPS.findall(older) == ["100 – 139 missing: 40, deleted, purged or expired."]
    assert shown(again) == shown(newest)


def test_oldest_leads_to_the_first_events_and_newest_back(viewer: Visitor, orders: str) -> None:
    oldest = page(viewer, orders + link(page(viewer, orders), "Oldest"))

    assert shown(oldest) == list(range(50, 0, -1))
    assert "These are the oldest events there are." in oldest
    assert shown(page(viewer, orders + link(oldest, "Newest")))[0] == 200


def test_a_filter_works_together_with_paging(viewer: Visitor, orders: str) -> None:
    first = page(viewer, f"{orders}?subject=orders.*&to=120")
    second = page(viewer, orders + link(first, "Older"))

    assert shown(first) == list(range(99, 49, -1))
    assert shown(second) == list(range(49, 0, -1))


def test_a_filtered_page_accounts_for_what_it_looked_at(viewer: Visitor, orders: str) -> None:
    text = page(viewer, f"{orders}?subject=orders.late")

    assert shown(text) == [number for number in range(200, 0, -4) if not 100 <= number < 140]
    assert re.search(r"Looked at 200 → 1 \(200 sequences, [^)]*\)\. 40 hits, 320 B\.\s+Nothing older is left to look at\.", text)


def test_going_to_a_sequence_puts_it_on_top(viewer: Visitor, orders: str) -> None:
    text = page(viewer, f"{orders}?at=60")

    assert shown(text)[0] == 60
    assert '<tr id="event-60" data-sequence="60" aria-current="true">' in text


def test_a_time_in_the_address_becomes_the_sequence_it_stands_for(viewer: Visitor, orders: str) -> None:
    assert viewer.get(f"{orders}?at=yesterday&subject=orders.>").headers["Location"] == f"{orders}?subject=orders.%3E&at=1"
    assert viewer.get(f"{orders}?from=3 days ago&to=now").headers["Location"] == f"{orders}?from=1&to=200"


def test_a_range_holds_nothing_outside_of_it(viewer: Visitor, orders: str) -> None:
    text = page(viewer, f"{orders}?from=90&to=145")

    assert shown(text) == [*range(145, 139, -1), *range(99, 89, -1)]


def test_a_place_beyond_the_end_shows_the_newest_and_says_so(viewer: Visitor, orders: str) -> None:
    text = page(viewer, f"{orders}?at=999999")

    assert "ORDERS ends at 200." in text
    assert shown(text)[0] == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "at=foo",
            "<strong>Go to was not understood.</strong> &#x27;foo&#x27; is neither a sequence nor a time; write a sequence such as 812345",
        ),
        ("subject=a..b", "Write tokens between dots, such as orders.*.paid or orders.&gt;."),
        ("from=-3", "<strong>From was not understood.</strong>"),
        ("before=x", "<strong>Before was not understood.</strong>"),
    ],
)
def test_what_cannot_be_understood_is_said_at_the_field(viewer: Visitor, orders: str, query: str, says: str) -> None:
    text = page(viewer, f"{orders}?{query}", status=400)

    assert says in text
    assert shown(text) == []


def test_nothing_for_a_filter_is_told_apart_from_an_empty_stream(viewer: Visitor, home: Home, orders: str) -> None:
    home.run(make_stream, "EMPTY")

    assert "Nothing for this filter" in page(viewer, f"{orders}?subject=orders.nothing")
    assert "No event has been stored yet." in page(viewer, "/streams/EMPTY/")
    assert "Nothing in this range" in page(viewer, f"{orders}?from=150&to=140")


def test_no_page_makes_a_consumer(viewer: Visitor, home: Home, orders: str) -> None:
    for address in ("", "?subject=orders.late", "?at=60&show=60&tab=chain", "subjects/", "consumers/", "configuration/", "60/lineage/"):
        page(viewer, orders + address)

    assert home.run(lambda store: list_consumers(store.connection, "ORDERS")) == []


@pytest.mark.parametrize("retention", ["workqueue", "interest"])
@pytest.mark.parametrize("allow_direct", [True, False])
def test_queues_are_read_and_nothing_is_taken_from_them(viewer: Visitor, home: Home, retention: str, allow_direct: bool) -> None:
    name = f"{retention}-{allow_direct}".upper()

    async def make(store: Store) -> None:
        await make_stream(store, name, retention=retention, allow_direct=allow_direct)
        await add_consumer(store, name, "worker")
        await fill(store, name, 60, subjects=("x", "y"))

    home.run(make)

    assert shown(page(viewer, f"/streams/{name}/")) == list(range(60, 10, -1))
    assert shown(page(viewer, f"/streams/{name}/?before=11")) == list(range(10, 0, -1))
    assert len(shown(page(viewer, f"/streams/{name}/?subject={name.lower()}.y"))) == 30
    assert "60 events" in page(viewer, f"/streams/{name}/")


def test_a_stream_without_direct_get_is_searched_by_time(viewer: Visitor, home: Home) -> None:
    async def make(store: Store) -> None:
        await make_stream(store, "SLOW", allow_direct=False)
        await fill(store, "SLOW", 20)

    home.run(make)

    assert viewer.get("/streams/SLOW/?at=1 hour ago").headers["Location"] == "/streams/SLOW/?at=1"
    assert viewer.get("/streams/SLOW/?at=2099-01-01").headers["Location"] == "/streams/SLOW/?at=21"
    assert "Direct Get is off" in page(viewer, "/streams/SLOW/configuration/")


def test_an_unknown_stream_is_named_with_the_servers_code(viewer: Visitor, home: Home) -> None:
    text = page(viewer, "/streams/NO-SUCH/", status=404)

    assert "There is no stream NO-SUCH on this server (code 10059)" in text


def test_a_name_that_no_stream_can_have_is_never_asked_for(viewer: Visitor, home: Home) -> None:
    assert "is no stream name" in page(viewer, "/streams/A.B/", status=400)
    assert "is no stream name" in page(viewer, "/streams/*/", status=400)


def test_while_nats_is_away_the_page_says_so_and_what_to_do(viewer: Visitor, settings: LazySettings) -> None:
    settings.CIM_HOME = {"url": "nats://127.0.0.1:9"}
    connection.stop()

    text = page(viewer, "/streams/", status=503)

    connection.stop()
    assert "No NATS server answers" in text
    assert "Nothing is lost" in text


def test_a_nats_user_that_may_not_read_is_told_which_subject(viewer: Visitor, home: Home, settings: LazySettings) -> None:
    system = home.server.settings("system")
    settings.CIM_HOME = {"url": system.url, "user": system.user or "", "password": system.password or ""}
    connection.stop()

    wait_until(lambda: "JetStream" in page(viewer, "/streams/", status=503), "the page never said what the user may not read")


def test_a_person_without_a_role_sees_no_stream(visitor: Client, home: Home) -> None:
    response: Any = visitor.get("/streams/ORDERS/")

    assert response.status_code == 302
    assert "next=/streams/ORDERS/" in response.headers["Location"]


def test_a_story_is_listed_with_types_aggregates_and_chain_marks(viewer: Visitor, home: Home, made: set[str]) -> None:
    home.run(append_story)

    text = page(viewer, "/streams/CIM-EVENTS/?at=3")

    assert re.findall(r"<strong>((?:order|payment)\.\w+)</strong>", text) == ["order.paid", "payment.captured", "order.placed"]
    assert text.count('data-state="linked"') == 3
    assert 'href="/aggregates/sales.order/o1/"' in text


def test_a_consumer_of_a_projection_leads_to_it_and_its_silence_is_no_alarm(viewer: Visitor, home: Home) -> None:
    async def make(store: Store) -> None:
        await ensure_home(store.connection)
        await append(store, Head(aggregate=AggregateRef("sales", "order", "billed")), [NewEvent(type="placed", payload={})])
        await add_consumer(store, "CIM-EVENTS", "cim-aggregates-7")
        await add_consumer(store, "CIM-EVENTS", "billing")

    home.run(make)
    rows = re.findall(r'<tr id="consumer-([^"]+)">(.*?)</tr>', page(viewer, "/streams/CIM-EVENTS/consumers/"), re.S)

    assert 'feeds <a href="/projections/aggregates/">aggregates</a>' in dict(rows)["cim-aggregates-7"]
    assert "Nobody asks" not in dict(rows)["cim-aggregates-7"]
    assert "Nobody asks" in dict(rows)["billing"]
