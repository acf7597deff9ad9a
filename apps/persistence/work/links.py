"""This module is the links of this node at work: each under a lease, so that one worker of all has it in hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from ..errors import PersistenceError
from ..registry import Registry
from ..store import ConnectionSettings, Store
from ..sync import Link, run_link
from .lease import Lease

PAUSE_SECONDS = 1.0

HoldLease = Callable[[str], AbstractAsyncContextManager[Lease]]

log = logging.getLogger(__name__)


async def run_links(store: Store, registry: Registry, hold_lease: HoldLease, stop: asyncio.Event) -> None:
    """Until cancelled: every link of this node, each whenever this worker holds its lease `link.{name}`."""
    async with asyncio.TaskGroup() as group:
        for link in registry.links.values():
            group.create_task(_keep(store, link, registry.observed, hold_lease, stop), name=f"link {link.name}")


async def _keep(store: Store, link: Link, observed: Mapping[str, ConnectionSettings], hold_lease: HoldLease, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with hold_lease(f"link.{link.name}"):
                await run_link(store, link, observed[link.name], stop)
        except PersistenceError as error:
            log.warning("link %s starts again: %s", link.name, error)
        await asyncio.sleep(PAUSE_SECONDS)
