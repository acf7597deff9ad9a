"""Schedules: what only reads is asked for again and again by one worker of all, once for each time, and on behalf of who set it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from apps.persistence.encoding import Value, encode
from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.events import now
from apps.persistence.operations import DEFAULT_SCHEDULES, scheduled_operation
from apps.persistence.store import Store, ensure_bucket, kv_put
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import Run, RunState, load_run
from apps.persistence.work.run_index import RunQuery, list_runs
from apps.persistence.work.schedules import (
    SCHEDULES_BUCKET,
    Schedule,
    find_schedule,
    list_schedules,
    remove_schedule,
    seconds_of,
    set_defaults,
    set_schedule,
    words_of,
)
from apps.persistence.work.scheduling import Keeper

from .changing_streams import open_stage, plan
from .engine_stage import Stage
from .projecting import eventually
from .raw_stream import ORDER, create_raw_stream, make_chain


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("schedules")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    """A console without a schedule."""
    async with open_stage(server) as opened:
        for schedule in await list_schedules(opened.store.connection):
            await remove_schedule(opened.store.connection, schedule.name)
        yield opened


@pytest.fixture
async def stream(stage: Stage) -> str:
    """A stream of its own with events, which no other test's verification has read."""
    raw = await create_raw_stream(stage.store)
    stage.registry.layouts = (*stage.registry.layouts, raw.layout)
    await raw.write(*make_chain(ORDER, 3))
    return raw.layout.stream


def keeper_of(stage: Stage) -> Keeper:
    return Keeper(store=stage.store, registry=stage.registry, restore=scheduled_operation)


def due(name: str, operation: str, **parameters: Value) -> Schedule:
    """A schedule that was to run ten hours ago."""
    at = now() - timedelta(hours=10)
    return Schedule(name=name, operation=operation, parameters=parameters, every_seconds=600, by="olga", set_at=at, next_at=at)


async def found(store: Store, name: str) -> Schedule:
    schedule = await find_schedule(store.connection, name)
    assert schedule is not None
    return schedule


async def ended_run(stage: Stage, name: str) -> Run:
    """The run of a schedule, once it has ended."""

    async def is_asked() -> bool:
        schedule = await found(stage.store, name)
        return bool(schedule.run) and schedule.is_asked

    await eventually(is_asked)
    return await stage.wait((await found(stage.store, name)).run)


async def runs_of(stage: Stage, name: str) -> list[str]:
    """The runs that a schedule asked for, as their own events tell it."""
    page = await list_runs(stage.store.connection, RunQuery(operation="verify"), limit=100)
    return [run.id for run in page.runs if name in run.reason]


@asynccontextmanager
async def two_workers(stage: Stage) -> AsyncIterator[None]:
    async with stage.worker(claim_seconds=5), stage.worker(claim_seconds=5):
        yield


async def test_schedule_that_is_set_runs_at_once_on_behalf_of_who_set_it(stage: Stage, stream: str) -> None:
    given = {"what": "verify", "parameters": f"stream={stream}; full=true", "every": "10 minutes", "name": "hourly"}
    async with stage.worker():
        setting = await stage.wait(await stage.ask("set-schedule", given))
        run = await ended_run(stage, "hourly")

    schedule = await found(stage.store, "hourly")
    assert setting.outcome == "verify is asked for every 10 minutes by the schedule hourly."
    assert (run.state, run.requested_by, run.via) == (RunState.FINISHED, "schedule of olga", "schedule")
    assert run.reason == "Every 10 minutes, as the schedule hourly says."
    assert run.parameters["full"] is True
    assert (schedule.given, schedule.note) == (f"full=True\nstream={stream}", "")
    assert timedelta(minutes=9) < schedule.next_at - now() <= timedelta(minutes=10)


async def test_two_workers_run_what_is_due_once_however_often_it_was_missed(stage: Stage, stream: str) -> None:
    await set_schedule(stage.store.connection, due("once-by-two", "verify", stream=stream))

    async with two_workers(stage):
        run = await ended_run(stage, "once-by-two")
        await keeper_of(stage).look()

        async def is_listed() -> bool:
            return await runs_of(stage, "once-by-two") == [run.id]

        await eventually(is_listed)
    assert (await found(stage.store, "once-by-two")).next_at > now() + timedelta(minutes=9)


async def test_two_keepers_at_the_same_moment_ask_for_one_run(stage: Stage, stream: str) -> None:
    await set_schedule(stage.store.connection, due("same-moment", "verify", stream=stream))

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(keeper_of(stage).look())

    schedule = await found(stage.store, "same-moment")
    run = await load_run(stage.store, schedule.run)
    assert run is not None
    assert (run.state, schedule.is_asked) == (RunState.CONFIRMED, True)


async def test_run_that_a_killed_worker_was_about_to_request_is_requested_by_the_next_once(stage: Stage, stream: str) -> None:
    left = replace(due("left", "verify", stream=stream), run="0193a000-0000-7000-8000-000000000001", is_asked=False)
    left = replace(left, next_at=now() + timedelta(hours=1))
    await set_schedule(stage.store.connection, left)

    await keeper_of(stage).look()
    await set_schedule(stage.store.connection, left)
    await keeper_of(stage).look()

    schedule, run = await found(stage.store, "left"), await load_run(stage.store, left.run)
    assert run is not None
    assert (schedule.run, schedule.is_asked, run.head.version) == (left.run, True, 2)


