"""Runs whose workers are killed at random points: replay, rebuild, snapshot, verify and migrate end byte for byte like an unbroken one.

CIM_KILLS is how many workers are killed in all, a fifth of them in each kind of run; 200 is the full number.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from random import Random

import pytest

from apps.persistence.chain import read_mark
from apps.persistence.console import load_registry
from apps.persistence.encoding import Value, encode
from apps.persistence.errors import InvalidInput, NotFound, Unavailable
from apps.persistence.events import AggregateRef, Event, Head, NewEvent
from apps.persistence.evolution.survey import EPOCH
from apps.persistence.operations import OPERATIONS, verify
from apps.persistence.projections import bucket_of, place_of, read_position, read_record
from apps.persistence.snapshots import list_snapshots
from apps.persistence.store import Store, append, ensure_home, get_stream, kv_all, open_store, read_batch, read_generations, stream_name
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import build_operation
from apps.persistence.work.run import Run, RunState, load_run

from .engine_stage import Stage
from .killed_forks import RANGE_EVENTS
from .test_migrate import fill_many

KINDS = 5
KILLS = max(1, int(os.environ.get("CIM_KILLS", "5")) // KINDS)
ORDERS, EVENTS_OF_EACH = 40, 25
SECONDS = 1.0
"""How long an unbroken run is made to last, by its limit."""

Bytes = Mapping[str, bytes] | list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of run: what is asked for, the bytes that it leaves, and how what it did is undone before the next."""

    operation: str
    given: Mapping[str, str]
    steps: int
    domain: str = "tests.persistence.replay_domain"
    left: Callable[[Stage, Run], Awaitable[Bytes]]
    undo: Callable[[Stage, Process], Awaitable[None]]

    @property
    def limit(self) -> int:
        return int(self.steps / SECONDS)


# -- what each leaves ---------------------------------------------------------------------------------------------------------------------


async def models_left(stage: Stage, run: Run) -> Bytes:
    """Every model of the build that serves, and its position."""
    record = await read_record(stage.store.connection, "order-counts")
    return {entry.key: entry.value for entry in await kv_all(stage.store.connection, bucket_of("order-counts", record.serving))}


async def snapshots_left(stage: Stage, run: Run) -> Bytes:
    """The snapshots of each order, but for when they were taken."""
    found: dict[str, bytes] = {}
    for number in range(ORDERS):
        for snapshot in await list_snapshots(stage.store, order(number)):
            found[f"{number} {snapshot.version}"] = replace(snapshot, taken_at=EPOCH).to_block()
    return found


async def verdict_left(stage: Stage, run: Run) -> Bytes:
    """The receipt's figures and the mark, but for times."""
    mark = await read_mark(stage.store, "CIM-EVENTS")
    assert mark is not None
    figures = {name: value for name, value in run.figures.items() if name not in ("seconds", "mark", "marked")}
    marked: dict[str, Value] = {"sequence": mark.sequence, "intact": mark.intact, "findings": mark.findings, "checked": mark.checked}
    return {"outcome": run.outcome.encode(), "figures": encode(figures), "mark": encode(marked)}


async def events_left(stage: Stage, run: Run) -> Bytes:
    """Every event of the generation that serves."""
    record = await read_generations(stage.store.connection, "CIM-EVENTS")
    return await blocks_of(stage.store, stream_name("CIM-EVENTS", record.serving))


async def blocks_of(store: Store, stream: str) -> list[bytes]:
    """All bytes of a stream but those of its manifest, which names the stream itself."""
    found: list[bytes] = []
    last = (await get_stream(store.connection, stream)).last_sequence
    position = 1
    while position <= last:
        batch = await read_batch(store.connection, stream, from_sequence=position, limit=1000)
        found += [message.data for message in batch.messages if Event.from_block(message.data).aggregate.type != "generation"]
        position = batch.messages[-1].sequence + 1
    return found


async def nothing(stage: Stage, process: Process) -> None:
    """Each run begins anew by itself."""


async def drop_snapshots(stage: Stage, process: Process) -> None:
    await stage.store.connection.api("STREAM.PURGE.KV_cim-snapshots", {}, stream="KV_cim-snapshots")


async def roll_back(stage: Stage, process: Process) -> None:
    async with forked(process):
        run = await stage.wait(await stage.ask("migrate", {"migration": "shop.tidy-up", "direction": "back"}))
    assert run.state is RunState.FINISHED


