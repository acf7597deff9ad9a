"""This module is the live part of the runs pages: one run from its request to its receipt, and the newest runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.store import CoreMessage, Store
from apps.persistence.subjects import check_token
from apps.persistence.work.heartbeat import list_workers
from apps.persistence.work.run_index import list_runs

from .asking import listen, waiting_requests
from .listing import PAGE_RUNS, rows_of
from .page import RunPage, read_run_page

LOOK_SECONDS = 2.0
REST_SECONDS = 0.25
MOST_BEHIND = 8
"""So often a run is looked at anew at once because an event was told of that is not stored yet; it may never be."""
LIST_SECONDS = 1.0


@source("run", permission="runs.view")
async def run(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`ID/control` or `ID/watch`, with `+export` or not: the run with or without buttons that work, until it has ended."""
    run_id, _, rights = argument.partition("/")
    check_token(run_id, "a run's id")
    heard = _Heard()
    await listen(store.connection)
    async with AsyncExitStack() as stack:
        for pattern in (f"cim.console.run.{run_id}.>", f"$KV.cim-runs.{run_id}", f"$KV.cim-runs.{run_id}.>", f"cim.live.commands.{run_id}"):
            await stack.enter_async_context(store.connection.subscribe(pattern, heard.hear))
        while True:
            heard.something.clear()
            page = await read_run_page(store, run_id)
            yield fragments(page, may_control=rights.startswith("control"), may_export=rights.endswith("+export"))
            if page.run is not None and page.run.state.is_ended:
                return
            await asyncio.sleep(REST_SECONDS)
            if heard.is_ahead_of(page):
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await heard.something.wait()


@dataclass(slots=True)
class _Heard:
    """What flew by of a run. An event does so a moment before it is stored, so that a look at it may come too early."""

    something: asyncio.Event = field(default_factory=asyncio.Event)
    version: int = 0
    tries: int = 0

    def hear(self, message: CoreMessage) -> None:
        if message.subject.startswith("cim.console."):
            self.version, self.tries = int(message.subject.rpartition(".v")[2]), 0
        self.something.set()

    def is_ahead_of(self, page: RunPage) -> bool:
        """Whether it is to be looked at again at once."""
        self.tries += 1
        return self.tries <= MOST_BEHIND and self.version > (page.run.head.version if page.run else 0)


@source("runs", permission="runs.view")
async def runs(store: Store, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The rows of the newest runs; a page that lacks the newest fetches itself again."""
    while True:
        page = await list_runs(store.connection, limit=PAGE_RUNS)
        newest = page.runs[0].id if page.runs else ""
        rows = [render("runs/_row.html", id=f"run-{row.run.id}", row=row) for row in rows_of(page)]
        waiting = await waiting_requests(store.connection)
        workers_alive = len(await list_workers(store.connection))
        notice = render("runs/_waiting.html", id="runs-waiting", waiting=waiting, workers_alive=workers_alive)
        yield [*rows, notice, Refresh(id="runs-newest", revision=newest)]
        await asyncio.sleep(LIST_SECONDS)


def fragments(page: RunPage, *, may_control: bool, may_export: bool) -> list[Frame]:
    """Everything on a run's page that changes while it runs."""
    return [
        render(f"runs/_{name}.html", id=f"run-{name}", page=page, may_control=may_control, may_export=may_export)
        for name in ("state", "acts", "progress", "failures", "facts", "log", "events")
    ]
