"""This module is the tests of one aggregate's page as a browser without JavaScript gets it, from a real server."""

from __future__ import annotations

import html
import re

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client

from apps import connection
from apps.persistence.store import list_consumers

from .aggregate_stage import SPRING, take_snapshot, write_stage
from .conftest import Home, Visitor

SPRING_PAGE = "/aggregates/sales.order/spring/"
ROW = re.compile(r'<li id="event-\d+" data-state="(\w+)"( aria-current="true")?[^>]*>.*?<span class="identity">[v#]([\d,]+)</span>', re.S)


@pytest.fixture(scope="module")
def made() -> set[str]:
    """What this module has already made on its server."""
    return set()


@pytest.fixture
def stage(home: Home, settings: LazySettings, made: set[str]) -> Home:
    """The home server with orders, tampered ones, a tin and parcels, and a console that knows the shop's domain."""
    settings.CIM_DOMAINS = ["apps.domain", "tests.web.shop_domain"]
    if "stage" not in made:
        made.add("stage")
        home.run(write_stage)
    return home


def page(client: Client, address: str, status: int = 200) -> str:
    response: HttpResponse = client.get(address)  # type: ignore[assignment]
    assert response.status_code == status, response.content.decode()[:3000]
    return response.content.decode()


def words(text: str) -> str:
    """The page's own words, without the frame around it."""
    main = text[text.index('<main id="page"') : text.index("</main>")]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def versions(text: str) -> list[str]:
    return [version for _, _, version in ROW.findall(text)]


def selected(text: str) -> list[str]:
    return [version for _, current, version in ROW.findall(text) if current]


def test_the_history_is_newest_first_with_what_each_event_did(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, SPRING_PAGE)

    assert versions(text) == ["6", "5", "4", "3", "2", "1"]
    assert selected(text) == ["6"]
    assert "+ 2 × CB-014 at 6.20 EUR" in words(text)
    assert "Chain intact" in words(text)
    assert "6 events · v1–v6 verified" in words(text)


def test_times_in_which_nothing_happened_are_written_between_the_events(viewer: Visitor, stage: Home) -> None:
    assert "item_removed − 1 × CB-014 at 6.20 EUR web · 4 May 09:00:00.000" in words(page(viewer, SPRING_PAGE))
    assert re.search(r"Linked 2 days later v3 discount_applied 3 events, one correlation", words(page(viewer, SPRING_PAGE)))


def test_the_state_at_a_version_marks_what_its_event_changed(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, f"{SPRING_PAGE}?version=3")

    assert selected(text) == ["3"]
    assert "State at v3 compared with v2" in words(text)
    assert '- "discount_percent": null, + "discount_percent": 10, changed' in words(text)
    assert "discount_percent changed {" in words(text)
    assert "3 events folded." in words(text)


def test_the_event_beside_it_says_where_it_lies_and_who_wrote_it(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, f"{SPRING_PAGE}?version=2"))

    assert "Subject cim.events.sales.order.spring.item_added.v2" in text
    assert "Sequence 2 in CIM-EVENTS" in text
    assert "Written 1 May 09:00:20.000 by web (its claim)" in text
    assert "3 events here" in text


def test_a_time_before_the_first_event_says_that_there_was_nothing(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, f"{SPRING_PAGE}?at=2020-01-01"))

    assert "It did not exist yet" in text
    assert "Show v1" in text


def test_a_time_after_the_last_event_shows_the_newest_version_as_it_was_known_then(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, f"{SPRING_PAGE}?at=2999-01-01 10:00")

    assert selected(text) == ["6"]
    assert "State at v6 as known at 1 Jan 2999 10:00:00.000 UTC" in words(text)


def test_two_versions_compared_name_the_event_that_changed_each_field_last(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, f"{SPRING_PAGE}?diff=2..6"))

    assert "v2 compared with v6 5 fields differ" in text
    assert "discount_percent changed null 10 v3 discount_applied pricing · 1 May 09:00:40.000" in text
    assert 'status changed "draft" "submitted" v6 submitted web' in text
    assert "Events between: 4" in text


def test_a_version_compared_with_itself_says_to_choose_another(viewer: Visitor, stage: Home) -> None:
    assert "Both are the same version; choose another one" in words(page(viewer, f"{SPRING_PAGE}?diff=3..3"))


def test_a_snapshot_is_marked_listed_used_and_proved(auditor: Visitor, stage: Home) -> None:
    snapshot = stage.run(take_snapshot, SPRING, 4)

    text = words(page(auditor, f"{SPRING_PAGE}?version=6&prove=4"))

    assert "snapshot at v4" in text
    assert str(snapshot.state_cid) in text
    assert "From the snapshot at v4 and 2 events folded." in text
    assert "The snapshot at v4 is right. Folding 4 events anew gives the same state" in text


