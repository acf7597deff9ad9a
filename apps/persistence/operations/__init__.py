"""This package is the operations: everything an operator can start. Each is one file and one line in OPERATIONS."""

from ..work.operation import Operations
from .projection_control import Pause, Resume
from .replay import Replay
from .skip import Skip
from .snapshot import TakeSnapshot
from .verify import Verify

OPERATIONS: Operations = {
    "replay": Replay,
    "verify": Verify,
    "pause": Pause,
    "resume": Resume,
    "skip": Skip,
    "snapshot": TakeSnapshot,
}

__all__ = ["OPERATIONS", "Pause", "Replay", "Resume", "Skip", "TakeSnapshot", "Verify"]