async def test_no_run_is_asked_for_while_the_last_one_has_not_ended(stage: Stage, stream: str) -> None:
    await set_schedule(stage.store.connection, due("busy", "verify", stream=stream))
    await keeper_of(stage).look()
    first = await found(stage.store, "busy")
    await set_schedule(stage.store.connection, replace(first, next_at=now()))

    await keeper_of(stage).look()

    assert (await found(stage.store, "busy")).run == first.run


async def test_schedule_that_cannot_run_says_why_and_is_tried_again_the_next_time(stage: Stage) -> None:
    await set_schedule(stage.store.connection, due("broken", "check-log", stream="GONE"))

    await keeper_of(stage).look()

    schedule = await found(stage.store, "broken")
    assert schedule.is_failing
    assert schedule.note.startswith("There is no stream GONE on this server")
    assert schedule.next_at > now()


async def test_nothing_is_asked_for_where_nothing_is_new_and_that_is_no_fault(stage: Stage, stream: str) -> None:
    await set_schedule(stage.store.connection, due("quiet", "verify", stream=stream))
    async with stage.worker():
        first = await ended_run(stage, "quiet")
    await set_schedule(stage.store.connection, replace(await found(stage.store, "quiet"), next_at=now()))

    await keeper_of(stage).look()

    schedule = await found(stage.store, "quiet")
    assert first.state is RunState.FINISHED
    assert (schedule.note, schedule.is_failing) == ("nothing is new since the run before", False)
    assert await load_run(stage.store, schedule.run) is None


async def test_removed_schedule_asks_for_nothing_more(stage: Stage, stream: str) -> None:
    await set_schedule(stage.store.connection, replace(due("ended", "verify", stream=stream), next_at=now() + timedelta(hours=1)))

    async with stage.worker():
        removing = await stage.wait(await stage.ask("remove-schedule", {"name": "ended"}))

    assert removing.outcome == "The schedule ended is removed; nothing more is asked for by it."
    assert await find_schedule(stage.store.connection, "ended") is None
    with pytest.raises(InvalidInput, match="There is no schedule 'ended'"):
        await plan(stage, "remove-schedule", name="ended")
    with pytest.raises(KeyNotFound):
        await remove_schedule(stage.store.connection, "ended")


async def test_schedule_that_is_set_again_is_replaced(stage: Stage, stream: str) -> None:
    await set_schedule(stage.store.connection, replace(due("changed", "check-log", stream=stream), next_at=now() + timedelta(hours=1)))
    given = {"what": "record-heads", "parameters": f"scope=stream; stream={stream}", "every": "1 day", "name": "changed"}

    changes = {change.what: (change.now, change.after) for change in (await plan(stage, "set-schedule", None, **given)).changes}
    async with stage.worker():
        await stage.wait(await stage.ask("set-schedule", given))
        run = await ended_run(stage, "changed")

    assert (changes["Operation"], changes["Every"]) == (("check-log", "record-heads"), ("10 minutes", "1 day"))
    assert (run.operation, run.outcome) == ("record-heads", f"{stream}: 1 aggregate up to sequence 3.")


async def test_defaults_are_set_once_and_stay_removed(stage: Stage) -> None:
    connection = stage.store.connection
    await set_defaults(connection, DEFAULT_SCHEDULES)
    first = [(schedule.name, schedule.every, schedule.given, schedule.by) for schedule in await list_schedules(connection)]
    await remove_schedule(connection, "verify")

    await set_defaults(connection, DEFAULT_SCHEDULES)

    assert first == [
        ("record-heads", "1 day", "scope=everything", "the console"),
        ("verify", "10 minutes", "scope=everything", "the console"),
    ]
    assert [schedule.name for schedule in await list_schedules(connection)] == ["record-heads"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"what": "purge"}, "what is 'purge'; it must be one of verify, record-heads, check-log, compare-replicas"),
        ({"what": "check-log", "parameters": "mend=on"}, "check-log cannot be scheduled with mend: it writes"),
        ({"what": "record-heads", "parameters": "anew=on"}, "cannot be scheduled with anew"),
        ({"parameters": "scope"}, "parameters has the line 'scope'; write name=value"),
        ({"parameters": "stream=GONE"}, "GONE holds no chains"),
        ({"parameters": "colour=red"}, "has no parameter colour"),
        ({"every": "often"}, "every is 'often'; write for example 10 minutes"),
        ({"every": "5 seconds"}, "must be 10 seconds to 366 days"),
        ({"name": "two words"}, "a schedule's name"),
    ],
)
async def test_what_cannot_be_scheduled_is_refused_with_the_reason(stage: Stage, given: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        await plan(stage, "set-schedule", None, **given)


async def test_what_somebody_wrote_into_the_bucket_by_hand_runs_nothing_that_writes(stage: Stage, stream: str) -> None:
    connection = stage.store.connection
    await ensure_bucket(connection, SCHEDULES_BUCKET)
    await kv_put(connection, SCHEDULES_BUCKET, "rust", b"rust")
    await kv_put(connection, SCHEDULES_BUCKET, "empty", encode({}))
    await set_schedule(connection, due("purging", "purge", stream=stream))
    await set_schedule(connection, due("forgetting", "record-heads", anew=True))

    await keeper_of(stage).look()

    assert [(schedule.name, schedule.is_failing) for schedule in await list_schedules(connection)] == [
        ("forgetting", True),
        ("purging", True),
    ]
    assert "only verify" in (await found(stage.store, "purging")).note


@pytest.mark.parametrize(("text", "seconds"), [("10 minutes", 600), ("hour", 3600), ("1 day", 86_400), ("90 SECONDS", 90)])
def test_spans_are_read_and_said_in_words(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
    assert seconds_of(words_of(seconds)) == seconds
