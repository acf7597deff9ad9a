"""This module is the tests of the overview: four questions, the gravest answer first, each with what leads further."""

from __future__ import annotations

import re

import pytest

from .conftest import Home, Visitor
from .working_console import FAILED_AT, Worker, page, read, start_run, wait_for

CARD = re.compile(r'<section id="overview-(\w+)"')


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker, viewer: Visitor) -> None:
    """The projections have run, and the audit has met the discount that stops it."""
    wait_for(viewer, "/", f"Failed at {FAILED_AT}")


def test_the_gravest_answer_comes_first(viewer: Visitor) -> None:
    assert CARD.findall(page(viewer, "/"))[0] == "behind"


def test_all_four_questions_are_answered(viewer: Visitor) -> None:
    assert sorted(CARD.findall(page(viewer, "/"))) == ["behind", "chains", "durable", "running"]


def test_the_workers_that_live_are_counted_and_named(viewer: Visitor) -> None:
    text = wait_for(viewer, "/", "no runs, 1 worker")

    assert re.search(r"[\w.-]+-\d+ , since \d\d:\d\d:\d\d", text)


def test_totals_have_their_units(viewer: Visitor) -> None:
    text = wait_for(viewer, "/", "of 3 types")

    assert re.search(r"Events [\d,]+ in 3 streams with chains", text)
    assert re.search(r"Events in [\d.,]+/(s|min|h) over the last minute", text)
    assert re.search(r"Stored [\d.]+ (KB|MB)", text)


def test_whether_what_is_acknowledged_survives_is_never_guessed(viewer: Visitor) -> None:
    text = read(viewer, "/")

    assert "Not known whether an acknowledged event survives a power failure" in text
    assert "none is missing on this server" in text


def test_chains_are_not_called_intact_before_they_were_verified(viewer: Visitor) -> None:
    assert "CIM-CONSOLE Not verified yet" in read(viewer, "/")


def test_a_broken_chain_leads_to_its_first_fault(auditor: Visitor) -> None:
    wait_for(auditor, start_run(auditor, "/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED"), "Receipt finished")

    text = page(auditor, "/")
    assert 'href="/streams/CIM-DEMO-TAMPERED/11/"' in text
    assert "1 stream with findings" in text


def test_what_runs_and_ran_is_linked(auditor: Visitor) -> None:
    run = start_run(auditor, "/runs/new/verify/review/?stream=CIM-EVENTS")
    wait_for(auditor, run, "Receipt finished")

    wait_for(auditor, "/", "Verify CIM-EVENTS from sequence 1 Finished")
    assert f'href="{run}"' in page(auditor, "/")
