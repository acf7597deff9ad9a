"""A schedule that is gone or changed is an alarm, unless a recorded run removed or set it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from apps.persistence.chain.limits import drift_ref
from apps.persistence.drift import DriftReport, look, read_drift, watching
from apps.persistence.drift.record import ensure_drift
from apps.persistence.operations import DEFAULT_SCHEDULES
from apps.persistence.store import CONSOLE, kv_delete, load
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState
from apps.persistence.work.run_index import list_runs
from apps.persistence.work.schedules import SCHEDULES_BUCKET, list_schedules, set_defaults

from .changing_streams import open_stage
from .engine_stage import Stage
from .projecting import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("schedules")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A console with the schedules that it begins with, where nothing waits for a run."""
    monkeypatch.setattr(watching, "RUNNING", timedelta(0))
    async with open_stage(server) as opened:
        await ensure_drift(opened.store.connection)
        await set_defaults(opened.store.connection, DEFAULT_SCHEDULES)
        yield opened


async def look_twice(stage: Stage) -> DriftReport:
    """The second look is after the time that a difference waits for its run."""
    await look(stage.store, [])
    await look(stage.store, [])
    return await read_drift(stage.store)


async def carried_out(stage: Stage, operation: str, **given: str) -> None:
    """A run that has finished, and stands in the list of runs."""

    async def is_listed() -> bool:
        return run_id in {run.id for run in (await list_runs(stage.store.connection)).runs if run.state.is_ended}

    async with stage.worker():
        run_id = await stage.ask(operation, given)
        assert (await stage.wait(run_id)).state is RunState.FINISHED
        await eventually(is_listed)


async def test_schedule_that_nobody_known_removed_is_an_alarm_and_in_the_trail_until_it_is_set_again(stage: Stage) -> None:
    assert (await look_twice(stage)).lost_schedules == []
    await kv_delete(stage.store.connection, SCHEDULES_BUCKET, "record-heads")

    found = await look_twice(stage)
    trail = [stored.event.type for stored in (await load(stage.store.on(CONSOLE), drift_ref("schedule/record-heads"))).events]
    await carried_out(stage, "set-schedule", what="record-heads", parameters="scope=everything", every="1 day")

    assert [(lost.name, lost.accepted["every"]) for lost in found.lost_schedules] == [("record-heads", "1 day")]
    assert trail == ["drifted"]
    assert (await look_twice(stage)).alarms == []


async def test_schedule_that_a_run_removed_is_no_alarm(stage: Stage) -> None:
    await carried_out(stage, "set-schedule", what="verify", every="2 hours", name="often")
    await look_twice(stage)
    await carried_out(stage, "set-schedule", what="verify", every="3 hours", name="often")
    changed = await look_twice(stage)
    await carried_out(stage, "remove-schedule", name="often")

    found = await look_twice(stage)

    assert changed.alarms == []
    assert found.alarms == []
    assert "schedule/often" not in {record.what for record in found.records}


async def test_bucket_of_schedules_that_is_gone_is_an_alarm_for_each(stage: Stage) -> None:
    await look_twice(stage)
    names = [schedule.name for schedule in await list_schedules(stage.store.connection)]
    await stage.store.connection.api(f"STREAM.DELETE.KV_{SCHEDULES_BUCKET}")

    found = await look_twice(stage)

    assert names
    assert [lost.name for lost in found.lost_schedules] == names
    assert f"KV_{SCHEDULES_BUCKET}" in {alarm.name for alarm in found.alarms}
