"""This module is the console's kept stores: one for each NATS connection, on one event loop of its own, in a daemon thread of each process.

A store is never used from a second loop. Sync views reach it through `ask()`; sources and the hub live on the same loop through `start()`.
The thread starts with its first use, so that a process that forks workers holds no connection before. While a server is away pages are
still served: `ask()` says so at once, and the keeper tries again for ever.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from django.conf import settings

from apps.keeper import HOME, Keeper
from apps.persistence.errors import ConnectionNotFound, Unavailable
from apps.persistence.store.link import ConnectionState, ServerFacts
from apps.persistence.store.settings import ConnectionSettings
from apps.persistence.store.store import Store

ASK_SECONDS = 10.0
BUSY_SECONDS = 5.0
STOP_SECONDS = 5.0

R = TypeVar("R")
Listener = Callable[[str, ConnectionState], None]

logger = logging.getLogger(__name__)


def ask(
    function: Callable[..., Awaitable[R]], *args: Any, timeout_seconds: float = ASK_SECONDS, connection: str = HOME, **kwargs: Any
) -> R:
    """Await `function(store, *args, **kwargs)` on the console's loop, from a thread that has none, and return what it returns.

    Raises what the function raises; Unavailable, within two seconds, where the server is away, and where the answer takes longer than
    `timeout_seconds`, in which case the function is cancelled. Raises ConnectionNotFound for a connection that is not configured.
    """
    bridge = _bridge()
    assert threading.current_thread() is not bridge.thread, "on the console's loop await the function itself"
    answer = _answer(bridge.keeper(connection), timeout_seconds, lambda store: function(store, *args, **kwargs))
    asked = asyncio.run_coroutine_threadsafe(answer, bridge.loop)
    try:
        return asked.result(timeout_seconds + BUSY_SECONDS)
    except TimeoutError as error:
        if asked.done():
            raise
        raise Unavailable("The console's own connection thread is busy; try again in a moment.") from error
    except concurrent.futures.CancelledError as error:
        raise Unavailable("The console is stopping; ask again when it has started.") from error
    finally:
        asked.cancel()


def connection_names() -> tuple[str, ...]:
    """The connections that are configured, home first."""
    return tuple(_bridge().keepers)


def connection_state(name: str = HOME) -> ConnectionState:
    """How a connection is now; never waits. Raises ConnectionNotFound for a connection that is not configured."""
    return _bridge().keeper(name).state


def known_server(name: str = HOME) -> ServerFacts | None:
    """The server that a connection leads to; None while it leads to none. Never waits. Raises ConnectionNotFound."""
    return _bridge().keeper(name).server


async def kept_store(name: str = HOME) -> Store:
    """On the console's loop: the kept store of a connection. Raises Unavailable, within two seconds, while its server is away."""
    return await _bridge().keeper(name).usable_store()


def start(function: Callable[[], Awaitable[None]]) -> None:
    """Run an endless background task on the console's loop. One that fails is logged and not started again."""
    bridge = _bridge()
    bridge.loop.call_soon_threadsafe(bridge.begin, function)


def on_loop(function: Callable[..., object], *args: Any) -> None:
    """Have a plain function called soon on the console's loop, from any thread."""
    _bridge().loop.call_soon_threadsafe(function, *args)


def on_change(listener: Listener) -> None:
    """Have `listener(name, state)` called on the console's loop whenever a connection's state changes."""
    _bridge().listeners.append(listener)


def loop() -> asyncio.AbstractEventLoop:
    """The console's loop, started if it was not running."""
    return _bridge().loop


def stop() -> None:
    """Close every store and end the thread; the next use starts anew, with the settings as they are then."""
    global _running
    with _lock:
        bridge, _running = _running, None
    if bridge is not None:
        bridge.stop()


class _Bridge:
    """The thread, its loop and the keepers. Only the tasks that `ask` makes have no parent on the loop: a thread waits for them."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.keepers = {name: Keeper(connection, self._tell) for name, connection in _configured().items()}
        self.loop: asyncio.AbstractEventLoop
        self._group: asyncio.TaskGroup
        self._main: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self.thread = threading.Thread(target=self._run, name="console connections", daemon=True)
        self.thread.start()
        self._ready.wait()

    def keeper(self, name: str) -> Keeper:
        if name not in self.keepers:
            raise ConnectionNotFound(name, tuple(self.keepers))
        return self.keepers[name]

    def begin(self, function: Callable[[], Awaitable[None]]) -> None:
        self._group.create_task(_guarded(function))

    def stop(self) -> None:
        if self._main is not None and self.thread.is_alive():
            self.loop.call_soon_threadsafe(self._main.cancel)
            self.thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except asyncio.CancelledError:
            return

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        async with asyncio.TaskGroup() as self._group:
            for keeper in self.keepers.values():
                self._group.create_task(keeper.keep(), name=f"keep {keeper.settings.name}")
            self._ready.set()

    def _tell(self, name: str, state: ConnectionState) -> None:
        for listener in self.listeners:
            listener(name, state)


async def _answer(keeper: Keeper, timeout_seconds: float, question: Callable[[Store], Awaitable[R]]) -> R:
    store = await keeper.usable_store()
    timeout = asyncio.timeout(timeout_seconds)
    try:
        async with timeout:
            return await question(store)
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise Unavailable(
            f"{keeper.settings.url} gave no answer within {timeout_seconds:g} s; try again, or ask for less, such as a shorter range."
        ) from error


async def _guarded(function: Callable[[], Awaitable[None]]) -> None:
    try:
        await function()
    except Exception:
        logger.exception("a background task of the console failed")


def _configured() -> dict[str, ConnectionSettings]:
    home = ConnectionSettings(name=HOME, **settings.CIM_HOME)
    return {HOME: home, **{name: ConnectionSettings(name=name, **fields) for name, fields in settings.CIM_OBSERVED.items()}}


_lock = threading.Lock()
_running: _Bridge | None = None


def _bridge() -> _Bridge:
    global _running
    with _lock:
        if _running is None:
            _running = _Bridge()
        return _running


def _forget_after_fork() -> None:
    """The thread stayed in the parent; the child starts its own when it needs one."""
    global _lock, _running
    _lock, _running = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_after_fork)
atexit.register(stop)
