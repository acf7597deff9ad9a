"""Exports and imports that are interrupted, and blocks that are appended twice, by several at once, or against others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import BlockConflict
from apps.persistence.events import AggregateRef
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import EventBlock, Store, append_blocks, ensure_home, open_store, open_writer
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import FILES_BUCKET, Format, Place, Selection, Shape, ensure_files, write_events
from apps.persistence.work.progress import find_progress
from apps.persistence.work.run import Run

from .engine_stage import DEADLINE_SECONDS, Stage
from .raw_stream import ORDER as RAW_ORDER
from .raw_stream import make_chain
from .transferring import OTHER, append_chain, blocks, content, export

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_store(own_nats_server.settings()) as store:
        await ensure_home(store.connection)
        await ensure_files(store.connection)
        yield Stage(store=store, operations=OPERATIONS)


# -- interrupted -----------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def worker_to_be_killed(server: EmbeddedServer, *domains: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process that is at work."""
    who = server.settings("worker")
    command = [sys.executable, "-m", "tests.persistence.killed_worker", who.url, who.user or "", who.password or "", *domains]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY)
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def killed(stage: Stage, server: EmbeddedServer, operation: str, given: dict[str, str], *, at: int) -> Run:
    """The run whose worker was killed once it had done `at`, taken up by another."""
    async with worker_to_be_killed(server) as process:
        run_id = await stage.ask(operation, given)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                progress = await find_progress(stage.store.connection, run_id)
                if progress is not None and progress.done >= at:
                    break
                await asyncio.sleep(0.005)
        process.kill()
    async with stage.worker():
        return await stage.wait(run_id)


async def test_export_and_import_whose_worker_is_killed_end_as_unbroken_ones(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    await append_chain(stage.store, 2000)
    await append_chain(stage.store, 1000, to=OTHER)
    whole = await content(stage.store, await export(stage))

    exported = await killed(stage, own_nats_server, "export", {}, at=500)
    name = str(exported.figures["file"])
    brought = await killed(stage, own_nats_server, "import", {"file": name, "stream": "COPY", "root": "copied"}, at=3500)

    assert await content(stage.store, name) == whole
    assert brought.figures["events"] == 3_000, brought.outcome
    assert await blocks(stage.store, "COPY") == await blocks(stage.store)


async def test_export_goes_on_behind_chunks_that_were_stored_after_its_last_checkpoint(stage: Stage) -> None:
    await append_chain(stage.store, 1200)
    selection = Selection(stream="CIM-EVENTS", first=1, last=1200, pattern=">")
    shape = Shape(format=Format.CAR, manifest={"kind": "export"})
    places: list[Place] = []

    async def remember(place: Place) -> None:
        places.append(place)

    writer = await open_writer(stage.store.connection, FILES_BUCKET, "resumed")
    await write_events(stage.store, selection, writer, remember, shape=shape, begin=Place())
    whole = writer.digest
    resumed = await open_writer(stage.store.connection, FILES_BUCKET, "resumed")
    await write_events(stage.store, selection, resumed, remember, shape=shape, begin=places[0])

    assert 0 < places[0].events < 1200
    assert (resumed.digest, resumed.size) == (whole, writer.size)


# -- appending blocks ------------------------------------------------------------------------------------------------------------------


async def test_blocks_of_several_aggregates_are_stored_in_their_order_and_only_once(store: Store) -> None:
    chain, other = make_chain(RAW_ORDER, 2), make_chain(AggregateRef("sales", "order", "o9"), 2)
    given = [EventBlock.read(event.to_block()) for event in (chain[0], other[0], chain[1], other[1])]

    first = await append_blocks(store, given[:3])
    second = await append_blocks(store, given)

    assert (first.stored, first.already) == (3, 0)
    assert (second.stored, second.already) == (1, 3)
    assert [cid for cid, _ in await blocks(store)] == [str(block.cid) for block in given]


async def test_racing_importers_store_every_block_once(store: Store) -> None:
    given = [EventBlock.read(event.to_block()) for event in make_chain(RAW_ORDER, 300)]

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(append_blocks(store, given))

    assert [data for _, data in await blocks(store)] == [block.data for block in given]


async def test_other_bytes_under_a_version_are_a_conflict_that_names_both(store: Store) -> None:
    mine, other = make_chain(RAW_ORDER, 1)[0], make_chain(RAW_ORDER, 1)[0]
    await append_blocks(store, [EventBlock.read(mine.to_block())])

    with pytest.raises(BlockConflict) as conflict:
        await append_blocks(store, [EventBlock.read(other.to_block())])

    assert str(cid_of(mine.to_block())) in str(conflict.value)
    assert str(cid_of(other.to_block())) in str(conflict.value)
