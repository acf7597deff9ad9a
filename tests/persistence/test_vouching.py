"""A later generation of a stream is signed and verified only where the operator trail says that a run made it, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from apps.persistence.encoding import Value
from apps.persistence.errors import Unavailable
from apps.persistence.events import new_id
from apps.persistence.evolution import read_servings, stream_change
from apps.persistence.log.published import read_published, read_refusal
from apps.persistence.store import CONSOLE, kv_delete, kv_put, read_generations
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.store.generations import GENERATIONS_BUCKET
from apps.persistence.work.run import Run, RunState
from apps.persistence.work.vouching import SERVES_AFTER, find_candidates

from . import archiving
from .engine_stage import Stage
from .stream_migrating import change_of, fill, work_of
from .vouching_stage import enter, forge, open_vouching_stage, signing, vouched, write_record

FORWARD, BACK = {"migration": "shop.tidy-up"}, {"migration": "shop.tidy-up", "direction": "back"}
SECOND = "CIM-EVENTS-2"


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    """Two baskets in CIM-EVENTS, which can be migrated."""
    async with open_vouching_stage(own_nats_server, "tests.persistence.migrating_domain") as opened:
        await fill(opened.store)
        yield opened


@pytest.fixture
async def shop(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    """Three baskets in CIM-EVENTS, which can be archived."""
    async with open_vouching_stage(own_nats_server, archiving.DOMAIN) as opened:
        await archiving.fill(opened.store)
        yield opened


async def done(stage: Stage, operation: str, given: dict[str, str] | None = None, **more: Value) -> Run:
    run = await stage.wait(await stage.ask(operation, given, **more))
    assert run.state is RunState.FINISHED, run.outcome
    return run


async def verified(stage: Stage, stream: str = "") -> dict[str, Any]:
    """The figures of a verification of one stream, or of all."""
    given = {"stream": stream} if stream else {"scope": "everything"}
    async with stage.worker():
        return cast("dict[str, Any]", (await done(stage, "verify", {**given, "full": "on"})).figures)


async def refused(stage: Stage) -> dict[str, str]:
    """The candidates for a signature, by stream, with why they are refused."""
    return {one.stream: one.why_not for one in await find_candidates(stage.store)}


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(90):
        while not await is_so():  # noqa: ASYNC110 - what the signer has done has no event to wait for
            await asyncio.sleep(0.05)


# -- honest histories --------------------------------------------------------------------------------------------------------------------


async def test_migrations_there_and_back_and_a_third_generation_are_signed_and_intact(
    stage: Stage, own_nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    connection, streams = stage.store.connection, ("CIM-EVENTS", SECOND, "CIM-EVENTS-3")

    async with stage.worker(), signing(own_nats_server, stage, tmp_path / "signer"):
        runs = [await done(stage, "migrate", given) for given in (FORWARD, BACK, FORWARD)]
        for stream in streams:
            await until(lambda stream=stream: read_published(connection, stream))  # type: ignore[misc]
    figures = await verified(stage)

    assert [run.saw[SERVES_AFTER] for run in runs] == [SECOND, "CIM-EVENTS", "CIM-EVENTS-3"]
    assert (await refused(stage)) == dict.fromkeys((*streams, "CIM-CONSOLE"), "")
    assert [await read_refusal(connection, stream) for stream in streams] == ["", "", ""]
    assert (figures["intact"], figures["findings"]) == (True, [])
    assert [one["stream"] for one in figures["streams"]] == [*streams, "CIM-CONSOLE"]


async def test_archive_with_a_new_generation_is_vouched_for_and_so_is_the_way_back(shop: Stage) -> None:
    async with shop.worker():
        there = await done(shop, "archive", {"last": "5", "new_generation": "on"})
        after = await refused(shop)
        back = await done(shop, "roll-back-archive")
    figures = await verified(shop)

    assert (there.saw[SERVES_AFTER], back.saw[SERVES_AFTER]) == (SECOND, "CIM-EVENTS")
    assert after == await refused(shop) == dict.fromkeys(("CIM-EVENTS", SECOND, "CIM-CONSOLE"), "")
    assert (figures["intact"], len(figures["streams"])) == (True, 3)


async def test_copy_that_was_abandoned_is_no_candidate(stage: Stage) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask("migrate", {"migration": "shop.careless"}))

    assert run.state is RunState.FAILED
    assert list(await refused(stage)) == ["CIM-EVENTS", "CIM-CONSOLE"]


async def test_switch_of_an_older_version_is_vouched_for_by_the_run_that_said_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It entered nothing in the trail, and its record names one run only."""

    async def enter_nothing(*_: object, **__: object) -> None:
        return

    monkeypatch.setattr(stream_change, "enter_serving", enter_nothing)
    async with stage.worker():
        run = await done(stage, "migrate", FORWARD)
    await write_record(stage.store, root="cim.events", serving=2, last=2, filling=None, run=run.id, switched_at=None, switched_by="olga")
    named = await refused(stage)
    await write_record(stage.store, root="cim.events", serving=2, last=3, filling=None, run="", switched_at=None, switched_by="olga")

    assert named == await refused(stage) == dict.fromkeys(("CIM-EVENTS", SECOND, "CIM-CONSOLE"), "")


async def test_run_that_ends_between_entry_and_switch_takes_the_entry_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    change, work = change_of(stage.store), work_of(stage.store)

    async def unreachable(*_: object, **__: object) -> None:
        raise Unavailable("the server is away")

    monkeypatch.setattr(stream_change, "switch_generation", unreachable)
    with pytest.raises(Unavailable):
        await change.up(work)
    entered = await read_servings(stage.store, "CIM-EVENTS")
    await change.abandon(work)

    assert [one.number for one in entered.entries] == [2]
    assert (await read_servings(stage.store, "CIM-EVENTS")).entries == ()
    assert (await vouched(stage, 1)).why_not == ""


