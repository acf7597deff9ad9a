"""This module is the tests of a mark that no verification left: no page relies on it, and the next verification reads everything."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from apps.persistence.chain import MARKS_BUCKET, read_mark
from apps.persistence.encoding import encode
from apps.persistence.events import format_time
from apps.persistence.store import Store, kv_put

from .conftest import Home, Visitor
from .working_console import Worker, read, start_run, wait_for

STREAM = "CIM-DEMO-TAMPERED"
PAGES = ("/", "/audit/", f"/audit/{STREAM}/", f"/audit/{STREAM}/report", "/streams/")


@pytest.fixture(autouse=True)
def at_work(home: Home, worker: Worker) -> None:
    """The console looks at the demo, and a worker is at it."""


async def whitewash(store: Store) -> None:
    """Write that all of the stream was found intact."""
    mark = await read_mark(store, STREAM)
    assert mark is not None
    value: dict[str, Any] = asdict(mark) | {"at": format_time(mark.at), "created": format_time(mark.created) if mark.created else None}
    del value["problem"]
    clean = {"intact": True, "findings": 0, "first_bad_sequence": None, "first_bad_cause": None}
    await kv_put(store.connection, MARKS_BUCKET, STREAM, encode(value | clean))


async def spoil(store: Store) -> None:
    await kv_put(store.connection, MARKS_BUCKET, STREAM, encode({}))


@pytest.mark.parametrize("change", [whitewash, spoil])
def test_mark_that_somebody_wrote_makes_nothing_intact(auditor: Visitor, home: Home, change: Any) -> None:
    wait_for(auditor, start_run(auditor, f"/runs/new/verify/review/?stream={STREAM}&full=on"), "Receipt finished")
    home.run(change)
    pages = {address: read(auditor, address) for address in PAGES}
    wait_for(auditor, start_run(auditor, f"/runs/new/verify/review/?stream={STREAM}"), "Receipt finished")
    after = read(auditor, f"/audit/{STREAM}/")

    proof, report = pages[f"/audit/{STREAM}/"], pages[f"/audit/{STREAM}/report"]
    assert "Mark not confirmed" in pages["/"]
    assert "Mark not confirmed" in pages["/audit/"]
    assert "is not relied on: " in proof
    assert "The next verification reads all of it again." in proof
    assert "is not relied on: " in report
    assert "Intact" not in report.split("What this proves")[0]
    assert "6 findings" in after
    assert "Mark not confirmed" not in after