def test_a_proof_of_a_snapshot_that_is_not_there_says_so(auditor: Visitor, stage: Home) -> None:
    assert "The snapshot at v2 cannot be proved. There is no snapshot" in words(page(auditor, f"{SPRING_PAGE}?prove=2"))


def test_a_verdict_says_what_it_shows_and_what_it_does_not(auditor: Visitor, stage: Home) -> None:
    text = words(page(auditor, f"{SPRING_PAGE}?verify=1"))

    assert "The chain is intact 6 events read again" in text
    assert "The content of each of these events is exactly what its id names" in text
    assert "That nobody rewrote an event and everything after it" in text


def test_only_an_auditor_verifies(viewer: Visitor, stage: Home) -> None:
    assert "Needs the auditor role." in page(viewer, SPRING_PAGE)
    assert "auditor" in page(viewer, f"{SPRING_PAGE}?verify=1", status=403)


def test_a_type_that_nobody_declares_shows_its_events_and_names_the_setting(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, "/aggregates/hr.badge/b1/")

    assert versions(text) == ["1"]
    assert "No definition of hr.badge" in words(text)
    assert "CIM_DOMAINS" in words(text)
    assert "9007199254740993" in words(text)
    assert "<script>alert" not in text


def test_a_definition_that_fails_is_told_and_breaks_nothing_else(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, "/aggregates/shop.tin/t1/"))

    assert "The definition of Tin failed: KeyError: 'lid'. The events are unharmed; correct the domain package." in text
    assert "now holds coffee" in text
    assert "(its summary failed: KeyError: 'holds')" in text


def test_an_event_of_an_older_schema_is_marked_as_upcast(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, "/aggregates/shop.tin/t1/?version=2"))

    assert "upcast" in text
    assert "Schema 1, read as 2" in text
    assert '+ "label": "Earl Grey" added' in text


def test_a_foreign_aggregate_shows_its_messages_without_versions_or_chain(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, "/aggregates/shop.parcel/p1/")

    assert versions(text) == ["3", "2", "1"]
    assert "No state in a foreign layout" in words(text)
    assert '"n": 4' in words(text)
    assert "Verify" not in words(text)


def test_an_unknown_aggregate_is_a_page_that_helps(viewer: Visitor, stage: Home) -> None:
    text = words(page(viewer, "/aggregates/sales.order/nobody/", status=404))

    assert "CIM-EVENTS holds no event of sales.order.nobody." in text
    assert "All of sales.order" in text


def test_a_version_beyond_the_newest_leads_to_the_newest(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, f"{SPRING_PAGE}?version=99", status=404)

    assert "There is no v99 of sales.order.spring: its newest version is v6." in words(text)
    assert f'href="{SPRING_PAGE}">Show its newest version, v6' in text


def test_htmx_gets_only_the_notice_of_what_is_missing(viewer: Visitor, stage: Home) -> None:
    response = viewer.get(f"{SPRING_PAGE}?version=99", headers={"HX-Request": "true"})

    assert response.status_code == 404
    assert response.content.decode().startswith('<div class="notice"')


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("version=zero", "'zero' is no version"),
        ("at=tomorrow", "'tomorrow' is no version and no time"),
        ("diff=1-2", "'1-2' names no two versions"),
        ("stream=NOPE", "No layout describes the stream 'NOPE'"),
    ],
)
def test_a_mistyped_address_says_what_can_be_written(viewer: Visitor, stage: Home, query: str, sentence: str) -> None:
    assert sentence in words(page(viewer, f"{SPRING_PAGE}?{query}", status=400))


def test_an_id_outside_the_grammar_is_refused_and_shown_as_text(viewer: Visitor, stage: Home) -> None:
    text = page(viewer, "/aggregates/sales.order/<b>x<b>/", status=400)

    assert "<b>x<b>" not in text
    assert "cannot be used as an aggregate id" in words(text)


def test_looking_makes_no_consumer(viewer: Visitor, stage: Home) -> None:
    page(viewer, SPRING_PAGE)
    page(viewer, f"{SPRING_PAGE}?diff=1..6")

    assert stage.run(lambda store: list_consumers(store.connection, "CIM-EVENTS")) == []


def test_signed_out_people_are_asked_to_sign_in(visitor: Client, stage: Home) -> None:
    response = visitor.get(f"{SPRING_PAGE}?version=3")

    assert response.status_code == 302
    assert response.headers["Location"] == "/sign-in?next=/aggregates/sales.order/spring/%3Fversion%3D3"


def test_without_nats_the_page_says_that_nothing_is_lost(viewer: Visitor, settings: LazySettings) -> None:
    settings.CIM_HOME = {"url": "nats://127.0.0.1:9"}
    connection.stop()

    text = words(page(viewer, SPRING_PAGE, status=503))
    connection.stop()

    assert "NATS gives no answer" in text
    assert "Nothing is lost" in text
