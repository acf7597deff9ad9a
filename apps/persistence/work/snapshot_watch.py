"""This module is snapshots that are taken by themselves: one worker looks at what changes, and takes those that a policy says are due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from ..errors import PersistenceError, Unavailable
from ..events import AggregateDefinition
from ..projections.builtin import AggregateEntry, Changes, changed_aggregates
from ..registry import Registry
from ..snapshots import Standing, read_newest, take, why_due
from ..store import Store
from .lease import Lease

POLICIES_LEASE = "snapshot-policies"
LOOK_SECONDS = 2.0
AT_ONCE = 100
BY = "policy"

log = logging.getLogger(__name__)


class SnapshotWatch:
    """Looks at the aggregates that changed since it looked last; the first time it only notes where it begins."""

    def __init__(self, store: Store, definitions: Sequence[AggregateDefinition]) -> None:
        self._store = store
        self._definitions = {definition.key: definition for definition in definitions}
        self._seen: Changes | None = None

    async def look(self) -> bool:
        """Take what is due of the next hundred that changed; whether there may be more. Raises Unavailable."""
        self._seen = await changed_aggregates(self._store.connection, self._seen, limit=AT_ONCE, layout=self._store.layout)
        if self._seen is None:
            return False
        entries = [entry for entry in self._seen.entries if (entry.aggregate.context, entry.aggregate.type) in self._definitions]
        newest = await read_newest(self._store, [entry.aggregate for entry in entries]) if entries else {}
        for entry in entries:
            definition = self._definitions[entry.aggregate.context, entry.aggregate.type]
            last, generation = newest.get(entry.aggregate), self._store.layout.generation
            standing = Standing.of(definition, entry.aggregate, entry.version, last, generation=generation)
            await self._take_if_due(definition, standing, entry)
        return len(self._seen.entries) == AT_ONCE

    async def _take_if_due(self, definition: AggregateDefinition, standing: Standing, entry: AggregateEntry) -> None:
        """From the newest snapshot on, as this is done often; a proof folds from the first event."""
        try:
            assert definition.snapshots is not None
            if await why_due(self._store, definition.snapshots, standing):
                await take(self._store, definition, entry.aggregate, by=BY, use_snapshot=True)
        except Unavailable:
            raise
        except Exception as error:  # whatever a domain's own code raises concerns this one aggregate
            log.warning("no snapshot of %s can be taken: %s", entry.aggregate, error)


async def watch_policies(store: Store, registry: Registry, hold_lease: Callable[[str], AbstractAsyncContextManager[Lease]]) -> None:
    """Until cancelled, whenever this worker holds the lease; ends at once where no type has a policy."""
    definitions = [definition for definition in registry.aggregates.values() if definition.snapshots is not None]
    while definitions:
        try:
            async with hold_lease(POLICIES_LEASE) as lease:
                watch = SnapshotWatch(store, definitions)
                while not lease.lost.is_set():
                    if not await watch.look():
                        await asyncio.sleep(LOOK_SECONDS)
        except PersistenceError as error:
            log.warning("snapshots by policy are late: %s", error)
        await asyncio.sleep(LOOK_SECONDS)
