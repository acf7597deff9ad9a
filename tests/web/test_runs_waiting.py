"""This module is the tests of asking for runs while no worker lives, and of what is heard when one comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from apps import connection
from apps.persistence.store import Store, ensure_home
from apps.persistence.store.embedded import EmbeddedServer
from apps.runs import asking
from tests.persistence.engine_stage import append_events

from .api_stage import program_of
from .conftest import Home, Visitor, home_settings
from .working_console import Worker, page, read, start_run, wait_for

VERIFY = "/runs/new/verify/review/?stream=CIM-EVENTS"


@pytest.fixture(autouse=True)
def alone(own_nats_server: EmbeddedServer, settings: LazySettings) -> Iterator[Home]:
    """The console looks at the server of this test, which holds the console's streams and one event."""
    settings.CIM_HOME = home_settings(own_nats_server)
    connection.stop()
    home = Home(own_nats_server)
    home.run(make_streams)
    yield home
    connection.stop()


async def make_streams(store: Store) -> None:
    await ensure_home(store.connection)
    await append_events(store, 1)


async def make_events_anew(store: Store) -> None:
    await store.connection.api("STREAM.DELETE.CIM-EVENTS", stream="CIM-EVENTS")
    await make_streams(store)


def test_before_the_first_run_the_list_says_how_to_start_one(viewer: Visitor) -> None:
    text = read(viewer, "/runs/")

    assert "No run yet" in text
    assert "No worker is alive." in text


def test_a_request_waits_for_a_worker_and_says_that_none_lives(auditor: Visitor) -> None:
    run = start_run(auditor, VERIFY)

    text = read(auditor, run)
    assert "Waiting for a worker" in text
    assert "no worker is alive. Start one with python3 manage.py worker" in text


def test_requests_that_no_worker_has_taken_up_are_counted_and_linked_in_the_list(auditor: Visitor) -> None:
    runs = [start_run(auditor, VERIFY) for _ in range(2)]

    assert "No worker is alive." in read(auditor, "/runs/")
    assert "2 requests wait in the queue: " in read(auditor, "/runs/")
    assert all(f'href="{run}"' in page(auditor, "/runs/") for run in runs)
    assert "2 requests wait in the queue, this one among them." in read(auditor, runs[0])


def test_request_by_the_api_waits_too_and_says_so(auditor: Visitor, own_nats_server: EmbeddedServer) -> None:
    program = program_of(auditor)

    plan = program.plan("verify", stream="CIM-EVENTS")["plan"]
    started = program.post("/operations/verify/confirm", plan=plan, reason="because").body

    assert (started["workers_alive"], started["requests_waiting"]) == (0, 1)
    assert program.get(f"/runs/{started['run']}").body["state"] == "waiting"
    assert program.get("/runs").body["requests_waiting"] == 1
    paused = program.post(f"/runs/{started['run']}/pause")
    assert (paused.status, paused.body["type"]) == (409, "/api/v1/problems/not-in-this-state")
    with Worker(own_nats_server):
        program.wait_for(started["run"], "finished")


def test_a_worker_that_comes_takes_up_what_waited(auditor: Visitor, own_nats_server: EmbeddedServer) -> None:
    run = start_run(auditor, VERIFY)

    with Worker(own_nats_server):
        wait_for(auditor, run, "Receipt finished")


def test_what_a_worker_refuses_later_is_told_on_the_page_of_the_run(auditor: Visitor, alone: Home, own_nats_server: EmbeddedServer) -> None:
    run = start_run(auditor, VERIFY)

    alone.run(make_events_anew)
    with Worker(own_nats_server):
        text = wait_for(auditor, run, "Rejected.")

    assert "The plan no longer holds: created was" in text
    assert "Nothing was done." in text


def test_refusal_is_read_by_a_process_that_never_heard_it_and_in_the_trail(
    auditor: Visitor, alone: Home, own_nats_server: EmbeddedServer
) -> None:
    run = start_run(auditor, VERIFY)
    alone.run(make_events_anew)
    with Worker(own_nats_server):
        wait_for(auditor, run, "Rejected.")

    asking._refused.clear()

    assert "The plan no longer holds: created was" in read(auditor, run)
    assert "verify was refused: The plan no longer holds: created was" in read(auditor, "/audit/")
