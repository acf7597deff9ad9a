"""This module is the tests of the search box on a real server: straight to the one thing, a short list, or what was tried."""

from __future__ import annotations

import re

import pytest
from django.conf import LazySettings
from django.test import Client

from apps.domain.demo.tampered import TAMPERED as TAMPERED_LAYOUT
from apps.persistence.encoding import cid_of
from apps.persistence.events import AggregateRef, NewEvent
from apps.persistence.store import Store, find_version, load

from .aggregate_stage import SPRING, STORY, TAMPERED, append_all, order_events, run_directory, write_stage
from .conftest import Home, Visitor
from .stream_stage import add_consumer
from .test_aggregates_page import words

FOREIGN = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set()


@pytest.fixture
def stage(home: Home, settings: LazySettings, made: set[str]) -> Home:
    settings.CIM_DOMAINS = ["apps.domain", "tests.web.shop_domain"]
    if not made:
        made.add("stage")
        home.run(_write)
    return home


async def _write(store: Store) -> None:
    await write_stage(store)
    await append_all(store, AggregateRef("people", "customer", "spring"), [NewEvent(type="registered", payload={"name": "Spring"})])
    await append_all(store, AggregateRef("sales", "order", "spring-2"), order_events()[3:])
    await add_consumer(store, "PARCELS", "label-printer")


def goes_to(client: Client, text: str, **headers: str) -> str:
    response = client.get("/search", {"q": text}, headers=headers)
    assert response.status_code == 302, words(response.content.decode())
    return response.headers["Location"]


def answer(client: Client, text: str, status: int = 200) -> str:
    response = client.get("/search", {"q": text})
    assert response.status_code == status, response.headers.get("Location")
    return words(response.content.decode())


def test_a_sequence_leads_to_its_event_in_the_event_stream(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "3") == "/streams/CIM-EVENTS/3/"


def test_a_sequence_is_meant_in_the_stream_one_looks_at(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "3", Referer="http://testserver/streams/PARCELS/2/") == "/streams/PARCELS/3/"


def test_a_page_of_another_site_does_not_choose_the_stream(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "3", Referer="http://elsewhere/streams/PARCELS/2/") == "/streams/CIM-EVENTS/3/"


def test_a_stream_can_be_named_before_the_sequence(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "PARCELS:2") == "/streams/PARCELS/2/"


def test_a_cid_leads_to_the_version_of_its_aggregate(viewer: Visitor, stage: Home) -> None:
    stored = stage.run(load, SPRING).events[2]

    assert goes_to(viewer, str(stored.cid)) == "/aggregates/sales.order/spring/?version=3"


def test_the_cid_of_bytes_that_are_no_event_leads_to_where_they_lie(viewer: Visitor, stage: Home) -> None:
    async def cid_of_broken(store: Store) -> str:
        message = await find_version(store.on(TAMPERED_LAYOUT), AggregateRef("sales", "order", "undecodable-bytes"), 4)
        assert message is not None
        return str(cid_of(message.data))

    assert goes_to(viewer, stage.run(cid_of_broken)) == f"/aggregates/sales.order/undecodable-bytes/{TAMPERED}&version=4"


def test_the_whole_name_of_an_aggregate_leads_to_it_at_a_version_if_one_is_given(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "sales.order.spring") == "/aggregates/sales.order/spring/"
    assert goes_to(viewer, "sales.order.spring@3") == "/aggregates/sales.order/spring/?version=3"


def test_an_id_that_several_types_have_lists_them(viewer: Visitor, stage: Home) -> None:
    text = answer(viewer, "spring")

    assert "people.customer.spring Aggregate in CIM-EVENTS" in text
    assert "sales.order.spring Aggregate in CIM-EVENTS" in text


def test_an_id_of_another_stream_leads_there(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "link-broken") == f"/aggregates/sales.order/link-broken/{TAMPERED}"


def test_a_foreign_aggregate_is_found_by_its_id(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "p2") == "/aggregates/shop.parcel/p2/"


def test_the_beginning_of_an_id_is_looked_for_only_with_a_directory(viewer: Visitor, stage: Home) -> None:
    before = answer(viewer, "sprin", status=404)
    stage.run(run_directory)
    after = answer(viewer, "sprin")

    assert "Beginnings of ids can be looked for once a worker has run the directory." in before
    assert "sales.order.spring-2 Aggregate at v3" in after


