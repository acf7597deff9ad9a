"""This package is work: leases and heartbeats of workers, operations and their runs, and the engine that carries them out."""

from .heartbeat import WorkerInfo, beat, beating, ensure_workers, list_workers, this_worker
from .lease import Lease, LeaseHolder, find_holder, hold, try_hold

__all__ = [
    "Lease",
    "LeaseHolder",
    "WorkerInfo",
    "beat",
    "beating",
    "ensure_workers",
    "find_holder",
    "hold",
    "list_workers",
    "this_worker",
    "try_hold",
]
