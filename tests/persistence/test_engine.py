"""This module is the tests of the engine by an operation made for them: dry runs, stale plans, limits, control in each phase."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.store import Store, ensure_home, kv_get, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState
from apps.persistence.work.run_index import find_dry_run

from .engine_stage import Stage, append_events
from .trial_operations import Count


@pytest.fixture
async def home(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings()) as store:
        await ensure_home(store.connection)
        yield store


@pytest.fixture
def stage(home: Store) -> Stage:
    return Stage(store=home, operations={"count": Count})


async def test_dry_run_is_a_run_that_writes_nothing_but_its_receipt_with_samples(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("count", {"to": "2"}, dry_run=True))

    assert (run.state, run.is_dry_run, run.summary) == (RunState.FINISHED, True, "Dry run: Count to 2")
    assert [(sample.what, sample.now, sample.after) for sample in run.samples] == [("step 1", "0", "1"), ("step 2", "1", "2")]
    assert await kv_get(stage.store.connection, "cim-runs", "counted-count") is None


async def test_newest_dry_run_of_the_same_parameters_is_found(stage: Stage) -> None:
    async with stage.worker():
        other = await stage.wait(await stage.ask("count", {"to": "5"}, dry_run=True))
        same = await stage.wait(await stage.ask("count", {"to": "2"}, dry_run=True))
        await stage.wait_until_listed(2)

        found = await find_dry_run(stage.store.connection, "count", same.parameters)

    assert other.id != same.id
    assert found is not None
    assert found.id == same.id


async def test_dry_run_does_not_wait_for_the_run_on_the_same_target(stage: Stage) -> None:
    async with stage.worker(), stage.worker():
        real = await stage.ask("count", {"to": "100000"})
        await stage.wait(real, lambda run: run.state is RunState.RUNNING)

        tried = await stage.wait(await stage.ask("count", {"to": "1"}, dry_run=True))
        await stage.tell("cancel", real)

    assert tried.state is RunState.FINISHED


async def test_plan_that_counts_on_no_new_event_is_refused_with_how_many_arrived(stage: Stage) -> None:
    payload = {"operation": "count", "parameters": {}, "saw": {"last sequence of CIM-EVENTS": 0}, "reason": "because"}
    await append_events(stage.store, 1201)
    async with stage.worker():
        refusal = await stage.refusal("request", "a-run", payload)

    assert refusal == "The plan no longer holds: 1,201 events arrived in CIM-EVENTS since. Plan again."


async def test_run_whose_world_moved_while_it_waited_for_its_target_fails_and_says_how(stage: Stage) -> None:
    async with stage.worker():
        first = await stage.ask("count", {"to": "100000"})
        await stage.wait(first, lambda run: run.state is RunState.RUNNING)
        second = await stage.ask("count", {"to": "1"})
        await stage.wait(second, lambda run: run.state is RunState.CONFIRMED)
        await append_events(stage.store, 1)
        await stage.tell("cancel", first)

        run = await stage.wait(second)

    assert run.state is RunState.FAILED
    assert run.outcome == "The plan no longer holds: 1 event arrived in CIM-EVENTS since. Plan again."


async def test_operation_without_a_dry_run_is_refused_one(stage: Stage) -> None:
    payload = {"operation": "plain", "parameters": {}, "saw": {}, "reason": "because", "dry_run": True}
    stage.operations["plain"] = type("Plain", (Count,), {"dry_run": None, "title": "Plain"})  # type: ignore[index]
    async with stage.worker():
        refusal = await stage.refusal("request", "a-run", payload)

    assert refusal == "Plain has no dry run; its plan says what it would do."


async def test_run_that_many_workers_died_over_ends_as_failed_with_the_reason(stage: Stage) -> None:
    run_id = await stage.ask("count", {"to": "100000"})
    await stage.store_attempts(run_id, 31)
    async with stage.worker():
        run = await stage.wait(run_id)

    assert run.state is RunState.FAILED
    assert run.outcome.startswith("32 attempts ended, the last 31 without any progress; the workers that had it were lost or killed.")


async def test_cancelled_run_says_what_it_leaves_behind(stage: Stage) -> None:
    async with stage.worker():
        run_id = await stage.ask("count", {"to": "100000"})
        await stage.wait(run_id, lambda run: run.state is RunState.RUNNING)
        await stage.tell("cancel", run_id)
        run = await stage.wait(run_id)

    assert run.outcome == "Cancelled by olga. What was counted stays counted."
