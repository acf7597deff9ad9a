"""This package is the heads manifest: every aggregate of a stream with its version and head, kept under its CID, so that an aggregate
that is left out later shows."""

from .comparison import Comparison, Omission, compare_with_manifest
from .gathering import HeadTable, gather
from .kept import (
    HEADS_BUCKET,
    HEADS_DEFINITION,
    BucketUnavailable,
    Manifest,
    check_bytes,
    find_bytes,
    find_manifest,
    heads_ref,
    newest_manifest,
    read_rows,
)
from .manifest import HeadRow
from .recording import Recorded, record_heads

__all__ = [
    "HEADS_BUCKET",
    "HEADS_DEFINITION",
    "BucketUnavailable",
    "Comparison",
    "HeadRow",
    "HeadTable",
    "Manifest",
    "Omission",
    "Recorded",
    "check_bytes",
    "compare_with_manifest",
    "find_bytes",
    "find_manifest",
    "gather",
    "heads_ref",
    "newest_manifest",
    "read_rows",
    "record_heads",
]
