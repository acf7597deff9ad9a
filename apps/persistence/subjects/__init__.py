"""This package is the grammar of subjects: tokens that may be written, patterns that match, the short convention, the families of `cim`."""

from .convention import ShortSubject
from .design import broken_rules
from .grammar import check_pattern, check_subject, check_token, is_token
from .hierarchy import (
    AggregateSubject,
    CimSubject,
    EventSubject,
    ModelOperation,
    ReadModelSubject,
    SnapshotSubject,
    parse_cim_subject,
)
from .patterns import intersect, is_more_specific, matches, overlaps

__all__ = [
    "AggregateSubject",
    "CimSubject",
    "EventSubject",
    "ModelOperation",
    "ReadModelSubject",
    "ShortSubject",
    "SnapshotSubject",
    "broken_rules",
    "check_pattern",
    "check_subject",
    "check_token",
    "intersect",
    "is_more_specific",
    "is_token",
    "matches",
    "overlaps",
    "parse_cim_subject",
]
