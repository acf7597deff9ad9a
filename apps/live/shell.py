"""This module is the live part of every page's frame: the connection to NATS, the workers that live and the runs that are not ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from apps.connection import connection_state, kept_store
from apps.keeper import HOME
from apps.persistence.errors import PersistenceError
from apps.persistence.store import Connection
from apps.persistence.work.heartbeat import list_workers
from apps.persistence.work.run_index import count_running

from .frames import Frame, render
from .sources import source

LOOK_SECONDS = 2.0

R = TypeVar("R")


@source("shell", permission="live.view", needs_store=False)
async def shell(_store: None, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The pills of the top bar. It runs while NATS is away, too, to say so; what is not known then stays empty."""
    while True:
        round_trip_ms = await _known(Connection.round_trip_ms)
        workers = await _known(list_workers)
        running = await _known(count_running)
        connection = {"name": HOME, "state": connection_state().link.value, "round_trip_ms": round_trip_ms}
        yield [
            render("shell/_connection.html", id="connection-state", connection=connection),
            render("shell/_workers.html", id="workers", workers_alive=None if workers is None else len(workers)),
            render("shell/_running.html", id="running-runs", running_runs=running),
        ]
        await asyncio.sleep(LOOK_SECONDS)


async def _known(question: Callable[[Connection], Awaitable[R]]) -> R | None:
    """The answer, or None where the server gives none."""
    try:
        store = await kept_store()
        return await question(store.connection)
    except PersistenceError:
        return None