ALL_KINDS = [
    Kind(operation="replay", given={"projection": "order-counts"}, steps=1_000, left=models_left, undo=nothing),
    Kind(operation="rebuild", given={"projection": "order-counts"}, steps=1_000, left=models_left, undo=nothing),
    Kind(operation="snapshot", given={"scope": "type", "type": "sales.order"}, steps=40, left=snapshots_left, undo=drop_snapshots),
    Kind(operation="verify", given={"stream": "CIM-EVENTS", "full": "on"}, steps=1_000, left=verdict_left, undo=nothing),
    Kind(
        operation="migrate",
        given={"migration": "shop.tidy-up"},
        steps=1_600,
        domain="tests.persistence.migrating_domain",
        left=events_left,
        undo=roll_back,
    ),
]


# -- the stage ----------------------------------------------------------------------------------------------------------------------------


def order(number: int) -> AggregateRef:
    return AggregateRef("sales", "order", f"o{number:02}")


async def fill(store: Store, domain: str) -> None:
    if domain == "tests.persistence.migrating_domain":
        await fill_many(store, 20)
        return
    for number in range(ORDERS):
        events = [NewEvent(type="item_added", payload={"number": number * count}) for count in range(EVENTS_OF_EACH)]
        await append(store, Head(aggregate=order(number)), events)


async def is_ready(stage: Stage, kind: Kind) -> bool:
    """Whether projections have come to the head, and so the run can be planned."""
    try:
        await build_operation(OPERATIONS[kind.operation], dict(kind.given)).plan(stage.store, stage.registry)
        position = await read_position(stage.store.connection, place_of(stage.registry.projections["aggregates"], 1))
        if "order-counts" in stage.registry.projections:
            counted = await read_position(stage.store.connection, place_of(stage.registry.projections["order-counts"], 1))
            return position.applied == counted.applied == ORDERS * EVENTS_OF_EACH
    except (InvalidInput, NotFound, Unavailable):
        return False
    return True


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(verify, "PART_EVENTS", RANGE_EVENTS)
    registry = load_registry([kind.domain])
    async with open_store(own_nats_server.settings("worker"), layouts=registry.layouts, upcasters=registry.upcasters) as store:
        await ensure_home(store.connection)
        await fill(store, kind.domain)
        made = Stage(store=store, operations=OPERATIONS, registry=registry)
        async with made.worker(), asyncio.timeout(120):
            while not await is_ready(made, kind):  # noqa: ASYNC110 - what a worker has done has no event to wait for
                await asyncio.sleep(0.05)
        yield made


@asynccontextmanager
async def forks(server: EmbeddedServer, domain: str) -> AsyncIterator[Process]:
    arguments = ("tests.persistence.killed_forks", server.url, "worker", server.password("worker"), domain)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *arguments, stdin=PIPE, stdout=PIPE)
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def forked(process: Process) -> AsyncIterator[None]:
    """A worker that is killed at the end of the block."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    async with asyncio.timeout(60):
        pid = int(await process.stdout.readline())
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def kill_one(stage: Stage, process: Process, run_id: str, seconds: float) -> bool:
    """Start a worker and kill it some time after it has the run in hand; whether the run was still going on then."""
    before = await load_run(stage.store, run_id)
    attempts = before.attempts if before else 0
    async with forked(process):
        await stage.wait(run_id, lambda run: run.attempts > attempts or run.state.is_ended)
        await asyncio.sleep(seconds)
    after = await load_run(stage.store, run_id)
    return after is not None and not after.state.is_ended


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.operation)
async def test_run_with_killed_workers_ends_byte_for_byte_like_an_unbroken_one(
    stage: Stage, kind: Kind, own_nats_server: EmbeddedServer
) -> None:
    async def finish(run_id: str) -> tuple[Run, Bytes]:
        async with forked(process):
            run = await stage.wait(run_id)
        assert run.state is RunState.FINISHED, run.outcome
        left = await kind.left(stage, run)
        await kind.undo(stage, process)
        return run, left

    async with forks(own_nats_server, kind.domain) as process:
        run, unbroken = await finish(await stage.ask(kind.operation, dict(kind.given), limit=kind.limit))
        lasts, chance, killed = seconds_of(run), Random(kind.operation), 0
        while killed < KILLS:
            run_id = await stage.ask(kind.operation, dict(kind.given), limit=kind.limit)
            for _ in range(chance.randint(1, min(4, KILLS - killed))):
                if not await kill_one(stage, process, run_id, chance.uniform(0, lasts)):
                    break
                killed += 1

            assert (await finish(run_id))[1] == unbroken


def seconds_of(run: Run) -> float:
    assert run.started_at is not None
    assert run.ended_at is not None
    return (run.ended_at - run.started_at).total_seconds()
