"""This package is the chain: verifying that the events of an aggregate, a type or a whole stream are complete, unchanged and linked."""

from .marks import MARKS_BUCKET, Mark, list_marks, mark_history, read_mark, write_mark
from .removals import RESTORED_FROM, restored_from
from .stitch import RangeVerdict, can_split, split_ranges, stitch
from .verdict import Cause, Finding, Progress, Verdict
from .verify import verify_aggregate, verify_stream, verify_type

__all__ = [
    "MARKS_BUCKET",
    "RESTORED_FROM",
    "Cause",
    "Finding",
    "Mark",
    "Progress",
    "RangeVerdict",
    "Verdict",
    "can_split",
    "list_marks",
    "mark_history",
    "read_mark",
    "restored_from",
    "split_ranges",
    "stitch",
    "verify_aggregate",
    "verify_stream",
    "verify_type",
    "write_mark",
]
