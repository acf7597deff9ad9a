"""This module is the tests of what pages say of a stream that goes on behind an archive, and of the way back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from apps.persistence.events import AggregateRef
from apps.persistence.snapshots import take
from apps.persistence.store import Store, read_batch
from apps.persistence.store.embedded import EmbeddedServer
from apps.registry import informed, registry

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

REVIEW = "/runs/new/archive/review/?stream=CIM-EVENTS&last=100&new_generation=on"
BACK = "/runs/new/roll-back-archive/review/?stream=CIM-EVENTS"
FILE = "CIM-EVENTS-1-100.archive.car"


@pytest.fixture
def allowing(demo_server: EmbeddedServer, home: Home, settings: LazySettings) -> Iterator[None]:
    """A console and a worker that let streams be changed."""
    settings.CIM_STREAM_CHANGES = True
    with Worker(demo_server, changes=True):
        yield


@pytest.mark.usefixtures("allowing")
def test_archived_events_leave_the_stream_and_pages_say_where_they_went(operator: Visitor, home: Home) -> None:
    order = home.run(first_order)
    home.run(take_snapshot, order)
    assert "snapshot at v1" in read(operator, order)
    wait_for(operator, REVIEW, "Events that leave")
    plan = read(operator, REVIEW)
    assert "CIM-EVENTS CIM-EVENTS-2" in plan
    assert "Only a person deletes it" in plan

    wait_for(operator, start_run(operator, REVIEW, typed="CIM-EVENTS"), "Receipt finished")

    timeline = wait_for(operator, order, "opened from the archive at version")
    assert FILE in timeline
    assert "Stands for v1–v" in timeline
    assert f'href="/files/{FILE}/download"' in page(operator, order)
    assert "snapshot at v" not in timeline
    assert "Of another generation" in timeline
    generations = wait_for(operator, "/evolution/", f"CIM-EVENTS, behind sequence 100, archived in {FILE}")
    assert "Switch back…" in generations

    wait_for(operator, start_run(operator, BACK), "Receipt finished")

    assert "opened from the archive" not in wait_for(operator, order, "created")


async def first_order(store: Store) -> str:
    """The address of the first order."""
    batch = await read_batch(store.connection, "CIM-EVENTS", from_sequence=1, limit=100)
    names = [message.subject.split(".") for message in batch.messages]
    entity = next(tokens[4] for tokens in names if tokens[3] == "order")
    return f"/aggregates/sales.order/{entity}/?version=1"


async def take_snapshot(store: Store, address: str) -> None:
    """Of the order at an address, at its first version."""
    definition = registry().aggregates["sales", "order"]
    await take(informed(store), definition, AggregateRef("sales", "order", address.split("/")[3]), by="olga", version=1)
