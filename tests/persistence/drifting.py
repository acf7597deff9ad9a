"""This module is a stage for tests of the drift watch: a stream that is watched, and what anybody can change about it past the console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from apps.persistence.drift import DriftReport, look, read_drift
from apps.persistence.drift.record import ensure_drift
from apps.persistence.drift.trail import drift_ref
from apps.persistence.store import CONSOLE, Store, ensure_event_stream, ensure_home, get_stream, load, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import fresh_layout
from .engine_stage import append_events

EVENTS_THERE = 6


@asynccontextmanager
async def open_watched(server: EmbeddedServer, *, is_looked_at: bool = True) -> AsyncIterator[Store]:
    layout = fresh_layout()
    async with open_store(server.settings("worker"), layout=layout, layouts=[layout, CONSOLE]) as opened:
        await ensure_home(opened.connection)
        await ensure_drift(opened.connection)
        await ensure_event_stream(opened.connection, layout)
        await append_events(opened, EVENTS_THERE)
        if is_looked_at:
            await look_at(opened)
        yield opened


async def look_at(store: Store) -> DriftReport:
    """Look once, and what is found about the stream of the test."""
    await look(store, [store.layout.stream])
    return (await read_drift(store)).of(store.layout.stream)


async def change(store: Store, **config: Any) -> None:
    """What anybody with the right on the server can do, past the console."""
    info = await get_stream(store.connection, store.layout.stream)
    await store.connection.api(f"STREAM.UPDATE.{info.name}", {**info.config, **config}, stream=info.name)


def alarms_of(found: DriftReport) -> dict[str, tuple[str, str]]:
    return {alarm.field: (alarm.before, alarm.after) for alarm in found.alarms}


async def trail_of(store: Store) -> list[str]:
    found = await load(store.on(CONSOLE), drift_ref(f"stream/{store.layout.stream}"))
    return [f"{stored.event.type} {stored.event.payload['field']}" for stored in found.events]
