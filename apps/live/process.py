"""This module is the live path of this process: its hub and its watch over rights, on the console's loop, started at their first use."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

from apps import connection
from apps.persistence.store.link import ConnectionState

from .hub import Hub
from .rights import RightsWatch

START_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePath:
    """Both are used on `loop` alone, through `connection.on_loop`."""

    loop: asyncio.AbstractEventLoop
    hub: Hub
    watch: RightsWatch


_lock = threading.Lock()
_current: LivePath | None = None


def live_path() -> LivePath:
    """The live path that runs on the console's loop. Waits for the start of that loop, so not for an event loop to call."""
    global _current
    with _lock:
        loop = connection.loop()
        if _current is None or _current.loop is not loop:
            _current = _start(loop)
        return _current


def _start(loop: asyncio.AbstractEventLoop) -> LivePath:
    path = LivePath(loop=loop, hub=Hub(connection.kept_store), watch=RightsWatch())
    ready = threading.Event()
    connection.start(lambda: path.hub.run(ready.set))
    connection.start(path.watch.run)
    ready.wait(START_SECONDS)

    def tell(name: str, state: ConnectionState) -> None:
        path.hub.tell_link(_words(state), name)

    connection.on_change(tell)
    for name in connection.connection_names():
        connection.on_loop(tell, name, connection.connection_state(name))
    return path


def _words(state: ConnectionState) -> dict[str, object]:
    return {"link": state.link.value, "since": state.since.isoformat(), "attempts": state.attempts}
