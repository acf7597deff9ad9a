"""The operation `migrate`: planned, tried, carried out by a worker, killed, cancelled and rolled back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.console import load_registry
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, Head, new_id
from apps.persistence.evolution import Journal, SchemaVersion, read_journal
from apps.persistence.operations import OPERATIONS
from apps.persistence.operations.migrate import Migrate
from apps.persistence.store import Store, append, ensure_home, open_store, read_generations
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.failures import read_failures
from apps.persistence.work.progress import find_progress
from apps.persistence.work.run import RunState

from .baskets import added, named, removed
from .engine_stage import Stage
from .operating import Noted
from .stream_migrating import fill

FORWARD = {"migration": "shop.tidy-up"}
BACK = {"migration": "shop.tidy-up", "direction": "back"}


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    registry = load_registry(["tests.persistence.migrating_domain"])
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        informed = replace(store, layouts=registry.layouts, upcasters=registry.upcasters)
        yield Stage(store=informed, operations=OPERATIONS, registry=registry)


@pytest.fixture
async def filled(stage: Stage) -> Stage:
    await fill(stage.store)
    return stage


async def test_plan_says_which_stream_serves_now_and_after(filled: Stage) -> None:
    plan = await Migrate(migration="shop.tidy-up").plan(filled.store, filled.registry)

    assert [(change.what, change.now, change.after) for change in plan.changes] == [
        ("Schema of shop", "1.0", "2.0"),
        ("Stream that serves", "CIM-EVENTS", "CIM-EVENTS-2"),
    ]
    assert plan.counts == (("CIM-EVENTS", 7),)
    assert (
        "Snapshots belong to the generation that they were taken of and are not used in the new one: take them anew after it." in plan.notes
    )


async def test_run_migrates_and_another_rolls_back(filled: Stage) -> None:
    async with filled.worker():
        forward = await filled.wait(await filled.ask("migrate", FORWARD))
        back = await filled.wait(await filled.ask("migrate", BACK))

    journal = await read_journal(filled.store, "shop")
    assert forward.outcome == (
        "Copied CIM-EVENTS into CIM-EVENTS-2, which serves now; CIM-EVENTS is kept and closed. "
        "Snapshots belong to the generation that they were taken of: take them anew."
    )
    assert back.outcome == (
        "CIM-EVENTS serves again, with 0 events that came since; CIM-EVENTS-2 is kept and closed. "
        "Snapshots taken before the migration are used again, those taken since are not."
    )
    assert [(entry.kind, entry.run, entry.by) for entry in journal.entries] == [
        ("started", forward.id, "olga"),
        ("applied", forward.id, "olga"),
        ("started", back.id, "olga"),
        ("rolled_back", back.id, "olga"),
    ]


async def test_receipts_tell_what_was_copied_there_and_back(filled: Stage) -> None:
    async with filled.worker():
        forward = await filled.wait(await filled.ask("migrate", FORWARD))
        put = replace(added("late"), type="put")
        await append(filled.store, Head(aggregate=AggregateRef("shop", "basket", "b9")), [put, put, put])
        plan = await Migrate(migration="shop.tidy-up", direction="back").plan(filled.store, filled.registry)
        back = await filled.wait(await filled.ask("migrate", BACK))
        told = await find_progress(filled.store.connection, back.id)

    assert (forward.figures["events"], back.figures["events"]) == (7, 3)
    assert plan.counts == (("CIM-EVENTS-2, since the switch", 3),)
    assert plan.undo == "Apply it again: it can be carried out anew."
    assert told is not None
    assert (told.done, told.total) == (3, 3)


async def test_receipt_counts_what_was_copied_and_not_what_its_last_attempt_found(filled: Stage) -> None:
    migrate, run = Migrate(migration="shop.tidy-up"), Noted(run_id=new_id())
    await migrate.run(filled.store, filled.registry, run)
    put = replace(added("late"), type="put")
    await append(filled.store, Head(aggregate=AggregateRef("shop", "basket", "b9")), [put])

    again = await migrate.run(filled.store, filled.registry, Noted(run_id=run.run_id, checkpoint=run.checkpoint))

    assert again.figures["events"] == 7


async def test_dry_run_shows_what_becomes_of_events_and_writes_nothing(filled: Stage) -> None:
    async with filled.worker():
        run = await filled.wait(await filled.ask("migrate", FORWARD, dry_run=True))

    assert run.outcome == (
        "Nothing stands in the way. Read 7 events; 6 would be written. The states of 2 aggregates were compared; all are as expected."
    )
    assert {sample.note for sample in run.samples} == {"smallest", "largest", "renamed", "dropped", "random", "state, as expected"}
    assert any("put (schema 1)" in sample.after for sample in run.samples)
    assert (await read_journal(filled.store, "shop")).head.version == 0
    assert (await read_generations(filled.store.connection, "CIM-EVENTS")).revision == 0


async def test_dry_run_names_every_state_that_nobody_expected(filled: Stage) -> None:
    async with filled.worker():
        run = await filled.wait(await filled.ask("migrate", {"migration": "shop.careless"}, dry_run=True))

    assert run.outcome.startswith("2 aggregates would have another state than expected.")
    assert [sample.what for sample in run.samples if sample.is_bad] == ["State of shop.basket.b1", "State of shop.basket.b2"]
    assert [failed.item for group in (await read_failures(filled.store.connection, run.id)).groups for failed in group.items] == [
        "shop.basket.b1 would differ: name: 'for May' became None",
        "shop.basket.b2 would differ: name: 'empty' became None",
    ]


async def test_dry_run_lists_every_event_that_cannot_be_transformed(filled: Stage) -> None:
    async with filled.worker():
        run = await filled.wait(await filled.ask("migrate", {"migration": "shop.broken"}, dry_run=True))

    (group,) = (await read_failures(filled.store.connection, run.id)).groups
    assert run.outcome.startswith("2 events cannot be transformed. Read 7 events; 5 would be written.")
    assert group.reason == "KeyError: 'label'"
    assert [(failed.item, failed.link) for failed in group.items] == [
        ("shop.basket.b1 version 2, sequence 2", "/streams/CIM-EVENTS/2/"),
        ("shop.basket.b2 version 1, sequence 4", "/streams/CIM-EVENTS/4/"),
    ]


async def test_dry_run_of_the_way_back_reads_what_came_since_the_switch(filled: Stage) -> None:
    async with filled.worker():
        await filled.wait(await filled.ask("migrate", FORWARD))
        put = replace(added("late"), type="put")
        await append(filled.store, Head(aggregate=AggregateRef("shop", "basket", "b9")), [put])
        run = await filled.wait(await filled.ask("migrate", BACK, dry_run=True))

    assert run.outcome == "Nothing stands in the way. Read 1 events; 1 would be written."
    assert [(sample.now.splitlines()[0], sample.after.splitlines()[0]) for sample in run.samples] == [
        ("put (schema 1) {", "added (schema 1) {"),
    ]


async def test_run_that_would_change_states_fails_and_leaves_everything_as_it_was(filled: Stage) -> None:
    async with filled.worker():
        run = await filled.wait(await filled.ask("migrate", {"migration": "shop.careless"}))

    journal = await read_journal(filled.store, "shop")
    assert (run.state, journal.version, journal.running) == (RunState.FAILED, SchemaVersion(1), None)
    assert "failed at the comparison of states: shop.basket.b1 would differ" in run.outcome
    await append(filled.store, Head(aggregate=AggregateRef("shop", "basket", "b9")), [added("still open")])


async def test_operator_lets_a_path_differ(filled: Stage) -> None:
    async with filled.worker():
        run = await filled.wait(await filled.ask("migrate", {"migration": "shop.careless", "may_differ": "name"}))

    assert run.state is RunState.FINISHED


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"migration": "shop.unknown"},
            "No domain declares the migration 'shop.unknown'; there are shop.careless, shop.broken, shop.tidy-up",
        ),
        ({"migration": "shop.tidy-up", "direction": "back"}, "tidy-up cannot be rolled back now: nothing is applied"),
    ],
)
async def test_plan_refuses_what_cannot_be_done_now(filled: Stage, given: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        await filled.ask("migrate", given)


async def test_plan_refuses_what_is_applied_and_what_starts_elsewhere(filled: Stage) -> None:
    async with filled.worker():
        await filled.wait(await filled.ask("migrate", FORWARD))

    with pytest.raises(InvalidInput, match="tidy-up is applied to shop already; it can be rolled back"):
        await filled.ask("migrate", FORWARD)
    with pytest.raises(InvalidInput, match=r"No migrations lead from schema 2\.0 to 1\.1: careless starts from 1\.0"):
        await filled.ask("migrate", {"migration": "shop.careless"})


async def test_cancelled_run_leaves_nothing_behind(stage: Stage) -> None:
    await fill_many(stage.store, 60)
    async with stage.worker(claim_seconds=20):
        run_id = await stage.ask("migrate", FORWARD, limit=100)
        await stage.wait_for_progress(run_id, lambda progress: progress.done > 0)
        await stage.tell("cancel", run_id)
        run = await stage.wait(run_id)
        journal = await until_nothing_runs(stage.store)

    names = (await read_generations(stage.store.connection, "CIM-EVENTS")).filling
    assert (run.state, names) == (RunState.CANCELLED, None)
    assert journal.entries[-1].kind == "abandoned"
    await append(stage.store, Head(aggregate=AggregateRef("shop", "basket", "after")), [added("still open")])


async def until_nothing_runs(store: Store) -> Journal:
    async with asyncio.timeout(60):
        while True:
            journal = await read_journal(store, "shop")
            if journal.running is None:
                return journal
            await asyncio.sleep(0.05)


async def fill_many(store: Store, baskets: int) -> None:
    for number in range(baskets):
        events = [event for _ in range(20) for event in (added("tea"), named("a"), added("cup+spoon"), removed("tea"))]
        await append(store, Head(aggregate=AggregateRef("shop", "basket", f"m{number:03}")), events)
