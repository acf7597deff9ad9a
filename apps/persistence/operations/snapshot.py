"""This module is taking a snapshot of one aggregate: its newest state, so that loading it need not start at the first event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..events import AggregateDefinition, AggregateRef
from ..registry import Registry
from ..snapshots import list_snapshots, take
from ..store import Store, head_of
from ..work.operation import Change, Outcome, Plan, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSnapshot:
    """Folds all events of one aggregate and keeps the state; five snapshots of each aggregate are kept."""

    title: ClassVar[str] = "Snapshot an aggregate"
    permission: ClassVar[str] = "operations.snapshot"

    aggregate: str = field(metadata={"help": "The aggregate as context.type.id, such as sales.order.7f3c91e0."})

    @property
    def target(self) -> str:
        """One snapshot at a time for each aggregate."""
        return f"aggregate/{self.aggregate}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """From and to which version. Raises InvalidInput for an aggregate that does not exist or that no domain declares."""
        ref, _ = _find(registry, self.aggregate)
        head = await head_of(store, ref)
        if not head.version:
            raise InvalidInput(f"There is no event of {ref}, so there is no state to keep.")
        kept = await list_snapshots(store, ref)
        newest = f"at version {kept[0].version}" if kept else "none"
        return Plan(
            summary=f"Snapshot {ref} at version {head.version}",
            saw={},
            changes=(Change(what="Newest snapshot", now=newest, after=f"at version {head.version} or later"),),
            notes=("Events are not changed; the state with and without snapshots is the same.",),
            undo="A snapshot can be left alone; it is only used where it matches the events.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Fold from version 1 and write the snapshot."""
        ref, definition = _find(registry, self.aggregate)
        snapshot = await take(store, definition, ref, by=progress.requested_by)
        return Outcome(
            sentence=f"Kept the state of {ref} at version {snapshot.version}, CID {snapshot.state_cid}.",
            figures={"version": snapshot.version, "state_cid": snapshot.state_cid},
        )


def _find(registry: Registry, text: str) -> tuple[AggregateRef, AggregateDefinition]:
    ref = AggregateRef.parse(text)
    definition = registry.definition_of(ref)
    if definition is None:
        raise InvalidInput(f"No domain declares {ref.context}.{ref.type}, so it has no state to keep; check CIM_DOMAINS.")
    return ref, definition
