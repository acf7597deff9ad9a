"""This module is the tests of the audit pages: what was verified, what was found in the demo's tampered stream, and who did what."""

from __future__ import annotations

import re

import pytest

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

TAMPERED = "/audit/CIM-DEMO-TAMPERED/"
VERIFY = "/runs/new/verify/review/?stream="


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker) -> None:
    """The console looks at the demo, and a worker is at it."""


@pytest.fixture
def verified(auditor: Visitor) -> None:
    """The tampered stream was verified to its end."""
    if "6 findings" not in read(auditor, TAMPERED):
        wait_for(auditor, start_run(auditor, f"{VERIFY}CIM-DEMO-TAMPERED"), "Receipt finished")
        wait_for(auditor, TAMPERED, "Findings 6 of 6")


def test_what_nobody_verified_says_so(auditor: Visitor) -> None:
    text = read(auditor, "/audit/CIM-CONSOLE/")

    assert "Not verified yet" in text


def test_a_viewer_sees_who_may_verify(viewer: Visitor) -> None:
    text = page(viewer, "/audit/")

    assert "Needs the auditor role." in text
    assert "/runs/new/verify/" not in text


@pytest.mark.usefixtures("verified")
@pytest.mark.parametrize(
    ("cause", "sequence", "explanation"),
    [
        ("Content changed", 11, "The content of sales.order.content-changed version 4 is not what its id names"),
        ("Link broken", 18, "Version 4 does not link to version 3 as it is stored at sequence 17."),
        ("Missing", 25, "sales.order.missing-version goes on at sequence 25 without version 4"),
        ("Version twice", 32, "Version 4 is stored twice: at sequence 31, and with other content at 32."),
        ("Misplaced", 39, "The content is whole, but this is not its place."),
        ("Not readable", 46, "cannot be read as an event."),
    ],
)
def test_each_of_the_six_faults_is_told_apart_and_linked(viewer: Visitor, cause: str, sequence: int, explanation: str) -> None:
    text = page(viewer, TAMPERED)
    text = text[text.index('id="findings-list"') :]
    row = next(row for row in re.findall(r"<tr>.*?</tr>", text, re.S) if f'href="/streams/CIM-DEMO-TAMPERED/{sequence}/"' in row)

    assert f">{cause}</span>" in row
    assert explanation in row
    assert "Expected" in row


@pytest.mark.usefixtures("verified")
def test_a_finding_leads_to_the_aggregate_in_its_stream(viewer: Visitor) -> None:
    assert 'href="/aggregates/sales.order/link-broken/?stream=CIM-DEMO-TAMPERED"' in page(viewer, TAMPERED)


@pytest.mark.usefixtures("verified")
def test_the_verdict_says_what_it_proves_and_what_it_does_not(viewer: Visitor) -> None:
    text = read(viewer, TAMPERED)

    assert "49 events were checked" in text
    assert "That the newest event of an aggregate is the real one: no later event links to it yet." in text


@pytest.mark.usefixtures("verified")
def test_the_strip_shows_what_holds_and_every_fault_in_its_place(viewer: Visitor) -> None:
    text = page(viewer, TAMPERED)

    assert re.findall(r'<rect data-state="(\w+)" data-mark', text) == [
        "content_changed",
        "link_broken",
        "missing",
        "duplicate_version",
        "misplaced",
        "undecodable",
    ]
    assert set(re.findall(r'<rect data-state="(\w+)" x=', text)) == {"intact"}
    assert 'aria-label="Verified to 49 of 49, 6 findings"' in text


@pytest.mark.usefixtures("verified")
def test_the_stream_with_findings_stands_first(viewer: Visitor) -> None:
    assert re.findall(r'<section id="audit-(CIM[\w-]+)"', page(viewer, "/audit/"))[0] == "CIM-DEMO-TAMPERED"


def test_an_intact_stream_is_marked_to_where_it_was_read(auditor: Visitor) -> None:
    wait_for(auditor, start_run(auditor, f"{VERIFY}CIM-EVENTS"), "Receipt finished")

    text = wait_for(auditor, "/audit/CIM-EVENTS/", "by auditor")
    assert "Intact" in text
    assert "Every message from sequence 1 to" in text
    assert "nothing came after it" in text


@pytest.mark.usefixtures("verified")
def test_the_trail_names_who_did_what_and_why(viewer: Visitor) -> None:
    text = wait_for(viewer, "/audit/", "requested auditor Verify CIM-DEMO-TAMPERED from sequence 1: because")

    assert "confirmed auditor" in text


def test_a_stream_without_chains_is_refused_with_those_that_have_some(viewer: Visitor) -> None:
    text = read(viewer, "/audit/CIM-COMMANDS/", 400)

    assert "No layout says that CIM-COMMANDS holds chains; those with chains are CIM-EVENTS" in text


@pytest.mark.usefixtures("verified")
def test_what_an_auditor_does_comes_before_the_long_tables(viewer: Visitor) -> None:
    text = page(viewer, TAMPERED)

    order = [
        text.index(f'id="{part}"') for part in ("break", "browser-proof", "judge", "findings-list", "proves", "checkpoints-title", "marks")
    ]
    assert order == sorted(order)
