"""This module is which streams lie under something else, by their names."""

from __future__ import annotations

SYSTEM_PREFIXES = ("KV_", "OBJ_", "$")


def is_system(name: str) -> bool:
    """Whether a stream lies under something else: a bucket, an object store, the server's own."""
    return name.startswith(SYSTEM_PREFIXES)
