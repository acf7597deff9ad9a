"""This package is snapshots: an aggregate's state at a version, so that loading need not start at event 1, and states at any version."""

from ..events import SnapshotPolicy
from .blame import Blame, blame
from .due import Standing, why_due
from .large import STATES_BUCKET
from .proof import Proof, prove
from .snapshot import (
    MAX_STATE_BYTES,
    SNAPSHOTS_BUCKET,
    SNAPSHOTS_KEPT,
    Kept,
    Snapshot,
    Unusable,
    find_snapshot,
    keep_newest,
    list_snapshots,
    read_kept,
    read_newest,
)
from .state import StateAt, state_at, state_at_time, take

__all__ = [
    "MAX_STATE_BYTES",
    "SNAPSHOTS_BUCKET",
    "SNAPSHOTS_KEPT",
    "STATES_BUCKET",
    "Blame",
    "Kept",
    "Proof",
    "Snapshot",
    "SnapshotPolicy",
    "Standing",
    "StateAt",
    "Unusable",
    "blame",
    "find_snapshot",
    "keep_newest",
    "list_snapshots",
    "prove",
    "read_kept",
    "read_newest",
    "state_at",
    "state_at_time",
    "take",
    "why_due",
]
