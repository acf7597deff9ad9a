"""This module is the stage of all measures: a server of one's own in a temporary folder, the data on it, and both clients."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.persistence.store import EVENTS, Store, ensure_home, get_stream, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .bare import Bare, open_bare
from .data_set import DataSet, plan_data, write_data

RECONNECT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a measure is given. `share` makes rounds smaller: 1 for the full measure."""

    server: EmbeddedServer
    store: Store
    bare: Bare
    data: DataSet
    folder: Path
    share: float = 1.0

    def times(self, full: int, *, least: int = 5) -> int:
        """How often to do what the full measure does `full` times."""
        return max(least, round(full * self.share))

    async def restart_server(self) -> None:
        """Start the server anew, so that nothing is in its memory but what it reads at its start; return when both clients are back."""
        await asyncio.to_thread(self.server.restart)
        async with asyncio.timeout(RECONNECT_SECONDS):
            await until(lambda: self.store.connection.is_connected and self.bare.client.is_connected)
        assert (await get_stream(self.store.connection, EVENTS.stream)).messages >= self.data.events


async def until(is_so: Callable[[], bool]) -> None:
    """Look a few times a second until it is so; whoever awaits this sets the deadline."""
    while True:
        if is_so():
            return
        await asyncio.sleep(0.05)


@asynccontextmanager
async def open_stage(*, events: int, share: float = 1.0) -> AsyncIterator[Stage]:
    """Start a server, store the data, and take all of it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="cim-bench-") as name:
        folder = Path(name)
        with EmbeddedServer(folder / "nats") as server:
            async with open_store(server.settings("worker")) as store, open_bare(server.settings("worker")) as bare:
                data = plan_data(events)
                await ensure_home(store.connection)
                began = time.monotonic()
                await write_data(store.connection, data)
                seconds = time.monotonic() - began
                print(f"{data.events:,} events of {data.aggregates:,} aggregates stored in {seconds:.0f} s", flush=True)
                yield Stage(server=server, store=store, bare=bare, data=data, folder=folder, share=share)
