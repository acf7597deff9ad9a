"""This module is how one store is kept open for the life of a process: opened, watched, opened again, for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from apps.persistence.errors import PersistenceError, Unavailable, Unreachable
from apps.persistence.store.link import ConnectionState, Link, ServerFacts
from apps.persistence.store.settings import ConnectionSettings
from apps.persistence.store.store import Store, open_store

HOME = "home"
PATIENCE_SECONDS = 1.5
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Keeper:
    """Keeps one store. Everything but `state` is used on the loop that runs `keep`."""

    def __init__(self, settings: ConnectionSettings, tell: Callable[[str, ConnectionState], None]) -> None:
        self.settings = settings
        self.state = ConnectionState(link=Link.RECONNECTING, since=datetime.now(UTC))
        self._tell = tell
        self._store: Store | None = None
        self._problem: PersistenceError | None = None
        self._usable = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def server(self) -> ServerFacts | None:
        """The server's greeting; None while no store is open."""
        return self._store.connection.server if self._store is not None else None

    async def usable_store(self) -> Store:
        """The store. Waits out a short break; raises Unavailable where the server stays away."""
        if not self._usable.is_set() and self._may_be_back_soon():
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._usable.wait()
        if self._store is None or not self._usable.is_set():
            raise self._why_not()
        return self._store

    async def keep(self) -> None:
        """Hold the store open until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with open_store(self.settings, makes_consumers=False) as store:
                    self._opened(store)
                    pause = FIRST_PAUSE_SECONDS
                    await self._closed.wait()
            except PersistenceError as error:
                self._failed(error)
            except Exception as error:
                logger.exception("connection %s cannot be opened", self.settings.name)
                self._failed(Unavailable(f"Connection {self.settings.name} cannot be opened: {error}. The server's log has the details."))
            finally:
                self._store = None
                self._usable.clear()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _opened(self, store: Store) -> None:
        self._store = store
        self._closed.clear()
        store.connection.on_change(self._changed)
        self._changed(store.connection.state)

    def _changed(self, state: ConnectionState) -> None:
        if state.link is Link.CONNECTED:
            self._problem = None
            self._usable.set()
        else:
            self._usable.clear()
        if state.link is Link.CLOSED:
            self._closed.set()
            state = replace(state, link=Link.RECONNECTING)
        self._set(state)

    def _failed(self, error: PersistenceError) -> None:
        self._problem = error
        since = self.state.since if self.state.link is not Link.CONNECTED else datetime.now(UTC)
        self._set(ConnectionState(link=Link.RECONNECTING, since=since, attempts=self.state.attempts + 1, last_error=str(error)))

    def _set(self, state: ConnectionState) -> None:
        self.state = state
        self._tell(self.settings.name, state)

    def _may_be_back_soon(self) -> bool:
        return self._problem is None and (datetime.now(UTC) - self.state.since).total_seconds() < PATIENCE_SECONDS

    def _why_not(self) -> Unavailable:
        """A new error each time: one that is raised in several threads would gather their tracebacks."""
        problem = self._problem
        if isinstance(problem, Unavailable):
            return type(problem)(str(problem))
        if problem is not None:
            return Unavailable(str(problem))
        since = f"{self.state.since:%H:%M:%S} UTC"
        return Unreachable(f"No NATS server answers at {self.settings.url} since {since}; the console keeps trying. Check that it runs.")
