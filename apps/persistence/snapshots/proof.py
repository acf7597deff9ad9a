"""This module is the proof of a snapshot: its state folded anew from the first event, and held against what was kept."""

from __future__ import annotations

from dataclasses import dataclass

from ..encoding import Cid
from ..errors import KeyNotFound
from ..events import AggregateDefinition, AggregateRef
from ..events.diff import Change, diff_states
from ..store import Store
from .snapshot import Snapshot, read_kept
from .state import state_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """`expected` is the CID of the state folded from `events` events, `found` that of the kept state; `differences` lead to the latter.

    `is_at_its_event`: the event at the snapshot's version is the one it was taken at.
    """

    aggregate: AggregateRef
    snapshot_version: int
    snapshot_revision: int
    expected: Cid
    found: Cid
    is_at_its_event: bool
    differences: tuple[Change, ...]
    events: int

    @property
    def equal(self) -> bool:
        """Whether the snapshot holds the very state, of the very event."""
        return self.expected == self.found and self.is_at_its_event


async def prove(store: Store, definition: AggregateDefinition, ref: AggregateRef, *, version: int | None = None) -> Proof:
    """Prove the newest kept snapshot of the definition's schema, or the one at `version`.

    Raises KeyNotFound where there is none to prove, and as `state_at` where the events cannot be folded up to it.
    """
    snapshot = await _choose(store, definition, ref, version)
    folded = await state_at(store, definition, ref, version=snapshot.version, use_snapshot=False)
    return Proof(
        aggregate=ref,
        snapshot_version=snapshot.version,
        snapshot_revision=snapshot.revision,
        expected=folded.state_cid,
        found=snapshot.state_cid,
        is_at_its_event=folded.head.cid == snapshot.cid and folded.sequence == snapshot.sequence,
        differences=tuple(diff_states(folded.state, snapshot.state)),
        events=folded.events_read,
    )


async def _choose(store: Store, definition: AggregateDefinition, ref: AggregateRef, version: int | None) -> Snapshot:
    kept = (await read_kept(store, ref)).snapshots
    at_version = [snapshot for snapshot in kept if version is None or snapshot.version == version]
    serving = store.layout.generation
    here = [snapshot for snapshot in at_version if snapshot.generation in (0, serving)]
    usable = [snapshot for snapshot in here if snapshot.schema == definition.schema]
    if usable:
        return usable[0]
    where = f" at version {version}" if version is not None else ""
    if at_version and not here:
        raise KeyNotFound(
            f"The snapshot of {ref}{where} was taken of generation {at_version[0].generation} of the stream, and generation {serving} is "
            "read: it is not used; take a new one."
        )
    if at_version:
        raise KeyNotFound(
            f"The snapshot of {ref}{where} holds a state of schema {here[0].schema}, and the definition has {definition.schema}; "
            "take a new one."
        )
    raise KeyNotFound(f"There is no snapshot of {ref}{where} to prove; take one first.")
