"""This module is the tests of the operator trail: every deed with its result, those without one included, filtered and in pages."""

from __future__ import annotations

import re

import pytest

from apps.audit import trail
from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.store import CONSOLE, Store, append
from apps.persistence.work.run import run_ref

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

TRAIL = "/audit/trail/"
REQUESTED = {
    "operation": "verify",
    "parameters": {"stream": "CIM-EVENTS"},
    "target": "stream/CIM-NOWHERE",
    "summary": "Verify CIM-NOWHERE",
    "reason": "asked by nobody",
    "digest": "",
    "saw": {},
}


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker) -> None:
    """The console looks at the demo, and a worker is at it."""


@pytest.fixture
def verified(auditor: Visitor) -> None:
    """A verification was asked for, and has ended."""
    if "from sequence 1: because" not in read(auditor, TRAIL):
        wait_for(auditor, start_run(auditor, "/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED"), "Receipt finished")


async def ask_without_end(store: Store) -> None:
    """A run that was asked for and that no worker ever takes up, as its work item never came."""
    asked = NewEvent(type="requested", payload=dict(REQUESTED), actor="mallory")
    await append(store.on(CONSOLE), Head(aggregate=run_ref(new_id())), [asked])


async def note_access(store: Store, count: int) -> None:
    for number in range(count):
        name = f"person-{number}"
        added = NewEvent(type="added", payload={"person": name, "at": "2026-11-21T10:00:00Z", "role": "viewer"}, actor="root")
        await append(store.on(CONSOLE), Head(aggregate=AggregateRef("console", "account", f"{name}-{new_id()[:8]}")), [added])


@pytest.mark.usefixtures("verified")
def test_a_run_is_one_deed_with_who_why_and_what_came_of_it(viewer: Visitor) -> None:
    text = read(viewer, TRAIL)

    assert re.search(r"Verify chains \d+ Finished auditor Verify CIM-DEMO-TAMPERED from sequence 1: because", text)
    assert "6 findings in 49 events" in text


def test_an_intent_without_a_result_is_unfinished(viewer: Visitor, home: Home) -> None:
    home.run(ask_without_end)

    text = read(viewer, f"{TRAIL}?result=unfinished")

    assert "Unfinished requested mallory Verify CIM-NOWHERE: asked by nobody" in text
    assert "mallory" not in read(viewer, f"{TRAIL}?result=finished")


@pytest.mark.usefixtures("verified")
def test_the_filters_say_what_was_looked_at(viewer: Visitor) -> None:
    assert "because" in read(viewer, f"{TRAIL}?operation=verify&person=auditor&since=2 hours ago")
    assert "No deed for this filter" in read(viewer, f"{TRAIL}?person=somebody-else")
    assert "events were looked at" in read(viewer, f"{TRAIL}?until=2001-01-01")


@pytest.mark.parametrize(
    ("query", "reason"), [("result=done", "there are unfinished"), ("since=soonish", "is neither"), ("before=x", "is no sequence")]
)
def test_a_filter_that_is_none_is_refused_with_what_there_is(viewer: Visitor, query: str, reason: str) -> None:
    assert reason in read(viewer, f"{TRAIL}?{query}", 400)


def test_pages_hold_every_deed_once(viewer: Visitor, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.run(note_access, 12)
    monkeypatch.setattr(trail, "PAGE", 5)
    monkeypatch.setattr(trail, "AT_ONCE", 7)
    met: list[str] = []
    address = f"{TRAIL}?operation=account"

    while address:
        text = page(viewer, address)
        met += re.findall(r'aria-label="Event ([\d,]+) of CIM-CONSOLE"', text)
        older = re.search(r'rel="prev" href="(\?[^"]+)"', text)
        address = f"{TRAIL}{older[1].replace('&amp;', '&')}" if older else ""

    assert len(met) == len(set(met)) == 12


def test_the_trail_has_its_own_proof(viewer: Visitor) -> None:
    assert "Proof of CIM-CONSOLE" in read(viewer, "/audit/CIM-CONSOLE/")
    assert 'href="/audit/CIM-CONSOLE/"' in page(viewer, TRAIL)
    assert 'href="/audit/trail/"' in page(viewer, "/audit/")
