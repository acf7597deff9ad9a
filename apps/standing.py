"""This module is how each connection stands, for people: its server, the way there, what is switched off, or what exactly is wrong."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from weakref import WeakSet

from apps.connection import connection_state, kept_store, known_server
from apps.keeper import HOME
from apps.persistence.errors import PermissionDenied, PersistenceError
from apps.persistence.store import Connection
from apps.persistence.store.health import MissingFeature, missing_features
from apps.persistence.store.link import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One connection. `state` is its link, or `failed` where the server answers and yet is of no use; `problem` says why."""

    name: str
    state: str
    since: datetime
    version: str = ""
    round_trip_ms: float | None = None
    missing: tuple[MissingFeature, ...] = ()
    problem: str = ""

    @property
    def observed(self) -> str:
        """Its name, or nothing for the home connection."""
        return "" if self.name == HOME else self.name

    @property
    def id(self) -> str:
        """What the ids of its elements end with."""
        return f"-{self.name}" if self.observed else ""


def standing_of(name: str) -> Standing:
    """As far as it is known without asking anybody."""
    state, server = connection_state(name), known_server(name)
    known = Standing(name=name, state=state.link.value, since=state.since)
    if state.link is not Link.CONNECTED or server is None:
        return replace(known, problem=state.last_error)
    return replace(known, version=server.version, missing=missing_features(server))


async def look_at(name: str) -> Standing:
    """On the console's loop: the same with the round trip, and whether there is JetStream. Raises ConnectionNotFound."""
    try:
        store = await kept_store(name)
        round_trip_ms = await store.connection.round_trip_ms()
        await _check_jetstream(store.connection)
    except PersistenceError as error:
        found = standing_of(name)
        return replace(found, state="failed" if found.state == Link.CONNECTED else found.state, problem=str(error))
    return replace(standing_of(name), round_trip_ms=round_trip_ms)


_with_jetstream: WeakSet[Connection] = WeakSet()


async def _check_jetstream(connection: Connection) -> None:
    """Asked until there was an answer once. Who may not ask may still be allowed to read."""
    if connection in _with_jetstream:
        return
    with suppress(PermissionDenied):
        await connection.api("INFO")
    _with_jetstream.add(connection)
