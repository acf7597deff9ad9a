"""This module is what the tests of vouched generations share: the signer beside the workers, and somebody who forges a generation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from apps.persistence.console import load_registry
from apps.persistence.encoding import Value, encode
from apps.persistence.events import Head, NewEvent
from apps.persistence.evolution import read_servings
from apps.persistence.log.kept import ensure_log
from apps.persistence.log.published import ensure_checkpoints
from apps.persistence.log.signer import open_signer_folder, sign_logs
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import CONSOLE, EVENTS, Store, append, ensure_bucket, ensure_event_stream, ensure_home, kv_put, open_store
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.store.generations import GENERATIONS_BUCKET, read_generations
from apps.persistence.transfer import ensure_files
from apps.persistence.work.vouching import Vouched, find_candidates, vouch

from .baskets import BASKET_REF, added
from .changing_streams import ALLOWED
from .engine_stage import Stage


@asynccontextmanager
async def open_vouching_stage(server: EmbeddedServer, domain: str) -> AsyncIterator[Stage]:
    """A console of one domain, with its log; nothing is in it."""
    registry = load_registry([domain], stream_changes=ALLOWED)
    async with open_store(server.settings("admin")) as store:
        await ensure_home(store.connection)
        await ensure_files(store.connection)
        await ensure_log(store.connection)
        await ensure_checkpoints(store.connection)
        informed = replace(store, layouts=registry.layouts, upcasters=registry.upcasters)
        yield Stage(store=informed, operations=OPERATIONS, registry=registry)


@asynccontextmanager
async def signing(server: EmbeddedServer, stage: Stage, folder: Path) -> AsyncIterator[None]:
    """The signer at work, with its few rights."""
    async with open_connection(server.settings("signer")) as connection:
        store = Store(connection=connection, layouts=stage.registry.layouts, makes_consumers=False)
        with open_signer_folder(folder) as opened:
            task = asyncio.create_task(sign_logs(connection, opened, lambda: find_candidates(store), on_ready=lambda: None))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait({task})


async def forge(store: Store, number: int, **record: Value) -> None:
    """Make a generation of one's own, and write that it serves."""
    layout = EVENTS.of_generation(number)
    await ensure_event_stream(store.connection, layout)
    await append(store.on(layout), Head(aggregate=BASKET_REF), [added("forged")])
    await write_record(store, serving=number, run="", **record)


async def write_record(store: Store, **record: Value) -> None:
    """Write what the bucket of generations says, as anybody with rights on the server can; it is known here then."""
    await ensure_bucket(store.connection, GENERATIONS_BUCKET, history=10)
    await kv_put(store.connection, GENERATIONS_BUCKET, EVENTS.stream, encode(record))
    await read_generations(store.connection, EVENTS.stream)


async def enter(store: Store, number: int, run: str) -> None:
    """Enter in the trail by hand that a run made a generation serve."""
    said: dict[str, Value] = {"generation": number, "stream": f"CIM-EVENTS-{number}", "run": run}
    before = await read_servings(store, EVENTS.stream)
    await append(store.on(CONSOLE), before.head, [NewEvent(type="serves", payload=said, actor="mallory")])


async def vouched(stage: Stage, number: int) -> Vouched:
    return await vouch(stage.store, EVENTS.of_generation(number))
