"""This module is the live part of every page's frame: how the connection to NATS is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from apps.connection import connection_state, kept_store
from apps.keeper import HOME
from apps.persistence.errors import Unavailable

from .frames import Fragment, Frame, render
from .sources import source

LOOK_SECONDS = 5.0


@source("shell", permission="live.view", needs_store=False)
async def shell(_store: None, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The pills of the top bar. It runs while NATS is away, too, to say so."""
    while True:
        yield [await _connection()]
        await asyncio.sleep(LOOK_SECONDS)


async def _connection() -> Fragment:
    round_trip_ms = await _round_trip_ms()
    connection = {"name": HOME, "state": connection_state().link.value, "round_trip_ms": round_trip_ms}
    return render("shell/_connection.html", id="connection-state", connection=connection)


async def _round_trip_ms() -> float | None:
    try:
        store = await kept_store()
        return await store.connection.round_trip_ms()
    except Unavailable:
        return None
