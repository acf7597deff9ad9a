"""This module is the tests of the pages of observed connections, against two real servers: home, which is empty, and prod."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client

from apps.persistence.store.embedded import EmbeddedServer

from .conftest import Home, Visitor, home_settings
from .observed_stage import NOBODY_THERE, observe, prod, prod_server, server_without_jetstream

__all__ = ["prod", "prod_server"]

PAGES = (
    "/at/prod/streams/",
    "/at/prod/streams/PARCELS/?show=2",
    "/at/prod/streams/PARCELS/?subject=parcels.sent",
    "/at/prod/streams/PARCELS/?subject=parcels.nothing",
    "/at/prod/streams/PARCELS/subjects/",
    "/at/prod/streams/PARCELS/consumers/",
    "/at/prod/streams/PARCELS/configuration/",
    "/at/prod/streams/PARCELS/2/",
    "/at/prod/streams/PARCELS/2/raw/",
    "/at/prod/streams/CIM-EVENTS/",
    "/at/prod/streams/CIM-EVENTS/3/chain/",
    "/at/prod/streams/CIM-EVENTS/3/lineage/",
)


def main_of(answer: HttpResponse) -> str:
    """What stands in the page itself, without the top bar, whose menu leads to every connection."""
    return answer.content.decode().partition("<main")[2]


@pytest.mark.usefixtures("prod")
def test_the_streams_of_an_observed_connection_are_listed_below_its_name(viewer: Visitor) -> None:
    there, here = main_of(viewer.get("/at/prod/streams/")), main_of(viewer.get("/streams/"))

    assert 'href="/at/prod/streams/PARCELS/"' in there
    assert "PARCELS" not in here


@pytest.mark.usefixtures("prod")
@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_an_observed_connection_stays_there(viewer: Visitor, path: str) -> None:
    answer = viewer.get(path)

    assert answer.status_code == 200
    assert re.findall(r'href="/(?:streams|audit|aggregates|runs)/[^"]*"', main_of(answer)) == []


@pytest.mark.usefixtures("prod")
def test_an_event_that_is_missing_there_leads_to_those_beside_it(viewer: Visitor) -> None:
    answer = viewer.get("/at/prod/streams/PARCELS/9/")

    assert answer.status_code == 404
    assert 'href="/at/prod/streams/PARCELS/3/"' in main_of(answer)


@pytest.mark.usefixtures("prod")
def test_a_block_is_downloaded_from_the_connection_of_its_page(viewer: Visitor) -> None:
    assert viewer.get("/at/prod/streams/PARCELS/1/block").content == b'{"weight": 12}'


@pytest.mark.usefixtures("prod")
def test_events_there_are_marked_by_their_own_bytes(viewer: Visitor) -> None:
    page = main_of(viewer.get("/at/prod/streams/CIM-EVENTS/"))

    assert page.count(">Linked<") == 3
    assert "Verify" not in page


def test_commands_name_the_server_of_an_observed_connection(viewer: Visitor, prod: EmbeddedServer) -> None:
    page = main_of(viewer.get("/at/prod/streams/PARCELS/consumers/"))

    assert f"nats --server {prod.url} consumer report PARCELS" in page


@pytest.mark.usefixtures("prod")
def test_a_connection_that_is_not_configured_is_not_found_and_the_known_ones_are_named(viewer: Visitor) -> None:
    answer = viewer.get("/at/berlin/streams/")

    assert answer.status_code == 404
    assert "There is no connection &#x27;berlin&#x27;; there are home, prod." in main_of(answer)


@pytest.mark.usefixtures("prod")
def test_somebody_signed_out_learns_nothing_of_connections(visitor: Client) -> None:
    answer = visitor.get("/at/berlin/streams/")

    assert answer.status_code == 302
    assert answer.url.startswith("/sign-in")


@pytest.mark.usefixtures("prod")
def test_the_search_of_an_observed_connection_looks_there(viewer: Visitor) -> None:
    assert viewer.get("/at/prod/search?q=PARCELS").url == "/at/prod/streams/PARCELS/"
    assert viewer.get("/search?q=PARCELS").status_code == 404


@pytest.mark.usefixtures("prod")
def test_a_sequence_typed_on_a_page_there_is_one_of_its_stream(viewer: Visitor) -> None:
    referer = "http://testserver/at/prod/streams/PARCELS/"

    answer = viewer.get("/at/prod/search?q=2", headers={"Referer": referer})

    assert answer.url == "/at/prod/streams/PARCELS/2/"


@pytest.mark.usefixtures("prod")
def test_an_aggregate_that_is_found_there_is_shown_by_its_events(viewer: Visitor) -> None:
    answer = viewer.get("/at/prod/search?q=sales.order.o1")

    assert answer.url == "/at/prod/streams/CIM-EVENTS/?subject=cim.events.sales.order.o1.%3E"


@pytest.mark.usefixtures("prod")
def test_the_switch_lists_every_connection_and_marks_the_one_that_is_looked_at(viewer: Visitor) -> None:
    menu = viewer.get("/at/prod/streams/").content.decode().partition('id="connection-menu"')[2].partition("</details>")[0]

    assert re.findall(r'<li(?: aria-current="(true)")?>.*?href="([^"]*)"', menu, re.DOTALL) == [
        ("", "/streams/"),
        ("true", "/at/prod/streams/"),
    ]
    assert "nats-server 2." in menu


def test_an_observed_server_that_is_away_says_so_and_leaves_home_alone(viewer: Visitor, home: Home, settings: LazySettings) -> None:
    observe(settings, prod=NOBODY_THERE)

    away, here = viewer.get("/at/prod/streams/"), viewer.get("/streams/")

    assert away.status_code == 503
    assert "nats://127.0.0.1:9" in main_of(away)
    assert "data-live-topics" in away.content.decode()
    assert here.status_code == 200


def test_a_wrong_password_is_said_on_the_pages_of_that_connection(
    viewer: Visitor, home: Home, prod_server: EmbeddedServer, settings: LazySettings
) -> None:
    observe(settings, prod=home_settings(prod_server) | {"password": "guessed"})

    answer = viewer.get("/at/prod/streams/PARCELS/")

    assert answer.status_code == 503
    assert "NATS refuses to let the console in" in main_of(answer)
    assert viewer.get("/streams/").status_code == 200


def test_a_server_without_jetstream_is_said_to_be_one(viewer: Visitor, home: Home, tmp_path: Path, settings: LazySettings) -> None:
    with server_without_jetstream(tmp_path) as url:
        observe(settings, plain={"url": url})

        answer = viewer.get("/at/plain/streams/")

    assert answer.status_code == 503
    assert "There is no JetStream" in main_of(answer)


def test_a_file_that_is_missing_is_named_on_the_pages_of_that_connection(viewer: Visitor, home: Home, settings: LazySettings) -> None:
    observe(settings, prod={"url": "nats://127.0.0.1:4222", "credentials_file": "/nowhere/prod.creds"})

    answer = viewer.get("/at/prod/streams/")

    assert answer.status_code == 503
    assert "/nowhere/prod.creds" in main_of(answer)
