"""This package is the chain: verifying that the events of an aggregate, a type or a whole stream are complete, unchanged and linked."""

from .claims import anchors_from_value, anchors_to_value
from .mark_runs import KnownMark, known_history, known_mark, known_marks
from .marks import MARKS_BUCKET, Mark, list_marks, mark_history, read_mark, write_mark
from .removals import RESTORED_FROM, restored_from
from .standing import LogLayer
from .stitch import RangeVerdict, can_split, hold, split_ranges, stitch
from .verdict import Beside, Cause, Finding, Held, LogStanding, Progress, Rests, Verdict
from .verify import verify_aggregate, verify_range, verify_stream, verify_type

__all__ = [
    "MARKS_BUCKET",
    "RESTORED_FROM",
    "Beside",
    "Cause",
    "Finding",
    "Held",
    "KnownMark",
    "LogLayer",
    "LogStanding",
    "Mark",
    "Progress",
    "RangeVerdict",
    "Rests",
    "Verdict",
    "anchors_from_value",
    "anchors_to_value",
    "can_split",
    "hold",
    "known_history",
    "known_mark",
    "known_marks",
    "list_marks",
    "mark_history",
    "read_mark",
    "restored_from",
    "split_ranges",
    "stitch",
    "verify_aggregate",
    "verify_range",
    "verify_stream",
    "verify_type",
    "write_mark",
]
