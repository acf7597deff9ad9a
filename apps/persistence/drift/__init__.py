"""This package is the drift watch: whether streams and servers are still as they were accepted, and who changed what is not."""

from ..chain.limits import DRIFT_BUCKET
from .record import Difference, DriftRecord, Explained, accept, read_record, write_record
from .report import DriftAlarm, DriftChange, DriftReport, read_drift, removed_since
from .trail import DRIFT_DEFINITION, accepted, note
from .watching import look, watch_drift
from .words import title_of, value_words

__all__ = [
    "DRIFT_BUCKET",
    "DRIFT_DEFINITION",
    "Difference",
    "DriftAlarm",
    "DriftChange",
    "DriftRecord",
    "DriftReport",
    "Explained",
    "accept",
    "accepted",
    "look",
    "note",
    "read_drift",
    "read_record",
    "removed_since",
    "title_of",
    "value_words",
    "watch_drift",
    "write_record",
]
