"""Archives that leave their events behind, on bad days: killed, cancelled, refused, with projections that cannot begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.console import load_registry
from apps.persistence.errors import InvalidInput
from apps.persistence.events import (
    AggregateRef,
    Head,
    NewEvent,
    now,
)
from apps.persistence.projections.record import Build, ProjectionRecord, Skip, to_bytes
from apps.persistence.store import append, ensure_bucket, kv_put, read_generations
from apps.persistence.store.consumers import create_consumer
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.failures import read_failures
from apps.persistence.work.progress import RunProgress
from apps.persistence.work.run import RunState

from .archiving import DOMAIN, LATE, LIVE, add, archiving_stage, fill, finished, read_models, states
from .baskets import added, named
from .changing_streams import carry_out, facts, one_of, plan
from .engine_stage import Stage
from .test_killed_runs import blocks_of
from .test_migrate import fill_many
from .test_transfer_resumed import worker_to_be_killed

EVENTS_IN_ALL, ARCHIVED = 1_600, 1_200


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with archiving_stage(own_nats_server) as opened:
        yield opened


@pytest.fixture
async def filled(stage: Stage) -> Stage:
    await fill(stage.store)
    return stage


# -- interrupted ------------------------------------------------------------------------------------------------------------------------


def basket(number: int) -> AggregateRef:
    return AggregateRef("shop", "basket", f"m{number:03}")


async def killed_at(stage: Stage, server: EmbeddedServer, run_id: str, is_reached: Callable[[RunProgress], bool]) -> None:
    """A worker that takes up the run and is killed there."""
    async with worker_to_be_killed(server, DOMAIN) as process:
        await stage.wait_for_progress(run_id, is_reached)
        process.kill()
        await process.wait()


async def test_run_whose_workers_are_killed_ends_as_an_unbroken_one(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    """Killed while models are made, and while aggregates are opened or events copied."""
    await fill_many(stage.store, 20)
    every = [basket(number) for number in range(20)]
    before = await states(stage.store, every)
    given = {"last": str(ARCHIVED), "new_generation": "on"}

    run_id = await stage.ask("archive", given, limit=5_000)
    await killed_at(stage, own_nats_server, run_id, lambda progress: progress.done > 3 * ARCHIVED)
    await killed_at(stage, own_nats_server, run_id, lambda progress: progress.done > 5 * ARCHIVED)
    async with stage.worker():
        run = await finished(stage, run_id)
        models = await read_models(stage, "stories", "totals")

    assert run.attempts > 1
    assert await states(stage.store, every) == before
    assert (await verify_stream(stage.store)).intact
    assert len(await blocks_of(stage.store, "CIM-EVENTS-2")) == 15 + EVENTS_IN_ALL - ARCHIVED
    assert len(models["stories"]) == 20


async def test_cancelled_run_keeps_the_file_and_nothing_else(stage: Stage) -> None:
    await fill_many(stage.store, 20)

    async with stage.worker(claim_seconds=20):
        run_id = await stage.ask("archive", {"last": str(ARCHIVED), "new_generation": "on"}, limit=4_000)
        await stage.wait_for_progress(run_id, lambda progress: progress.done > 3 * ARCHIVED)
        await stage.tell("cancel", run_id)
        run = await stage.wait(run_id)
        names = await names_without_remains(stage)

    assert run.state is RunState.CANCELLED
    assert "The file is kept once it is whole" in run.outcome
    assert "OBJ_cim-files" in names
    assert (await read_generations(stage.store.connection, "CIM-EVENTS")).filling is None
    await add(stage.store, basket(0), named("still open"))


async def test_run_that_was_cancelled_while_it_was_paused_stands_in_no_way(stage: Stage) -> None:
    """Nobody works on it then, so the next one tidies up."""
    await fill_many(stage.store, 20)
    async with stage.worker(claim_seconds=20):
        run_id = await stage.ask("archive", {"last": str(ARCHIVED), "new_generation": "on"}, limit=4_000)
        await stage.wait_for_progress(run_id, lambda progress: progress.done > 3 * ARCHIVED)
        await stage.tell("pause", run_id)
        await stage.at_rest(run_id)
        await stage.tell("cancel", run_id)
        await stage.wait(run_id)

        await finished(stage, await stage.ask("archive", {"last": str(ARCHIVED), "new_generation": "on"}))

    starts = [name for name in (await stage.store.connection.api("STREAM.NAMES"))["streams"] if "-start-" in name]
    assert sorted(name.rpartition("-start-")[0] for name in starts) == ["KV_cim-stories", "KV_cim-totals"]


async def names_without_remains(stage: Stage) -> list[str]:
    """The names of all streams, once nothing that the archive began is among them."""
    async with asyncio.timeout(60):
        while True:
            names: list[str] = (await stage.store.connection.api("STREAM.NAMES"))["streams"]
            if "CIM-EVENTS-2" not in names and not any("-start-" in name for name in names):
                return names
            await asyncio.sleep(0.05)


# -- told before, and refused -----------------------------------------------------------------------------------------------------------


async def test_plan_counts_what_leaves_and_names_what_is_touched(filled: Stage) -> None:
    found = await plan(filled, "archive", last="5", new_generation="on")

    assert facts(found)["Stream that serves"] == ("CIM-EVENTS", "CIM-EVENTS-2")
    assert facts(found)["Aggregates touched"] == ("–", "2")
    assert facts(found)["Events in the stream that serves"] == ("8", "2 that open aggregates, and 3 that stay")
    assert facts(found)["Events that leave"][1].startswith("5, about ")
    assert "stories, totals" in one_of(found.notes, "Projections begin with models")
    assert found.confirm_with == "CIM-EVENTS"


async def test_plan_warns_of_durable_consumers_that_are_not_the_consoles_own(filled: Stage) -> None:
    connection = filled.store.connection
    for name in ("billing", "cim-own"):
        await create_consumer(connection, "CIM-EVENTS", {"name": name, "durable_name": name, "ack_policy": "explicit"})
    await create_consumer(connection, "CIM-EVENTS", {"name": "passing", "ack_policy": "none", "inactive_threshold": 60_000_000_000})

    found = await plan(filled, "archive", last="5", new_generation="on")

    assert one_of(found.notes, "Consumers that stay") == "Consumers that stay on CIM-EVENTS and hear of nothing new: billing."


async def test_plan_names_projections_that_meet_again_what_they_left_out(filled: Stage) -> None:
    connection = filled.store.connection
    skip = Skip(sequence=7, note="odd", by="ada", at=now())
    build = Build(number=1, version=1, started=now())
    record = ProjectionRecord(name="stories", created=now(), serving=1, builds=(build,), last_build=1, skips=(skip,))
    await ensure_bucket(connection, "cim-projections", history=10)
    await kv_put(connection, "cim-projections", "stories", to_bytes(record))

    found = await plan(filled, "archive", last="5", new_generation="on")

    assert "parked 1 of its events" in one_of(found.notes, "stories left out or parked")
    assert not [note for note in (await plan(filled, "archive", last="7", new_generation="on")).notes if "left out or parked" in note]


async def test_dry_run_folds_everything_and_writes_nothing(filled: Stage) -> None:
    async with filled.worker():
        run = await filled.wait(await filled.ask("archive", {"last": "5", "new_generation": "on"}, dry_run=True))

    assert run.outcome.startswith("Nothing stands in the way. 5 events of 2 aggregates lie in the range, ")
    assert (run.figures["events"], run.figures["aggregates"]) == (5, 2)
    assert (await read_generations(filled.store.connection, "CIM-EVENTS")).revision == 0


async def test_aggregates_that_cannot_be_opened_are_named_and_nothing_is_switched(filled: Stage) -> None:
    await append(filled.store, Head(aggregate=AggregateRef("hr", "badge", "b1")), [NewEvent(type="issued")])
    await append(filled.store, Head(aggregate=AggregateRef("shop", "basket", "bad")), [NewEvent(type="removed", payload={"item": "x"})])
    given = {"last": "10", "new_generation": "on"}

    async with filled.worker():
        tried = await filled.wait(await filled.ask("archive", given, dry_run=True))
    run = await carry_out(filled, "archive", **given)

    (group,) = (await read_failures(filled.store.connection, tried.id)).groups
    undeclared, unfoldable = (failed.item for failed in group.items)
    assert undeclared == "No domain declares hr.badge, so its aggregates have no state to go on from."
    assert unfoldable.startswith("shop.basket.bad cannot be folded at version 1: InvalidState: x is not in the basket")
    assert run.state is RunState.FAILED
    assert "The new generation was not opened, at the opening of aggregates: No domain declares hr.badge" in run.outcome
    assert (await read_generations(filled.store.connection, "CIM-EVENTS")).serving == 1
    await add(filled.store, LIVE, named("still open"))


async def test_archive_that_settings_or_the_stream_forbid_is_refused(filled: Stage) -> None:
    given = {"last": "5", "new_generation": "on"}
    closed = load_registry([DOMAIN])
    with pytest.raises(InvalidInput, match="CIM_STREAM_CHANGES is off"):
        await plan(filled, "archive", closed, **given)
    protected = replace(filled.registry.stream_changes, protected=("CIM-EV*",))
    filled.registry.stream_changes = protected
    with pytest.raises(InvalidInput, match="CIM-EVENTS is protected"):
        await plan(filled, "archive", **given)
    await carry_out(filled, "archive", last="5")
    with pytest.raises(InvalidInput, match="the console's own events and foreign streams stay as they are"):
        await plan(filled, "archive", stream="CIM-CONSOLE", last="1", new_generation="on")


async def test_projection_that_stopped_in_the_range_stands_in_the_way(filled: Stage) -> None:
    await add(filled.store, LATE, added("unlucky"))
    async with filled.worker():
        refused = await refused_plan(filled, last="9", new_generation="on")

    assert refused.startswith("totals has stopped at sequence 9, which would be archived, so it cannot say with which models to go on.")


async def refused_plan(stage: Stage, **given: str) -> str:
    """Why the plan is refused, once it is."""
    async with asyncio.timeout(60):
        while True:
            try:
                await plan(stage, "archive", **given)
            except InvalidInput as error:
                return str(error)
            await asyncio.sleep(0.05)
