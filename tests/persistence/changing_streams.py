"""This module is a stage for tests of operations that change streams: a console at work, and streams of any kind to change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from apps.persistence.console import load_registry
from apps.persistence.operations import OPERATIONS
from apps.persistence.registry import Registry, StreamChanges
from apps.persistence.store import Outgoing, Store, ensure_home, ensure_stream, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import Plan, build_operation
from apps.persistence.work.run import Run
from tests.persistence.engine_stage import Stage
from tests.persistence.raw_stream import RawStream, create_raw_stream, three_chains

ALLOWED = StreamChanges(are_allowed=True, protected=("KEPT-*",))


@asynccontextmanager
async def open_stage(server: EmbeddedServer, changes: StreamChanges = ALLOWED) -> AsyncIterator[Stage]:
    async with open_store(server.settings()) as store:
        await ensure_home(store.connection)
        yield Stage(store=store, operations=OPERATIONS, registry=load_registry([], stream_changes=changes))


async def three_known_chains(stage: Stage) -> RawStream:
    """Three chains of eight versions in turn, 24 events, in a stream that the registry knows."""
    stream = await create_raw_stream(stage.store)
    stage.registry.layouts = (*stage.registry.layouts, stream.layout)
    await stream.write(*three_chains())
    return stream


async def make_stream(store: Store, *, name: str = "", **config: Any) -> str:
    """A stream that takes `{its name}.>`."""
    name = name or f"ORDERS-{uuid4().hex[:8]}"
    await ensure_stream(store.connection, {"name": name, "subjects": [f"{name}.>"], "allow_direct": True, **config})
    return name


async def publish(store: Store, stream: str, *subjects: str) -> None:
    for subject in subjects:
        await store_message(store.connection, Outgoing(f"{stream}.{subject}", b"{}", {}))


async def plan(stage: Stage, operation: str, registry: Registry | None = None, **given: str) -> Plan:
    built = build_operation(stage.operations[operation], given)
    return await built.plan(stage.store, registry or stage.registry)


async def carry_out(stage: Stage, operation: str, **given: str) -> Run:
    """Plan, confirm, and wait for the end."""
    async with stage.worker():
        return await stage.wait(await stage.ask(operation, given))


def facts(found: Plan) -> dict[str, tuple[str, str]]:
    """What changes, by name."""
    return {change.what: (change.now, change.after) for change in found.changes}


def one_of(notes: Sequence[str], part: str) -> str:
    """The one note that holds `part`."""
    (note,) = [note for note in notes if part in note]
    return note
