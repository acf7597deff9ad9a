"""This module is the tests of what a run found wrong: said in its receipt, listed with links, taken away as JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from apps.domain.orders import ORDER
from apps.persistence.events import AggregateRef
from apps.persistence.snapshots import SNAPSHOTS_BUCKET, take
from apps.persistence.snapshots.removal import drop_snapshots
from apps.persistence.store import Store, kv_put
from apps.runs.findings import to_csv
from apps.runs.live import fragments
from apps.runs.page import read_run_page

from .conftest import Home, Visitor
from .working_console import Worker, page, read, start_run, wait_for, words

CLEARANCE = AggregateRef("sales", "order", "clearance-order")
PROVE = f"/runs/new/prove-snapshots/review/?scope=aggregate&aggregate={CLEARANCE}"


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker) -> None:
    """The console looks at the demo, and a worker is at it."""


async def forge(store: Store) -> None:
    """A snapshot that says the order is another one's, written behind the store's back."""
    await drop_snapshots(store, str(CLEARANCE))
    good = await take(store, ORDER, CLEARANCE, by="ada", version=3)
    forged = replace(good, state={**good.state, "status": "shipped to Mallory"})
    await kv_put(store.connection, SNAPSHOTS_BUCKET, str(CLEARANCE), forged.to_block())


@pytest.fixture
def drift(auditor: Visitor, home: Home) -> str:
    """The address of a run that found one."""
    home.run(forge)
    run = start_run(auditor, PROVE)
    wait_for(auditor, run, "Receipt finished")
    return run


def test_drift_is_said_plainly_and_led_to(auditor: Visitor, drift: str) -> None:
    text = page(auditor, drift)

    assert "Drift: 1 does not hold what the events make, of " in words(text)
    assert 'found "shipped to Mallory"' in words(text)
    assert 'role="alert"><p><strong>Drift' in text
    assert 'href="/aggregates/sales.order/clearance-order/?version=3&amp;prove=3#snapshots"' in text
    assert "The snapshot at v3 is wrong." in read(auditor, "/aggregates/sales.order/clearance-order/?version=3&prove=3")


def test_findings_are_taken_away_as_json_lines(auditor: Visitor, drift: str) -> None:
    response = auditor.get(f"{drift}findings.jsonl")

    (found,) = [json.loads(line) for line in response.content.decode().splitlines()]
    assert (found["cause"], found["aggregate"], found["version"]) == ("drift", str(CLEARANCE), 3)
    assert response.headers["Content-Disposition"].startswith('attachment; filename="findings-')


def test_findings_are_taken_away_as_csv(auditor: Visitor, drift: str) -> None:
    rows = list(csv.DictReader(io.StringIO(auditor.get(f"{drift}findings.csv").content.decode())))

    assert [(row["cause"], row["aggregate"], row["version"]) for row in rows] == [("drift", str(CLEARANCE), "3")]


def test_who_may_not_take_evidence_away_sees_who_may(viewer: Visitor, drift: str) -> None:
    assert "Download Needs the auditor role." in words(page(viewer, drift))
    assert viewer.get(f"{drift}findings.csv").status_code == 403


def test_findings_of_a_run_that_never_was_are_not_found(auditor: Visitor) -> None:
    assert auditor.get("/runs/0193-none/findings.csv").status_code == 404


def test_a_text_that_a_spreadsheet_would_compute_is_kept_a_text() -> None:
    assert to_csv([{"cause": "drift", "found": "=1+1"}]).splitlines()[1] == "drift,,,,,,'=1+1,"


def test_findings_of_everything_reach_the_audit_of_each_stream(auditor: Visitor) -> None:
    run = start_run(auditor, "/runs/new/verify/review/?scope=everything&full=on")
    text = wait_for(auditor, run, "Receipt finished")

    assert "6 findings in " in text
    assert "CIM-DEMO-TAMPERED 6" in text
    assert "CIM-EVENTS: Every message from sequence 1 to " in text.split("What this proves")[1]
    assert "none that this console knows of: only " in text.split("What it does not")[1]
    assert 'href="/streams/CIM-DEMO-TAMPERED/11/"' in page(auditor, run)
    assert "Findings 6 of 6, in stream order" in read(auditor, "/audit/CIM-DEMO-TAMPERED/")
    assert "Open the audit" in text


def test_stream_in_which_nothing_is_new_says_so_instead_of_intact(auditor: Visitor) -> None:
    text = read(auditor, "/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED", status=422)

    assert re.search(r"Nothing is new in CIM-DEMO-TAMPERED since sequence 49, .*: 6 findings; set full to verify all of it again\.", text)
    assert "Nothing came after what was verified; verify all again." in read(auditor, "/audit/CIM-DEMO-TAMPERED/")


def test_type_page_leads_to_its_verification(auditor: Visitor) -> None:
    assert 'href="/runs/new/verify/review/?scope=type&amp;stream=CIM-EVENTS&amp;type=sales.order"' in page(
        auditor, "/aggregates/sales.order/"
    )
    run = start_run(auditor, "/runs/new/verify/review/?scope=type&stream=CIM-EVENTS&type=sales.order")

    assert "events, all of sales.order in CIM-EVENTS." in wait_for(auditor, run, "Receipt finished")


def test_the_download_is_still_there_once_the_page_has_changed_by_itself(auditor: Visitor, home: Home, drift: str) -> None:
    run = home.run(read_run_page, drift.split("/")[2])

    shown = {frame.id: frame.html for frame in fragments(run, may_control=False, may_export=True)}

    assert f'href="{drift}findings.csv"' in shown["run-progress"]
