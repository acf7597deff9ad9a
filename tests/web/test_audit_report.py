"""This module is the tests of the report on one stream: it says what the verdict says, and never more."""

from __future__ import annotations

import re

import pytest

from apps.persistence.log.published import ensure_checkpoints, publish_refusal
from apps.persistence.store import Store, ensure_home

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for

REPORT = "/audit/CIM-DEMO-TAMPERED/report"


def verdict(text: str) -> str:
    found = re.search(r'data-verdict="(\w+)"', text)
    assert found is not None
    return found[1]


async def refuse(store: Store, reason: str) -> None:
    await ensure_checkpoints(store.connection)
    await publish_refusal(store.connection, "CIM-EVENTS", reason)


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker) -> None:
    """The console looks at the demo, and a worker is at it."""


def test_a_stream_that_nobody_verified_is_not_said_to_be_intact(viewer: Visitor, home: Home) -> None:
    home.run(lambda store: ensure_home(store.connection))

    text = page(viewer, "/audit/CIM-CONSOLE/report")

    assert verdict(text) == "unknown"
    assert "Not verified" in text
    assert "Intact" not in text


def test_findings_and_limits_of_the_verdict_stand_on_the_sheet(viewer: Visitor, auditor: Visitor) -> None:
    wait_for(auditor, start_run(auditor, "/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED"), "Receipt finished")

    text = page(viewer, REPORT)

    assert verdict(text) == "broken"
    words = read(viewer, REPORT)
    assert "Not intact" in words
    assert "Findings 6 of 6" in words
    assert "11 Content changed sales.order.content-changed v4" in words
    assert "What it does not That" in words
    assert 'href="/audit/CIM-DEMO-TAMPERED/report"' in page(viewer, "/audit/CIM-DEMO-TAMPERED/")


def test_an_intact_stream_is_intact_to_where_it_was_read(viewer: Visitor, auditor: Visitor) -> None:
    wait_for(auditor, start_run(auditor, "/runs/new/verify/review/?stream=CIM-EVENTS"), "Receipt finished")

    text = page(viewer, "/audit/CIM-EVENTS/report")

    assert verdict(text) == "intact"
    assert re.search(r"Intact to sequence [\d,]+", text)
    assert "None are published." in text
    assert "None is published." in text


def test_a_stream_without_chains_has_no_report(viewer: Visitor) -> None:
    assert "holds chains" in read(viewer, "/audit/CIM-COMMANDS/report", 400)


def test_verification_of_everything_says_of_each_stream_only_its_own(viewer: Visitor, auditor: Visitor) -> None:
    wait_for(auditor, start_run(auditor, "/runs/new/verify/review/?scope=everything&full=on"), "Receipt finished")

    words = read(viewer, "/audit/CIM-EVENTS/report")

    assert "Intact: " in words
    assert "CIM-DEMO-TAMPERED" not in words


def test_stream_that_the_signer_refuses_is_nowhere_intact(auditor: Visitor, home: Home) -> None:
    wait_for(auditor, start_run(auditor, "/runs/new/verify/review/?stream=CIM-EVENTS&full=on"), "Receipt finished")
    before = read(auditor, "/audit/CIM-EVENTS/")
    home.run(refuse, "The first difference is at sequence 2.")
    text, index, report = read(auditor, "/audit/CIM-EVENTS/"), page(auditor, "/audit/"), read(auditor, "/audit/CIM-EVENTS/report")
    overview = read(auditor, "/")
    home.run(refuse, "")

    assert "Intact" in before
    assert "What was verified before no longer holds: the signer refuses it." in text
    assert "Contradicted" in text
    assert "Intact" not in text.split("Marks")[0].split("What was proved then")[0]
    assert index.index('id="audit-CIM-EVENTS"') < index.index('id="audit-CIM-CONSOLE"')
    assert "Contradicted" in report
    assert "Nothing wrong" not in report
    assert "Contradicted Log: the signer refuses it" in overview
