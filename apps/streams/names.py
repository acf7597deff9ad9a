"""This module is the names of streams as they stand in an address: what no server could have is refused before it is asked."""

from __future__ import annotations

import re

from apps.persistence.errors import InvalidInput

_NOT_IN_NAMES = re.compile(r"[\s.*>/\\\x00-\x1f\x7f]")
LONGEST_NAME = 255
SYSTEM_PREFIXES = ("KV_", "OBJ_", "$")


def check_stream_name(name: str) -> str:
    """Return `name` if a stream may be called so. Raises InvalidInput."""
    if not name or len(name) > LONGEST_NAME or _NOT_IN_NAMES.search(name):
        raise InvalidInput(
            f"{name[:80]!r} is no stream name: it holds white space or one of . * > / \\, or is too long; pick a stream from the list."
        )
    return name


def is_system(name: str) -> bool:
    """Whether a stream lies under something else: a bucket, an object store, the server's own."""
    return name.startswith(SYSTEM_PREFIXES)
