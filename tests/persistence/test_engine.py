"""This module is the tests of the engine by an operation made for them: dry runs, stale plans, limits, control in each phase."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from apps.persistence.encoding import Value
from apps.persistence.events import new_id
from apps.persistence.store import Store, ensure_home, kv_get, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.failures import ITEMS_KEPT, Failures, RunFailures, read_failures
from apps.persistence.work.operation import RunInterrupted
from apps.persistence.work.parameters import stored_values
from apps.persistence.work.progress import ProgressWriter, find_progress
from apps.persistence.work.run import RunState, load_run
from apps.persistence.work.run_index import find_dry_run

from .engine_stage import Stage, append_events
from .trial_operations import COUNTED, Count, Pick

OUTAGE_SECONDS = 10.0


@pytest.fixture
async def home(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings()) as store:
        await ensure_home(store.connection)
        yield store


@pytest.fixture
def stage(home: Store) -> Stage:
    return Stage(store=home, operations={"count": Count, "pick": Pick})


async def test_dry_run_is_a_run_that_writes_nothing_but_its_receipt_with_samples(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("count", {"to": "2"}, dry_run=True))

    assert (run.state, run.is_dry_run, run.summary) == (RunState.FINISHED, True, "Dry run: Count to 2")
    assert [(sample.what, sample.now, sample.after) for sample in run.samples] == [("step 1", "0", "1"), ("step 2", "1", "2")]
    assert await kv_get(stage.store.connection, "cim-runs", COUNTED) is None


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


async def test_short_run_does_not_wait_for_a_long_one_that_the_only_worker_has_in_hand(stage: Stage) -> None:
    async with stage.worker():
        long = await stage.ask("count", {"to": "100000", "name": "long"})
        await stage.wait(long, lambda run: run.state is RunState.RUNNING)

        short = await stage.wait(await stage.ask("count", {"to": "1", "name": "short"}))
        still = await load_run(stage.store, long)
        await stage.tell("cancel", long)
        await stage.wait(long)

    assert short.state is RunState.FINISHED
    assert still is not None
    assert still.state is RunState.RUNNING


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


async def test_limit_is_kept_and_a_change_of_it_is_obeyed_at_once(stage: Stage) -> None:
    async with stage.worker():
        run_id = await stage.ask("pick", {"count": "100000", "broken": "0"}, limit=5)
        await stage.wait(run_id, lambda run: run.state is RunState.RUNNING)
        await stage.wait_for_progress(run_id, lambda at: at.done >= 5)
        slow = await find_progress(stage.store.connection, run_id)
        await stage.tell("limit", run_id, {"limit": 0})
        run = await stage.wait(run_id)

    assert slow is not None
    assert slow.done < 100
    assert (run.state, run.limit, run.attempts) == (RunState.FINISHED, 0, 1)


@pytest.mark.parametrize("limit", [-1, "10", True, 10_000_001])
async def test_limit_that_is_none_is_refused(stage: Stage, limit: Value) -> None:
    async with stage.worker():
        run_id = await stage.ask("count", {"to": "100000"})
        await stage.wait(run_id, lambda run: run.state is RunState.RUNNING)
        refusal = await stage.refusal("limit", run_id, {"limit": limit})
        await stage.tell("cancel", run_id)

    assert refusal == f"The limit is {str(limit)!r}; it is a whole number of events a second, 0 for none."


async def test_what_failed_is_counted_by_reason_and_kept_by_name(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("pick"))
        failures = await read_failures(stage.store.connection, run.id)

    assert (run.state, run.figures["failed"]) == (RunState.FINISHED, 4)
    assert [(group.reason, group.count) for group in failures.groups] == [("7 divides it", 4)]
    assert failures.items == ("7", "14", "21", "28")
    assert failures.groups[0].items[0].link == "/numbers/7/"


async def test_more_failures_than_are_kept_are_still_counted(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("pick", {"count": "2500", "broken": "1"}))
        failures = await read_failures(stage.store.connection, run.id)

    assert (run.figures["failed"], failures.count, len(failures.items)) == (2500, 2500, ITEMS_KEPT)


@pytest.mark.parametrize("phase", ["before a worker comes", "while it waits for its target", "while it runs", "while it rests"])
async def test_run_can_be_cancelled_in_each_phase(stage: Stage, phase: str) -> None:
    run_id = await stage.ask("count", {"to": "100000"})
    if phase == "before a worker comes":
        async with stage.commands_alone():
            await stage.wait(run_id, lambda run: run.state is RunState.CONFIRMED)
            await stage.tell("cancel", run_id)
            await stage.wait(run_id)
    async with stage.worker():
        if phase == "while it waits for its target":
            await stage.wait(run_id, lambda run: run.state is RunState.RUNNING)
            run_id, first = await stage.ask("count", {"to": "99999"}), run_id
            await stage.wait(run_id, lambda run: run.state is RunState.CONFIRMED)
            await stage.tell("cancel", run_id)
            await stage.wait(run_id)
            await stage.tell("cancel", first)
        elif phase != "before a worker comes":
            await stage.wait(run_id, lambda run: run.state is RunState.RUNNING)
        if phase == "while it rests":
            await stage.tell("pause", run_id)
            await stage.wait(run_id, lambda run: run.state is RunState.PAUSED)
        if phase in ("while it runs", "while it rests"):
            await stage.tell("cancel", run_id)
        run = await stage.wait(run_id)
        after = await stage.wait(await stage.ask("count", {"to": "1"}))

    assert (run.state, run.ended_by) == (RunState.CANCELLED, "olga")
    assert after.state is RunState.FINISHED


async def test_worker_refuses_what_a_run_cannot_do_as_it_stands_and_says_how_it_stands(stage: Stage) -> None:
    async with stage.worker():
        run_id = await stage.ask("count", {"to": "100000"})
        await stage.wait(run_id, lambda run: run.state is RunState.RUNNING)
        resumed = await stage.refusal("resume", run_id)
        await stage.tell("pause", run_id)
        await stage.wait(run_id, lambda run: run.state is RunState.PAUSED)
        paused = await stage.refusal("pause", run_id)
        await stage.tell("cancel", run_id)
        await stage.wait(run_id)
        cancelled = await stage.refusal("cancel", run_id)

    assert resumed == "The run is running already; only a paused run can be resumed."
    assert paused == "The run is paused already."
    assert cancelled == "The run is cancelled already."


async def test_command_that_is_delivered_twice_is_no_second_one(stage: Stage) -> None:
    run_id, handle = new_id(), stage.registry.commands["console", "run"]
    wanted: dict[str, Value] = {"operation": "pick", "parameters": stored_values(Pick()), "saw": {}, "reason": "because"}
    request, pause = stage.command("request", run_id, wanted), stage.command("pause", run_id)

    for command in (request, request, pause, pause):
        await handle(stage.store, command)

    run = await load_run(stage.store, run_id)
    assert run is not None
    assert (run.state, run.head.version) == (RunState.PAUSED, 3)


async def test_two_workers_racing_for_one_run_carry_it_out_once(stage: Stage) -> None:
    async with stage.worker(), stage.worker(), stage.worker():
        runs = [await stage.wait(await stage.ask("count", {"to": "3", "name": f"n{number}"})) for number in range(5)]

    assert [(run.state, run.attempts) for run in runs] == [(RunState.FINISHED, 1)] * 5


async def test_worker_that_was_overtaken_writes_nothing_into_the_run_any_more(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("count", {"to": "2"}))
    connection = stage.store.connection
    before = await find_progress(connection, run.id)
    stale, newer = (ProgressWriter(connection, run, name, before=before, failures=Failures(RunFailures())) for name in ("old", "new"))
    await newer.begin()

    with pytest.raises(RunInterrupted, match="lost"):
        await stale.report(1, 2, force=True)

    now = await find_progress(connection, run.id)
    assert now is not None
    assert now.worker == "new"


async def test_hostile_text_is_kept_as_it_is_and_a_target_stays_one_key(stage: Stage) -> None:
    text = "<script>alert(1)</script> \x00 ' OR 1=1; {{7*7}} ☠ .*.> \n"
    async with stage.worker():
        run = await stage.wait(await stage.ask("count", {"name": text}, reason=text))

    assert (run.state, run.reason) == (RunState.FINISHED, text.strip())
    assert run.target == f"count/{text.strip()}"


async def test_ten_seconds_without_a_server_cost_a_run_nothing(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    async with stage.worker():
        run_id = await stage.ask("count", {"to": "200"})
        await stage.wait_for_progress(run_id, lambda at: at.done >= 20)
        own_nats_server.kill()
        await asyncio.sleep(OUTAGE_SECONDS)
        own_nats_server.start()
        run = await stage.wait(run_id)

    assert (run.state, run.outcome) == (RunState.FINISHED, "Counted to 200.")
    assert (await kv_get(stage.store.connection, "cim-runs", COUNTED)).value == b"200"  # type: ignore[union-attr]


async def test_run_hears_of_a_cancel_whose_message_never_came(stage: Stage) -> None:
    async with stage.worker():
        run_id = await stage.ask("count", {"to": "100000"})
        await stage.wait_for_progress(run_id, lambda at: at.done > 0)
        for subscription in list(stage.store.connection.client._subs.values()):
            if run_id in subscription.subject:
                await subscription.unsubscribe()
        await stage.tell("cancel", run_id)

        after = await stage.wait(await stage.ask("count", {"to": "1"}))

    assert after.state is RunState.FINISHED
