"""This module is the tests of the evolution pages on a real server: schemas and their upcasters, migrations to and fro, generations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client

from apps import connection
from apps.evolution.board import read_board
from apps.evolution.event_types import EventKind, Reading, event_kinds
from apps.evolution.live import board_frames
from apps.live.frames import Fragment
from apps.persistence.events import AggregateRef, Head, NewEvent, Upcaster, Upcasters
from apps.persistence.events import now as moment
from apps.persistence.projections.builtin import EventTypeCount
from apps.persistence.store import EVENTS, Store, append
from apps.persistence.store.embedded import EmbeddedServer
from apps.registry import informed

from .conftest import Home, Visitor, home_settings
from .working_console import Worker, page, read, start_run, wait_for, words

FORWARD = "/runs/new/migrate/review/?migration=example.write-newest-schemas"
BACK = f"{FORWARD}&direction=back"


# -- how a schema is read ---------------------------------------------------------------------------------------------------------------


def kind_of(stored: list[int], steps: list[int]) -> EventKind:
    """An event type with one event in each of these schemas, and upcasters from those."""
    counts = [
        EventTypeCount(
            context="shop",
            aggregate="basket",
            type="added",
            schema=schema,
            events=1,
            first_sequence=schema,
            first_time=moment(),
            last_sequence=schema,
            last_time=moment(),
        )
        for schema in stored
    ]
    chain = [Upcaster(context="shop", aggregate="basket", type="added", from_schema=one, apply=lambda payload: payload) for one in steps]
    (kind,) = event_kinds(counts, Upcasters(chain), EVENTS)
    return kind


@pytest.mark.parametrize(
    ("stored", "steps", "readings"),
    [
        ([1], [], [Reading.NEWEST]),
        ([1, 2], [1], [Reading.UPCAST, Reading.NEWEST]),
        ([1], [1], [Reading.UPCAST, Reading.NEWEST]),
        ([1, 2, 3], [2], [Reading.STRANDED, Reading.UPCAST, Reading.NEWEST]),
        ([1, 2], [], [Reading.STRANDED, Reading.NEWEST]),
        ([1, 4], [1], [Reading.UPCAST, Reading.NEWEST, Reading.AHEAD]),
    ],
)
def test_each_schema_says_how_it_is_read(stored: list[int], steps: list[int], readings: list[Reading]) -> None:
    assert [schema.reading for schema in kind_of(stored, steps).schemas] == readings


def test_only_what_is_stored_can_be_unreadable() -> None:
    kind = kind_of([1, 3], [2])

    assert [(schema.number, schema.is_unreadable) for schema in kind.schemas] == [(1, True), (2, False), (3, False)]


# -- nothing, nobody, no server -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_home(own_nats_server: EmbeddedServer, settings: LazySettings) -> Iterator[None]:
    """A console whose server holds nothing."""
    settings.CIM_HOME = home_settings(own_nats_server)
    settings.CIM_DOMAINS = []
    connection.stop()
    yield
    connection.stop()


@pytest.mark.usefixtures("empty_home")
def test_a_console_without_anything_says_how_each_part_comes_to_be(viewer: Visitor) -> None:
    text = read(viewer, "/evolution/")

    assert "the projection event-types never ran. Start a worker" in text
    assert "No upcaster is declared" in text
    assert "No migration is declared" in text
    assert "CIM-EVENTS The server has no such stream." in text


def test_without_the_server_the_page_says_so(own_nats_server: EmbeddedServer, settings: LazySettings, viewer: Visitor) -> None:
    settings.CIM_HOME = home_settings(own_nats_server)
    own_nats_server.stop()
    connection.stop()

    text = words(viewer.get("/evolution/").content.decode())

    assert viewer.get("/evolution/").status_code == 503
    assert "NATS" in text
    connection.stop()


def test_a_person_without_a_role_may_not_look(home: Home, db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("nobody"))

    assert client.get("/evolution/").status_code == 403
    assert client.get("/evolution/sales.order.cancelled/").status_code == 403


# -- the demo -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(home: Home, worker: Worker, viewer: Visitor) -> None:
    """The demo's event types are counted."""
    wait_for(viewer, "/evolution/", "sales.order.cancelled")


@pytest.mark.usefixtures("counted")
def test_the_old_schema_of_the_demo_is_read_by_its_upcaster(viewer: Visitor) -> None:
    text = wait_for(viewer, "/evolution/", "sales.order.cancelled 1 Upcast to 2 1")

    assert "sales.order.cancelled 2 Newest none" in text
    assert "Schema 1 1 event Upcast to 2 An upcaster leads to schema 2. Before there was self-service" in text


@pytest.mark.usefixtures("counted")
def test_an_event_type_leads_to_its_events_and_to_the_first_of_each_schema(viewer: Visitor) -> None:
    text = page(viewer, "/evolution/sales.order.cancelled/")
    first = re.findall(r'href="(/streams/CIM-EVENTS/\d+/)"', text)[0]

    assert 'href="/streams/CIM-EVENTS/?subject=cim.events.sales.order.%2A.cancelled.%2A"' in text
    assert "cancelled" in read(viewer, first)


@pytest.mark.usefixtures("counted")
def test_the_page_of_an_old_event_shows_it_as_stored_and_as_read(viewer: Visitor) -> None:
    (first, *_) = re.findall(r'href="(/streams/CIM-EVENTS/\d+/)"', page(viewer, "/evolution/sales.order.cancelled/"))

    stored, _, as_read = read(viewer, first).partition("Read as schema 2")

    assert "schema 1" in stored
    assert '"customer"' in as_read
    assert "the stored bytes stay as they are" in as_read


