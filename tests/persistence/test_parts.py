"""This module is the tests of runs that split their work: several workers, killed ones, pause and cancel, and what comes of the parts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.persistence.operations import Verify, verify
from apps.persistence.store import Store, ensure_home, kv_keys, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.failures import read_failures
from apps.persistence.work.parts import PARTS_BUCKET
from apps.persistence.work.progress import find_progress
from apps.persistence.work.run import RunState

from .engine_stage import Stage, append_events
from .trial_operations import Sum

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
async def home(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings()) as store:
        await ensure_home(store.connection)
        yield store


@pytest.fixture
def stage(home: Store) -> Stage:
    return Stage(store=home, operations={"sum": Sum, "verify": Verify})


async def test_parts_are_done_by_one_worker_and_stitched(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("sum"))
        progress = await find_progress(stage.store.connection, run.id)

    assert (run.state, run.outcome, run.figures["failed"]) == (RunState.FINISHED, "The sum is 1830.", 8)
    assert progress is not None
    assert (progress.done, progress.total) == (60, 60)
    assert await kv_keys(stage.store.connection, PARTS_BUCKET, prefix=run.id) == []


async def test_several_workers_share_the_parts(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings()) as other, stage.worker(), stage.worker(store=other):
        run = await stage.wait(await stage.ask("sum", {"parts": "6", "together": "2"}))

    assert run.outcome == "The sum is 1830."


async def test_part_that_cannot_be_done_ends_the_run_with_its_reason(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("sum", {"broken": "3"}))

    assert (run.state, run.outcome) == (RunState.FAILED, "Part 3 of 6 could not be done: The numbers are torn.")


async def test_paused_run_stops_its_parts_and_loses_nothing_of_them(stage: Stage) -> None:
    async with stage.worker(), stage.worker():
        run_id = await stage.ask("sum")
        await stage.wait_for_progress(run_id, lambda at: at.done >= 15)
        await stage.tell("pause", run_id)
        await stage.wait(run_id, lambda run: run.state is RunState.PAUSED)
        resting = await stage.at_rest(run_id)
        await stage.tell("resume", run_id)
        run = await stage.wait(run_id)
        failures = await read_failures(stage.store.connection, run_id)

    assert 15 <= resting < 60
    assert (run.outcome, run.attempts, failures.count) == ("The sum is 1830.", 2, 8)


async def test_cancelled_run_leaves_no_part_behind(stage: Stage) -> None:
    async with stage.worker(), stage.worker():
        run_id = await stage.ask("sum")
        await stage.wait_for_progress(run_id, lambda at: at.done >= 5)
        await stage.tell("cancel", run_id)
        run = await stage.wait(run_id)
        async with asyncio.timeout(60):
            while await kv_keys(stage.store.connection, PARTS_BUCKET, prefix=run_id):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        after = await stage.wait(await stage.ask("sum", {"parts": "1"}))

    assert run.state is RunState.CANCELLED
    assert after.outcome == "The sum is 55."


async def test_limit_of_the_run_holds_for_all_its_parts(stage: Stage) -> None:
    async with stage.worker():
        run_id = await stage.ask("sum", {"parts": "2", "size": "10000"}, limit=4)
        await stage.wait_for_progress(run_id, lambda at: at.done >= 4)
        slow = await find_progress(stage.store.connection, run_id)
        await stage.tell("limit", run_id, {"limit": 1_000_000})
        fast = await stage.wait_for_progress(run_id, lambda at: at.done >= 60)
        await stage.tell("cancel", run_id)
        await stage.wait(run_id)

    assert slow is not None
    assert slow.done < 30
    assert fast.done >= 60


async def test_part_of_a_killed_worker_is_taken_over_from_its_checkpoint(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    arguments = [own_nats_server.url, "worker", own_nats_server.password("worker")]
    command = [sys.executable, "-m", "tests.persistence.killed_trial_worker", *arguments]
    worker = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY)
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"at work\n"
    run_id = await stage.ask("sum", {"parts": "2", "size": "100"})
    try:
        await stage.wait_for_progress(run_id, lambda at: at.done >= 30)
    finally:
        worker.kill()
        await worker.wait()

    async with stage.worker():
        taken = await stage.wait_for_progress(run_id, lambda at: any("taken up again" in line for line in at.log))
        run = await stage.wait(run_id)

    assert taken.done >= 25
    assert (run.outcome, run.attempts, run.figures["failed"]) == ("The sum is 20100.", 2, 28)


async def verify_in_ranges(stage: Stage, monkeypatch: pytest.MonkeyPatch, size: int) -> dict[str, object]:
    """The figures of a full verification in ranges of `size`, without what differs from time to time."""
    monkeypatch.setattr(verify, "PART_EVENTS", size)
    async with stage.worker(), stage.worker():
        run = await stage.wait(await stage.ask("verify", {"full": "on"}))
    assert run.state is RunState.FINISHED
    return {name: value for name, value in run.figures.items() if name not in ("seconds", "mark", "marked")} | {"sentence": run.outcome}


async def test_verification_in_ranges_says_what_one_in_one_go_says(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for order in range(7):
        await append_events(stage.store, 40, aggregate=f"o{order}")
    await append_events(stage.store, 20, aggregate="o3")

    in_ranges = await verify_in_ranges(stage, monkeypatch, 50)

    assert in_ranges["sentence"] == "Intact: 300 events, sequence 1 to 300."
    assert in_ranges == await verify_in_ranges(stage, monkeypatch, 100_000)
