"""This module is the hub of this process, on the console's loop, told of every change of the home connection."""

from __future__ import annotations

import asyncio
import threading

from apps import connection
from apps.keeper import HOME
from apps.persistence.store.link import ConnectionState

from .hub import Hub

HUB_START_SECONDS = 5.0

_lock = threading.Lock()
_current: tuple[asyncio.AbstractEventLoop, Hub] | None = None


def current_hub() -> Hub:
    """The hub that runs on the console's loop, started at its first use. Waits for the start, so not for an event loop to call."""
    global _current
    with _lock:
        loop = connection.loop()
        if _current is None or _current[0] is not loop:
            _current = (loop, _start())
        return _current[1]


def _start() -> Hub:
    hub = Hub(connection.kept_store)
    ready = threading.Event()
    connection.start(lambda: hub.run(ready.set))
    ready.wait(HUB_START_SECONDS)

    def tell(name: str, state: ConnectionState) -> None:
        if name == HOME:
            hub.tell_link(_words(state))

    connection.on_change(tell)
    connection.on_loop(tell, HOME, connection.connection_state())
    return hub


def _words(state: ConnectionState) -> dict[str, object]:
    return {"link": state.link.value, "since": state.since.isoformat(), "attempts": state.attempts}
