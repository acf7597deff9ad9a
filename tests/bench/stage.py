"""This module is the stage of all measures: a server of one's own in a temporary folder, the data on it, and both clients."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.persistence.store import EVENTS, Store, ensure_home, get_stream, head_of, open_store
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
async def open_stage(*, events: int, share: float = 1.0, keep: Path | None = None) -> AsyncIterator[Stage]:
    """Start a server with the data on it. All of it is taken away afterwards, unless it is kept in a folder `keep`, to be used again."""
    with _folder(keep) as folder, EmbeddedServer(folder / "nats") as server:
        async with open_store(server.settings("worker")) as store, open_bare(server.settings("worker")) as bare:
            data = plan_data(events)
            await _ensure_data(store, data)
            yield Stage(server=server, store=store, bare=bare, data=data, folder=folder, share=share)


async def _ensure_data(store: Store, data: DataSet) -> None:
    await ensure_home(store.connection)
    stored = (await get_stream(store.connection, EVENTS.stream)).messages
    if stored:
        last = (await head_of(store, data.large)).version
        if stored < data.events or last != data.large_size:
            raise RuntimeError(f"The folder holds {stored:,} events, not the {data.events:,} of this measure; name another one.")
        return
    began = time.monotonic()
    await write_data(store.connection, data)
    print(f"{data.events:,} events of {data.aggregates:,} aggregates stored in {time.monotonic() - began:.0f} s", flush=True)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="cim-bench-") as name:
        yield Path(name)
