"""This package is snapshots: an aggregate's state at a version, so that loading need not start at event 1, and states at any version."""

from .blame import Blame, blame
from .proof import Proof, prove
from .snapshot import (
    MAX_STATE_BYTES,
    SNAPSHOTS_BUCKET,
    SNAPSHOTS_KEPT,
    Kept,
    Snapshot,
    Unusable,
    find_snapshot,
    list_snapshots,
    read_kept,
)
from .state import StateAt, state_at, state_at_time, take

__all__ = [
    "MAX_STATE_BYTES",
    "SNAPSHOTS_BUCKET",
    "SNAPSHOTS_KEPT",
    "Blame",
    "Kept",
    "Proof",
    "Snapshot",
    "StateAt",
    "Unusable",
    "blame",
    "find_snapshot",
    "list_snapshots",
    "prove",
    "read_kept",
    "state_at",
    "state_at_time",
    "take",
]