@pytest.mark.usefixtures("counted")
def test_an_event_type_that_there_is_not_is_not_found(viewer: Visitor) -> None:
    assert "No event of the type 'sales.order.nope' is stored" in read(viewer, "/evolution/sales.order.nope/", 404)


@pytest.mark.usefixtures("counted")
def test_a_viewer_sees_the_acts_with_the_role_they_need(viewer: Visitor) -> None:
    text = page(viewer, "/evolution/")

    assert "Needs the operator role." in text
    assert "/runs/new/migrate/" not in text


@pytest.mark.usefixtures("counted")
def test_fragments_are_made_for_a_role_with_its_buttons(home: Home) -> None:
    async def step(store: Store, role: str) -> str:
        found = await asyncio.to_thread(board_frames, await read_board(informed(store)), role=role)
        return next(frame.html for frame in found if isinstance(frame, Fragment) and frame.id == "step-example.write-newest-schemas")

    assert "Needs the operator role." in home.run(step, "viewer")
    assert f'href="{FORWARD}#try"' in home.run(step, "operator")


@pytest.mark.usefixtures("counted")
def test_events_that_nobody_can_upcast_are_named_above_all(home: Home, viewer: Visitor) -> None:
    async def write(store: Store) -> None:
        cancelled = NewEvent(type="cancelled", schema=7, payload={"customer": "c-1", "reason": "?", "by": "staff"})
        await append(store, Head(aggregate=AggregateRef("sales", "order", "from-tomorrow")), [cancelled])

    home.run(write)

    text = wait_for(viewer, "/evolution/", "1 event of sales.order.cancelled in schema 7 is newer than this console's code")
    assert "sales.order.cancelled 7 Newer than the code 1" in text
    links = re.findall(r'href="(/streams/CIM-EVENTS/\d+/)"', page(viewer, "/evolution/sales.order.cancelled/"))
    note = "Schema 7 is newer than this console's code, which ends at schema 2; it is shown as it is stored."
    assert any(note in read(viewer, link) for link in links)


@pytest.mark.usefixtures("counted")
def test_a_flag_says_how_it_stands_and_is_switched(operator: Visitor) -> None:
    before = wait_for(operator, "/evolution/", "who-cancelled")

    run = start_run(operator, "/runs/new/switch-flag/review/?flag=who-cancelled&reading=on&writing=50")

    wait_for(operator, run, "Receipt finished")
    assert "who-cancelled read as schema 2 schema 2 written by all aggregates" in before
    assert "schema 2 written by 50 % of aggregates" in wait_for(operator, "/evolution/", "50 %")


@pytest.mark.usefixtures("counted")
def test_a_migration_goes_there_and_back_and_the_page_tells_of_it(operator: Visitor) -> None:
    assert "Pending 1.0 → 1.1 never" in wait_for(operator, "/evolution/", "Pending")
    wait_for(operator, start_run(operator, "/runs/new/pause/review/?projection=event-types"), "Receipt finished")
    there = start_run(operator, FORWARD)
    wait_for(operator, there, "Receipt finished")

    text = wait_for(operator, "/evolution/", "Order example: schema 1.1")
    assert "Applied 1.0 → 1.1 Applied" in text
    assert "CIM-EVENTS-2 Serves" in text
    check_stream_of_generation_2(operator)
    assert "CIM-EVENTS, by write-newest-schemas" in text
    assert re.search(r"CIM-EVENTS Closed, kept [\d,]+ the first, as written", text)
    assert "The counts stand still" in text
    assert re.search(r"Events [\d,]+ in 3 streams with chains, besides 1 closed generation", read(operator, "/"))
    assert "The counts are those of CIM-EVENTS. CIM-EVENTS-2 serves now" in text
    html = page(operator, "/evolution/")
    assert html.count(f'href="{BACK.replace("&", "&amp;")}"') == 2
    assert f'href="{there}"' in html

    wait_for(operator, start_run(operator, "/runs/new/resume/review/?projection=event-types"), "Receipt finished")
    assert "CIM-EVENTS-2, counted up to" in wait_for(operator, "/evolution/", "of CIM-EVENTS-2, counted")
    assert "for events from before the migration that is the time of the copy" in read(operator, "/evolution/")
    assert re.search(r"Generation cim\.generation 1 .*?Of migrations", wait_for(operator, "/aggregates/", "cim.generation"))
    wait_for(operator, start_run(operator, BACK), "Receipt finished")
    text = wait_for(operator, "/evolution/", "Order example: schema 1.0")
    assert "Rolled back 1.0 → 1.1 Rolled back" in text
    assert "Carry out…" in text
    assert "CIM-EVENTS-2 Closed, kept" in text


def check_stream_of_generation_2(operator: Visitor) -> None:
    """Its events are read as events, and its chains can be verified and archived."""
    html = page(operator, "/streams/CIM-EVENTS-2/")
    assert "Chain" in words(html)
    assert "Linked" in html
    assert "sales.order" in words(html)
    assert "verify/?stream=CIM-EVENTS-2" in html
    event = read(operator, "/streams/CIM-EVENTS-2/2/")
    assert "Not chained" not in event
    assert "No layout with versions" not in event