async def test_switch_is_open_while_its_run_is_at_work(stage: Stage) -> None:
    """The trail says so before the bucket does."""
    async with stage.commands_alone():
        run = await stage.wait(await stage.ask("migrate", FORWARD), lambda run: run.state is RunState.CONFIRMED)
    await enter(stage.store, 2, run.id)

    assert (await vouched(stage, 1)).is_open


# -- forged ones -------------------------------------------------------------------------------------------------------------------------


async def test_forged_generation_is_refused_by_the_signer_and_found(stage: Stage, own_nats_server: EmbeddedServer, tmp_path: Path) -> None:
    connection = stage.store.connection

    async with stage.worker(), signing(own_nats_server, stage, tmp_path / "signer"):
        await until(lambda: read_published(connection, "CIM-EVENTS"))
        await forge(stage.store, 2)
        await until(lambda: read_refusal(connection, SECOND))
        assert await read_published(connection, SECOND) is None
        said = await read_refusal(connection, SECOND)
    figures = await verified(stage, SECOND)

    assert said.startswith(
        "The operator trail knows of no run that made CIM-EVENTS-2: no run is named for it. Somebody with rights on the server may have put"
    )
    assert (figures["intact"], figures["by_cause"]) == (False, {"not_vouched": 1})
    assert figures["findings"][0]["explanation"] == said
    assert figures["findings"][0]["sequence"] == 1


@pytest.mark.parametrize(
    ("operation", "given", "more"),
    [
        ("migrate", {"migration": "shop.careless"}, {}),
        ("migrate", FORWARD, {"dry_run": True}),
        ("record-heads", {"stream": "CIM-EVENTS"}, {}),
    ],
    ids=["failed", "dry run", "another operation"],
)
async def test_run_that_made_something_else_vouches_for_nothing(
    stage: Stage, operation: str, given: dict[str, str], more: dict[str, Value]
) -> None:
    async with stage.worker():
        run = await stage.wait(await stage.ask(operation, given, **more))

    await forge(stage.store, 2, made=[[2, run.id]])

    assert f"the bucket cim-generations names the run '{run.id}', which did not make it" in (await refused(stage))[SECOND]


async def test_entry_of_the_trail_counts_only_with_a_run_that_was_to_do_that(stage: Stage) -> None:
    async with stage.worker():
        tried = await done(stage, "migrate", FORWARD, dry_run=True)
        migrated = await done(stage, "migrate", FORWARD)
    whys = []
    for number, run_id in enumerate((tried.id, migrated.id, new_id()), start=3):
        await forge(stage.store, number)
        await enter(stage.store, number, run_id)
        whys.append((await vouched(stage, number)).why_not)

    assert [why.partition(", and that run ")[2].partition(".")[0] for why in whys] == [
        "was a dry run",
        "was to have CIM-EVENTS-2 serve",
        "is not in the trail",
    ]


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_switch_back_that_nobody_made_is_found_on_both_streams(stage: Stage, is_deleted: bool) -> None:
    async with stage.worker():
        await done(stage, "migrate", FORWARD)
        await done(stage, "verify")
        await done(stage, "verify", {"stream": SECOND})
    made = [[2, (await read_generations(stage.store.connection, "CIM-EVENTS")).run]]
    await write_record(stage.store, serving=1, last=2, run="", made=cast("Value", made))
    if is_deleted:
        await kv_delete(stage.store.connection, GENERATIONS_BUCKET, "CIM-EVENTS")

    async with stage.worker():
        runs = [await done(stage, "verify", {"stream": stream}) for stream in ("CIM-EVENTS", SECOND)]

    assert [run.figures["by_cause"] for run in runs] == [{"not_vouched": 1}, {"not_vouched": 1}]
    assert "has CIM-EVENTS serve, and by the operator trail CIM-EVENTS-2 does" in (await vouched(stage, 1)).why_not


async def test_generation_without_a_stream_is_found_on_the_one_that_should_serve(stage: Stage) -> None:
    await write_record(stage.store, serving=7, run="")

    figures = await verified(stage)

    assert [(one["stream"], one["intact"]) for one in figures["streams"]] == [("CIM-EVENTS", False), ("CIM-CONSOLE", True)]


async def test_record_that_cannot_be_read_is_refused_and_keeps_nothing_else_from_being_signed(stage: Stage) -> None:
    await write_record(stage.store, serving=1)
    await kv_put(stage.store.connection, GENERATIONS_BUCKET, "CIM-EVENTS", b"rust")

    found = await refused(stage)

    assert "What cim-generations holds of CIM-EVENTS cannot be read" in found["CIM-EVENTS"]
    assert found["CIM-CONSOLE"] == ""


async def test_trail_itself_has_one_generation_whatever_the_bucket_says(stage: Stage) -> None:
    await write_record(stage.store, serving=1)
    await kv_put(stage.store.connection, GENERATIONS_BUCKET, "CIM-CONSOLE", b"\xa1gserving\x02")
    await read_generations(stage.store.connection, "CIM-CONSOLE")

    figures = await verified(stage)

    assert stage.store.on(CONSOLE).layout.stream == "CIM-CONSOLE"
    assert (figures["intact"], [one["stream"] for one in figures["streams"]]) == (True, ["CIM-EVENTS", "CIM-CONSOLE"])
    assert list(await refused(stage)) == ["CIM-EVENTS", "CIM-CONSOLE"]
