"""This module is the live part of every page's frame: the connections, the workers that live and the runs that are not ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from apps.connection import connection_names, kept_store
from apps.persistence.errors import PersistenceError
from apps.persistence.store import Connection
from apps.persistence.store.link import Link
from apps.persistence.work.heartbeat import list_workers
from apps.persistence.work.run_index import count_running
from apps.standing import Standing, look_at

from .frames import Fragment, Frame, render
from .sources import source

LOOK_SECONDS = 2.0

R = TypeVar("R")


@source("shell", permission="live.view", needs_store=False)
async def shell(_store: None, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The top bar's right side. It runs while NATS is away, too, to say so; what is not known then stays empty.

    A server that does not answer a ping is asked nothing more, so that the pages say so within two looks.
    """
    while True:
        connections = await _look_at_all()
        answers = connections[0].state == Link.CONNECTED
        workers = await _known(list_workers) if answers else None
        running = await _known(count_running) if answers else None
        yield [
            *(fragment for standing in connections for fragment in _fragments_of(standing)),
            render("shell/_workers.html", id="workers", workers_alive=None if workers is None else len(workers)),
            render("shell/_running.html", id="running-runs", running_runs=running),
        ]
        await asyncio.sleep(LOOK_SECONDS)


async def _look_at_all() -> Sequence[Standing]:
    """All at the same time: one that is away takes its while to say so."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look_at(name)) for name in connection_names()]
    return [task.result() for task in tasks]


def _fragments_of(standing: Standing) -> Sequence[Fragment]:
    """The pill on the pages of this connection, and its entry in the menu of every page."""
    return [
        render("shell/_connection.html", id=f"connection-state{standing.id}", connection=standing),
        render("shell/_connection_entry.html", id=f"connection-entry{standing.id}", connection=standing, observed=standing.observed),
    ]


async def _known(question: Callable[[Connection], Awaitable[R]]) -> R | None:
    """The answer, or None where the server gives none."""
    try:
        store = await kept_store()
        return await question(store.connection)
    except PersistenceError:
        return None