def test_a_type_leads_to_its_list(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "hr.badge") == "/aggregates/hr.badge/"
    assert "there is no foo.bar" in answer(viewer, "foo.bar", status=404)


def test_a_correlation_lists_the_events_of_its_story(viewer: Visitor, stage: Home) -> None:
    text = answer(viewer, STORY)

    assert "Events of one correlation 3" in text
    assert "sales.order.spring@2 item_added web · 2026-05-01 09:00:20 UTC" in text


def test_a_correlation_of_one_event_leads_to_it(viewer: Visitor, stage: Home) -> None:
    last = stage.run(load, SPRING).events[5].event

    assert goes_to(viewer, last.correlation) == "/aggregates/sales.order/spring/?version=6"


def test_a_subject_leads_to_its_newest_event(viewer: Visitor, stage: Home) -> None:
    assert goes_to(viewer, "cim.events.sales.order.spring.created.v1") == "/aggregates/sales.order/spring/?version=1"
    assert goes_to(viewer, "parcels.p1.sent") == "/streams/PARCELS/4/"


def test_a_pattern_opens_the_streams_that_can_hold_it(viewer: Visitor, stage: Home) -> None:
    response = viewer.get("/search", {"q": "parcels.*.sent"})

    assert '<a href="/streams/PARCELS/?subject=parcels.%2A.sent">PARCELS</a>' in response.content.decode()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("CIM-EVENTS", "/streams/CIM-EVENTS/"),
        ("parcels", "/streams/PARCELS/"),
        ("order-summary", "/projections/order-summary/"),
        ("label-printer", "/streams/PARCELS/consumers/"),
    ],
)
def test_names_lead_to_streams_projections_and_consumers(viewer: Visitor, stage: Home, text: str, address: str) -> None:
    assert goes_to(viewer, text) == address


def test_a_part_of_a_name_lists_what_holds_it(viewer: Visitor, stage: Home) -> None:
    assert "CIM-CONSOLE Stream" in answer(viewer, "cim-")


def test_a_list_that_is_cut_says_how_many_there_are(viewer: Visitor, stage: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.search.names.NEAR", 1)

    assert re.search(r"Begins with it, or holds it 1 of \d+; write more of it", answer(viewer, "cim-"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("999999", "A sequence: CIM-EVENTS holds no message at sequence 999,999"),
        ("NOPE:1", "A sequence: There is no stream NOPE on this server"),
        (FOREIGN, "A CID of another kind: version 0, dag-pb, sha2-256, written in base58btc."),
        ("bafyr4ib" + "a" * 51, "The CID of an event: no event in CIM-EVENTS, CIM-CONSOLE, CIM-DEMO-TAMPERED has it."),
        ("bafyr4ibtoo-short-to-be-a-cid-at-all", "A CID: "),
        ("sales.order.nobody", "An aggregate: no event of sales.order.nobody is stored."),
        ("0193ffff-0000-7000-8000-000000000000", "A correlation: no event of 0193ffff-0000-7000-8000-000000000000 was found."),
        ("cim.events.a.b.c.d.v1", "A subject: nothing is stored under cim.events.a.b.c.d.v1."),
        ("no-such-name", "A name: no stream, projection or consumer is called no-such-name."),
        ("what is this", "It is written like nothing that this console knows."),
    ],
)
def test_what_is_not_found_says_what_was_tried_and_what_can_be_pasted(viewer: Visitor, stage: Home, text: str, sentence: str) -> None:
    page = answer(viewer, text, status=404)

    assert sentence in page
    assert "The box takes: A sequence" in page


def test_markup_in_the_box_stays_text(viewer: Visitor, stage: Home) -> None:
    response = viewer.get("/search", {"q": "<script>alert(1)</script>"})

    assert b"<script>alert" not in response.content


def test_an_empty_box_says_what_it_takes(viewer: Visitor, stage: Home) -> None:
    assert "Paste what you have" in answer(viewer, "  ")


def test_a_whole_page_pasted_is_refused(viewer: Visitor, stage: Home) -> None:
    assert "paste one of them at a time" in answer(viewer, "x" * 5_000, status=400)


def test_signed_out_people_are_asked_to_sign_in(visitor: Client, stage: Home) -> None:
    assert visitor.get("/search", {"q": "1"}).headers["Location"].startswith("/sign-in?next=/search")
