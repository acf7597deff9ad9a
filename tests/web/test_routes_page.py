"""This module is the tests of the routes page on a real server: routers as they stand, and its two questions."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Store, append, ensure_home
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Home, Visitor
from .working_console import Worker, page, read, wait_for

DOMAINS = ("apps.domain", "tests.web.routes_domain")
TIN = AggregateRef("shop", "tin", "t-1")
FILLED = "cim.events.shop.tin.t-1.filled.v1"


async def write_tin(store: Store) -> None:
    await ensure_home(store.connection)
    await append(store, Head(aggregate=TIN), [NewEvent(type="filled", payload={"with": "<b>beans"}), NewEvent(type="dented")])


@pytest.fixture(scope="module")
def routing_worker(home_server: EmbeddedServer) -> Iterator[None]:
    Home(home_server).run(write_tin)
    with Worker(home_server, DOMAINS):
        yield


@pytest.fixture
def routed(home: Home, routing_worker: None, settings: LazySettings, viewer: Visitor) -> Visitor:
    """A viewer of a console whose bridge stands at an event that it has no mapping for."""
    settings.CIM_DOMAINS = list(DOMAINS)
    wait_for(viewer, "/routes/", "shop-to-press stands still")
    return viewer


def asked(client: Client, query: str, status: int = 200) -> str:
    return read(client, f"/routes/?{query}", status)


def test_page_shows_each_route_with_its_figures_and_what_holds_a_bridge(routed: Visitor) -> None:
    text = wait_for(routed, "/routes/", "urgent shop.*.filled.* note 1 0")

    assert "shop-to-press stands still since" in text
    assert "at sequence 2, tried" in text
    assert "No mapping from shop to press covers event type dented; declare it" in text
    assert "shop to press: every event shop.*.*.* tin → parcel, filled → announced 1 " in text
    assert "Orders in other contexts" in text
    assert "usual shop.tin.> note 1 0" in text


def test_operator_may_skip_the_event_and_a_viewer_sees_what_it_needs(routed: Visitor, operator: Visitor) -> None:
    link = "/runs/new/skip-routed/?router=shop-to-press&amp;sequence=2"

    assert link in page(operator, "/routes/")
    assert link not in page(routed, "/routes/")
    assert "Needs the operator role." in read(routed, "/routes/")


def test_overview_names_the_router_that_stands_still(routed: Visitor) -> None:
    assert "shop-to-press Stands at 2" in read(routed, "/")


def test_stored_event_says_which_route_it_takes_and_what_it_becomes(routed: Visitor) -> None:
    text = asked(routed, f"takes={FILLED}")

    assert "routes see it as shop.tin.filled.v1 ; it is stored" in text
    assert "Stream CIM-EVENTS cim.events.> Yes" in text
    assert "it becomes press.parcel.announced.v1, {'with': '<b>beans'}" in text
    assert "Route of by-priority urgent shop.*.filled.* Yes of all routes that match, the one of the highest priority is taken" in text
    assert "Route of by-priority usual shop.tin.> No it matches, but one of a higher priority" in text
    assert "token 1 is shop, and the pattern wants sales" in text
    assert "Projection event-index" in text
    assert "Consumer of CIM-EVENTS cim-route-shop-to-press" in text


def test_short_form_without_a_mapping_says_that_the_bridge_will_stand_still(routed: Visitor) -> None:
    text = asked(routed, "takes=shop.tin.dented.v1")

    assert "the bridge will stand still there: No mapping from shop to press covers event type dented" in text


def test_command_says_who_carries_it_out_and_a_subject_that_nobody_takes_says_so(routed: Visitor) -> None:
    assert "Commands sales.order cim.commands.sales.order.*.* Yes" in asked(routed, "takes=cim.commands.sales.order.o-1.submit")
    assert "no domain handles commands for this type" in asked(routed, "takes=cim.commands.shop.jar.j-1.open")
    assert "Nothing takes it" in asked(routed, "takes=nobody.home")
    assert "It says no version" in asked(routed, "takes=nobody.home")
    assert "It says no version" not in asked(routed, "takes=shop.tin.dented.v1")


def test_permissions_are_those_that_the_server_told_and_that_domains_declare(routed: Visitor) -> None:
    text = asked(routed, "act=publish&may=cim.commands.shop.tin.t-1.fill")

    assert "web (CIM) Yes cim.commands.> allows it deny-wins the server, asked just now" in text
    assert "worker (CIM) Yes > allows it deny-wins the server, as a worker was told" in text
    assert "till No cim.commands.shop.> denies it most-specific-wins would allow it: cim.commands.shop.tin.> allows it" in text
    assert "desk Yes cim.commands.shop.> allows it most-specific-wins declared by a domain" in text


def test_console_itself_may_not_write_events(routed: Visitor) -> None:
    text = asked(routed, f"act=publish&may={FILLED}")

    assert "web (CIM) No no pattern speaks of it, and what is not allowed is denied" in text


def test_pattern_can_be_subscribed_to_but_not_published(routed: Visitor) -> None:
    assert "web (CIM) Yes cim.> allows it" in asked(routed, f"act=subscribe&may={quote('cim.events.>')}")
    assert "is a pattern, not a subject" in asked(routed, f"act=publish&may={quote('cim.events.>')}", 400)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("a..b", "it is empty or has an empty token"),
        ("a b", "it holds white space or a control character"),
        ("a.\x00", "it holds white space or a control character"),
        ("a.*", "it holds a wildcard"),
        ("x" * 1500, "A subject of 1,500 characters is too long"),
        ("<script>alert(1)</script>", "Nothing takes it"),
    ],
)
def test_wrong_and_hostile_subjects_get_a_clear_word(routed: Visitor, subject: str, words: str) -> None:
    response = routed.get("/routes/", {"takes": subject})

    text = response.content.decode()
    assert words in text
    assert "<script>alert" not in text


def test_act_that_there_is_not_is_refused(routed: Visitor) -> None:
    assert "ask for publish or subscribe" in asked(routed, "act=eat&may=a.b", 400)


def test_without_a_router_the_page_says_how_one_comes_to_be(home: Home, settings: LazySettings, viewer: Visitor) -> None:
    settings.CIM_DOMAINS = []

    assert "No router is declared" in read(viewer, "/routes/")


def test_person_without_a_role_may_not_look(home: Home, db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("nobody"))

    assert client.get("/routes/").status_code == 403
