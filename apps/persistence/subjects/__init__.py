"""This package is the grammar of subjects: tokens that may be written, patterns that match, and the short convention."""

from .convention import ShortSubject
from .grammar import check_pattern, check_subject, check_token, is_token
from .patterns import intersect, is_more_specific, matches, overlaps

__all__ = [
    "ShortSubject",
    "check_pattern",
    "check_subject",
    "check_token",
    "intersect",
    "is_more_specific",
    "is_token",
    "matches",
    "overlaps",
]
