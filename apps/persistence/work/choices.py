"""This module is what parameters can be chosen from: names that the store or the domains hold at this moment."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import Registry
from ..store import Store, list_streams
from ..transfer import list_files
from .elsewhere import HOME


async def streams(store: Store, registry: Registry) -> Sequence[str]:
    """Every stream of the account that is no bucket."""
    names = [stream.name for stream in await list_streams(store.connection)]
    return sorted(name for name in names if not name.startswith(("KV_", "OBJ_")))


async def chained_streams(store: Store, registry: Registry) -> Sequence[str]:
    """The streams whose layouts hold chains."""
    return list(dict.fromkeys(layout.stream for layout in registry.layouts if layout.is_chained))


async def projections(store: Store, registry: Registry) -> Sequence[str]:
    """Every declared projection."""
    return sorted(registry.projections)


async def routers(store: Store, registry: Registry) -> Sequence[str]:
    """Every declared router."""
    return sorted(registry.routers)


async def aggregate_types(store: Store, registry: Registry) -> Sequence[str]:
    """Every declared type of aggregates, as context.type."""
    return sorted(f"{context}.{kind}" for context, kind in registry.aggregates)


async def connections(store: Store, registry: Registry) -> Sequence[str]:
    """The configured connections, home first."""
    return [HOME, *sorted(registry.observed)]


async def files(store: Store, registry: Registry) -> Sequence[str]:
    """The names of the files there are, the newest first."""
    return [file.name for file in await list_files(store.connection)]


async def links(store: Store, registry: Registry) -> Sequence[str]:
    """The links of this node."""
    return sorted(registry.links)
