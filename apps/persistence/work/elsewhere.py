"""This module is how operations reach other connections: the home store as it is, an observed one opened for as long as it is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..errors import ConnectionNotFound
from ..registry import Registry
from ..store import Store, open_store

HOME = "home"


@asynccontextmanager
async def reach(store: Store, registry: Registry, connection: str) -> AsyncIterator[Store]:
    """The store of a connection, by the same layouts. Raises ConnectionNotFound, Unavailable while it is away."""
    if connection == HOME:
        yield store
        return
    settings = registry.observed.get(connection)
    if settings is None:
        raise ConnectionNotFound(connection, [HOME, *sorted(registry.observed)])
    async with open_store(settings, layout=store.layout, layouts=store.layouts, upcasters=store.upcasters) as there:
        yield there
