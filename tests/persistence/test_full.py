"""Servers and streams that are full: a run that cannot store rests, says why in plain words, and loses nothing when it goes on."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.console import load_registry
from apps.persistence.errors import OutOfSpace
from apps.persistence.operations import OPERATIONS
from apps.persistence.registry import StreamChanges
from apps.persistence.store import CoreMessage, Layout, Outgoing, Store, ensure_home, get_stream, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files
from apps.persistence.work.run import Run, RunState
from apps.persistence.work.trouble import TROUBLES_ROOT, read_trouble

from .changing_streams import make_stream
from .engine_stage import Stage
from .transferring import append_chain, blocks, export

SPACE = 12_000_000
COPY = {"name": "COPY", "subjects": ["copied.>"], "discard": "new", "allow_atomic": True, "allow_direct": True}


class SmallServer(EmbeddedServer):
    """A server that may store 12 MB."""

    def _config(self) -> str:
        return re.sub(r"max_file_store: [0-9]+", f"max_file_store: {SPACE}", super()._config())


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    with SmallServer(tmp_path / "nats") as server:
        async with open_store(server.settings()) as store:
            await ensure_home(store.connection)
            await ensure_files(store.connection)
            changes = StreamChanges(are_allowed=True)
            yield Stage(store=store, operations=OPERATIONS, registry=load_registry([], stream_changes=changes))


async def stored_bytes(store: Store) -> int:
    return int((await store.connection.api("INFO"))["storage"])


async def leave(store: Store, space: int) -> None:
    """Fill the server until so many bytes are left."""
    await make_stream(store, name="BALLAST")
    while (left := SPACE - await stored_bytes(store) - space) > 0:
        await store_message(store.connection, Outgoing("BALLAST.one", os.urandom(min(900_000, left)), {}))


async def fill(store: Store) -> None:
    """Fill the server until it stores nothing more."""
    await leave(store, 0)
    try:
        while True:
            await store_message(store.connection, Outgoing("BALLAST.one", os.urandom(10_000), {}))
    except OutOfSpace:
        return


async def make_space(store: Store) -> None:
    await store.connection.api("STREAM.PURGE.BALLAST")


async def why_it_rests(stage: Stage, run_id: str) -> str:
    """What is said of the run: in core NATS where nothing can be stored, in its events where a little can."""
    said: list[CoreMessage] = []
    async with stage.store.connection.subscribe(f"{TROUBLES_ROOT}.{run_id}", said.append):
        run = await stage.wait(run_id, lambda run: run.why_paused or said)
    return read_trouble(said[0].data)[1] if said else run.why_paused


async def at_its_end(stage: Stage, run_id: str) -> Run:
    """The run once it has ended; resumed where it was paused."""
    run = await stage.wait(run_id, lambda run: run.state.is_ended or run.state is RunState.PAUSED)
    if run.state is RunState.PAUSED:
        await stage.tell("resume", run_id)
    return await stage.wait(run_id)


async def test_import_into_a_stream_at_its_limit_rests_says_why_and_goes_on_when_resumed(stage: Stage) -> None:
    await append_chain(stage.store, 1500)
    name = await export(stage, format="car")
    await stage.store.connection.api("STREAM.CREATE.COPY", {**COPY, "max_bytes": 400_000})

    async with stage.worker():
        run_id = await stage.ask("import", {"file": name, "stream": "COPY"})
        resting = await stage.wait(run_id, lambda run: run.state is not RunState.RUNNING and run.attempts > 0)
        held = (await get_stream(stage.store.connection, "COPY")).messages
        await stage.store.connection.api("STREAM.UPDATE.COPY", {**COPY, "max_bytes": 5_000_000})
        await stage.tell("resume", run_id)
        run = await stage.wait(run_id)

    assert resting.state is RunState.PAUSED
    assert resting.why_paused == (
        "The server cannot store more: maximum bytes exceeded (code 10077). Free space or raise the limit, then retry."
    )
    assert 0 < held < 1500
    assert (run.state, run.why_paused) == (RunState.FINISHED, "")
    assert await blocks(stage.store, "COPY") == await blocks(stage.store)


async def test_import_on_a_full_server_says_why_and_goes_on_once_there_is_space(stage: Stage) -> None:
    await append_chain(stage.store, 1500)
    name = await export(stage, format="car")
    await leave(stage.store, 600_000)

    async with stage.worker():
        run_id = await stage.ask("import", {"file": name, "stream": "COPY", "root": "copied"})
        await stage.wait(run_id, lambda run: run.attempts > 0)
        await fill(stage.store)
        said = await why_it_rests(stage, run_id)
        await make_space(stage.store)
        run = await at_its_end(stage, run_id)

    assert "The server cannot store more: " in said
    assert "Free space or raise the limit, then retry." in said
    assert run.state is RunState.FINISHED, run.outcome
    assert await blocks(stage.store, "COPY") == await blocks(stage.store)
    assert (await verify_stream(stage.store.on(Layout(stream="COPY", root="copied", is_pinned=True)))).intact


async def test_replay_on_a_full_server_goes_on_once_there_is_space(stage: Stage) -> None:
    await append_chain(stage.store, 1500)

    async with stage.worker():
        await stage.wait_until_listed(0)
        await leave(stage.store, 600_000)
        run_id = await stage.ask("replay", {"projection": "aggregates"}, limit=500)
        await stage.wait_for_progress(run_id, lambda progress: progress.done > 0)
        await fill(stage.store)
        said = await why_it_rests(stage, run_id)
        await make_space(stage.store)
        await stage.tell("limit", run_id, {"limit": 0})
        run = await at_its_end(stage, run_id)

    assert "The server cannot store more" in said
    assert run.state is RunState.FINISHED, run.outcome


async def test_restore_without_space_leaves_nothing_and_is_verified_once_there_is(stage: Stage) -> None:
    stream = await make_stream(stage.store, name="ORDERS")
    for _ in range(6):
        await store_message(stage.store.connection, Outgoing("ORDERS.one", os.urandom(500_000), {}))

    async with stage.worker():
        backup = await stage.wait(await stage.ask("backup", {"stream": stream}))
        await stage.store.connection.api("STREAM.DELETE.ORDERS")
        await leave(stage.store, 1_500_000)
        run_id = await stage.ask("restore", {"file": str(backup.figures["file"])})
        resting = await stage.wait(run_id, lambda run: run.why_paused)
        there = (await stage.store.connection.api("STREAM.NAMES"))["streams"]
        await make_space(stage.store)
        await stage.tell("resume", run_id)
        run = await stage.wait(run_id)

    assert "The server cannot store more" in resting.why_paused
    assert "ORDERS" not in there
    assert "verified it: 6 messages read, up to sequence 6" in run.outcome
