"""Backups of streams: the file that a run writes, what it says of itself, and what an interrupted one leaves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from apps.persistence.errors import InvalidInput, StreamNotFound
from apps.persistence.store import Outgoing, Store, ensure_bucket, kv_put, list_objects, read_batch, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import (
    FILES_BUCKET,
    UPLOADS_BUCKET,
    BackupReader,
    ensure_files,
    get_file,
    list_files,
    open_backup_file,
    open_file,
)
from apps.persistence.work.run import RunState

from .changing_streams import carry_out, facts, make_stream, open_stage, plan
from .engine_stage import Stage
from .test_transfer_resumed import worker_to_be_killed


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(own_nats_server) as opened:
        await ensure_files(opened.store.connection)
        yield opened


async def fill(store: Store, stream: str, count: int, *, size: int = 100) -> None:
    for number in range(count):
        await store_message(store.connection, Outgoing(f"{stream}.{number % 10}", os.urandom(size), {}))


async def opened(store: Store, name: str) -> BackupReader:
    return await open_backup_file(open_file(store.connection, await get_file(store.connection, name)))


async def pieces_left(store: Store) -> int:
    """How many chunks of files there are, seen or not."""
    found = 0
    for bucket in (FILES_BUCKET, UPLOADS_BUCKET):
        batch = await read_batch(store.connection, f"OBJ_{bucket}", limit=1, pattern=f"$O.{bucket}.C.>")
        found += len(batch.messages)
    return found


async def test_backup_writes_a_file_that_says_what_it_is_of(stage: Stage) -> None:
    stream = await make_stream(stage.store, name="ORDERS")
    await fill(stage.store, stream, 25)

    run = await carry_out(stage, "backup", stream=stream)

    assert run.state is RunState.FINISHED, run.outcome
    (file,) = await list_files(stage.store.connection)
    assert (file.kind, file.source, file.by, file.run, file.events) == ("backup", "ORDERS 1 – 25, 25 messages", "olga", run.id, 25)
    assert run.figures["sha256"] == file.stored.digest
    backup = await opened(stage.store, file.name)
    assert (backup.manifest.stream, backup.manifest.messages, backup.manifest.last_sequence) == ("ORDERS", 25, 25)
    assert backup.manifest.config["subjects"] == ["ORDERS.>"]
    assert backup.manifest.server.startswith("nats-server 2.")
    assert sum([len(chunk) async for chunk in backup.chunks()]) > 2500


async def test_backup_of_a_bucket_and_of_an_empty_stream_are_files_too(stage: Stage) -> None:
    await ensure_bucket(stage.store.connection, "colours")
    await kv_put(stage.store.connection, "colours", "sky", b"blue")
    await make_stream(stage.store, name="EMPTY")

    bucket = await carry_out(stage, "backup", stream="KV_colours")
    empty = await carry_out(stage, "backup", stream="EMPTY")

    assert "KV_colours 1 – 1, 1 message " in bucket.outcome
    assert "EMPTY, empty" in empty.outcome


async def test_plan_says_where_the_file_lies_and_how_much_it_is_at_most(stage: Stage) -> None:
    stream = await make_stream(stage.store)
    await fill(stage.store, stream, 5)

    found = await plan(stage, "backup", stream=stream, consumers="off")

    assert facts(found)["Messages in it"] == ("none", "5, or what is stored when it begins")
    assert facts(found)["Consumers in it"] == ("none", "left out")
    assert "what takes the server takes both" in " ".join(found.notes)


async def test_stream_in_memory_and_the_files_themselves_are_refused_with_the_reason(stage: Stage) -> None:
    stream = await make_stream(stage.store, storage="memory")

    with pytest.raises(InvalidInput, match="lies in memory, and the server backs up only streams that lie in files; export it instead"):
        await plan(stage, "backup", stream=stream)
    with pytest.raises(InvalidInput, match="cannot be backed up into itself"):
        await plan(stage, "backup", stream=f"OBJ_{FILES_BUCKET}")
    with pytest.raises(StreamNotFound):
        await plan(stage, "backup", stream="NOWHERE")


async def test_cancelled_backup_leaves_nothing_and_keeps_to_its_limit_before(stage: Stage) -> None:
    stream = await make_stream(stage.store)
    await fill(stage.store, stream, 40, size=50_000)

    async with stage.worker():
        run_id = await stage.ask("backup", {"stream": stream}, limit=200_000)
        progress = await stage.wait_for_progress(run_id, lambda progress: progress.done > 0)
        await stage.tell("cancel", run_id)
        run = await stage.wait(run_id)
        assert await stage.at_rest(run_id) < 2_000_000

    assert run.state is RunState.CANCELLED
    assert progress.total > 2_000_000
    assert await list_objects(stage.store.connection, FILES_BUCKET) == []
    assert await pieces_left(stage.store) == 0


async def test_backup_whose_worker_is_killed_begins_again_and_is_whole(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    stream = await make_stream(stage.store)
    await fill(stage.store, stream, 60, size=50_000)

    async with worker_to_be_killed(own_nats_server) as process:
        run_id = await stage.ask("backup", {"stream": stream}, limit=600_000)
        await stage.wait_for_progress(run_id, lambda progress: progress.done > 300_000)
        process.kill()
    assert await list_objects(stage.store.connection, FILES_BUCKET) == []
    await stage.tell("limit", run_id, {"limit": 0})
    async with stage.worker():
        run = await stage.wait(run_id)

    assert run.state is RunState.FINISHED, run.outcome
    progress = await stage.wait_for_progress(run_id, lambda progress: True)
    assert "begins again from the beginning" in " ".join(progress.log)
    (file,) = await list_objects(stage.store.connection, FILES_BUCKET)
    backup = await opened(stage.store, file.name)
    assert sum([len(chunk) async for chunk in backup.chunks()]) > 3_000_000
    left = await read_batch(stage.store.connection, f"OBJ_{FILES_BUCKET}", pattern=f"$O.{FILES_BUCKET}.C.>", limit=500)
    assert {message.subject.rpartition(".")[2] for message in left.messages} == {file.nuid}


async def test_backup_takes_what_is_written_meanwhile_or_not_and_is_whole(stage: Stage) -> None:
    stream = await make_stream(stage.store)
    await fill(stage.store, stream, 20, size=50_000)

    async with stage.worker(), asyncio.TaskGroup() as group:
        run_id = await stage.ask("backup", {"stream": stream}, limit=1_000_000)
        group.create_task(fill(stage.store, stream, 200))
        run = await stage.wait(run_id)

    assert run.state is RunState.FINISHED, run.outcome
    backup = await opened(stage.store, str(run.figures["file"]))
    assert len([chunk async for chunk in backup.chunks()]) > 1
