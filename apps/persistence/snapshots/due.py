"""This module is whether an aggregate is due for a snapshot: by the policy of its type, or by the events since its newest one."""

from __future__ import annotations

from dataclasses import dataclass

from ..events import AggregateDefinition, AggregateRef, SnapshotPolicy, now
from ..store import Store, get_last
from .snapshot import Snapshot, Unusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An aggregate at `version`, and its newest snapshot that can be used: None where it has none."""

    aggregate: AggregateRef
    version: int
    snapshot: Snapshot | None

    @classmethod
    def of(
        cls, definition: AggregateDefinition, ref: AggregateRef, version: int, newest: Snapshot | Unusable | None, *, generation: int = 1
    ) -> Standing:
        """A snapshot that cannot be read, is of another schema or generation, or lies beyond the aggregate counts as none.

        One that does not record its generation counts as taken of the first.
        """
        if not isinstance(newest, Snapshot) or newest.schema != definition.schema or newest.version > version:
            return cls(aggregate=ref, version=version, snapshot=None)
        return cls(aggregate=ref, version=version, snapshot=newest if (newest.generation or 1) == generation else None)

    @property
    def events_since(self) -> int:
        """How many events came since the newest snapshot."""
        return self.version - (self.snapshot.version if self.snapshot else 0)


async def why_due(store: Store, policy: SnapshotPolicy, standing: Standing) -> str:
    """Why a snapshot is due, in words; empty where none is."""
    since, snapshot = standing.events_since, standing.snapshot
    if not since:
        return ""
    if policy.every_events is not None and since >= policy.every_events:
        return f"{since:,} events since the newest"
    if policy.max_age is not None and (snapshot is None or now() - snapshot.taken_at >= policy.max_age):
        return "none yet" if snapshot is None else f"the newest is of {snapshot.taken_at:%Y-%m-%d %H:%M} UTC"
    for name in policy.event_types:
        if await _came_since(store, standing, name):
            return f"{name} came since the newest"
    return ""


async def _came_since(store: Store, standing: Standing, event_type: str) -> bool:
    ref = standing.aggregate
    pattern = store.layout.pattern_of(context=ref.context, aggregate=ref.type, entity=ref.id, event=event_type)
    last = await get_last(store.connection, store.layout.stream, pattern)
    return last is not None and last.sequence > (standing.snapshot.sequence if standing.snapshot else 0)
