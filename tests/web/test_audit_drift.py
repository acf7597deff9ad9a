"""The overview and the audit pages show settings that nobody known changed, with before and after, and where to accept them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.persistence.drift import look, watching
from apps.persistence.drift.record import ensure_drift
from apps.persistence.events import now
from apps.persistence.store import CONSOLE, EVENTS, Store, ensure_home, get_stream, kv_delete
from apps.persistence.work.schedules import SCHEDULES_BUCKET, Schedule, set_schedule

from .conftest import Home, Visitor
from .working_console import read

CHAINED = [EVENTS.stream, CONSOLE.stream]


async def look_at(store: Store) -> None:
    await ensure_home(store.connection)
    await ensure_drift(store.connection)
    await look(store, CHAINED)


async def change(store: Store, config: dict[str, Any]) -> None:
    """As somebody does who knows the server and not the console; then the watch looks."""
    info = await get_stream(store.connection, EVENTS.stream)
    await store.connection.api(f"STREAM.UPDATE.{EVENTS.stream}", {**info.config, **config}, stream=EVENTS.stream)
    await look(store, CHAINED)


def test_pages_show_the_drift_and_lead_to_accepting_it(home: Home, operator: Visitor, viewer: Visitor) -> None:
    home.run(look_at)
    before = read(operator, "/audit/CIM-EVENTS/")
    home.run(change, {"max_bytes": 10**9})
    try:
        overview, audit, stream = read(operator, "/"), read(operator, "/audit/"), read(operator, "/audit/CIM-EVENTS/")
        other, plan = read(viewer, "/audit/CIM-CONSOLE/"), read(operator, "/runs/new/accept-drift/review/?what=stream/CIM-EVENTS")
    finally:
        home.run(change, {"max_bytes": -1})

    assert "As accepted" in before
    assert "CIM-EVENTS: max_bytes was not set, is 1,000,000,000" in overview
    for text in (audit, stream):
        assert "1 changed by nobody known" in text
        assert "Accept…" in text
    assert stream.index("1 changed by nobody known") < stream.index("everything is fetched raw")
    assert before.index("everything is fetched raw") < before.index("As accepted")
    assert "As accepted" in other
    assert "Accept 1 change of CIM-EVENTS" in plan
    assert "As accepted" in read(operator, "/audit/CIM-EVENTS/")


async def lose_schedule(store: Store) -> None:
    """As somebody does who wants nobody to look; the watch looks before and after."""
    at = now()
    schedule = Schedule(
        name="nightly", operation="verify", parameters={"scope": "everything"}, every_seconds=600, by="olga", set_at=at, next_at=at
    )
    await set_schedule(store.connection, schedule)
    await look_at(store)
    await kv_delete(store.connection, SCHEDULES_BUCKET, "nightly")
    await look_at(store)
    await look_at(store)


def test_pages_say_that_a_schedule_was_removed_by_nobody_known(
    home: Home, operator: Visitor, viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RUNNING", timedelta(0))
    home.run(lose_schedule)

    audit, overview = operator.get("/audit/").content.decode(), read(viewer, "/")

    assert "The schedule nightly was removed by nobody known." in audit
    assert "what=verify&amp;parameters=scope%3Deverything&amp;every=10%20minutes&amp;name=nightly" in audit
    assert "The schedule nightly was removed by nobody known" in overview
    assert "Set it again" not in viewer.get("/audit/").content.decode()
