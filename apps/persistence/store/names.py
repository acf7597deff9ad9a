"""This module is the names of streams and consumers: what no server could have is refused before it is asked."""

from __future__ import annotations

import re

from ..errors import InvalidInput

LONGEST_NAME = 255
_NOT_IN_NAMES = re.compile(r"[\s.*>/\\\x00-\x1f\x7f]")


def check_stream_name(name: str, *, what: str = "stream") -> str:
    """Return `name` if a stream may be called so. Raises InvalidInput that begins with `what`."""
    return _check(name, what, "stream")


def check_consumer_name(name: str, *, what: str = "consumer") -> str:
    """Return `name` if a consumer may be called so. Raises InvalidInput that begins with `what`."""
    return _check(name, what, "consumer")


def _check(name: str, what: str, kind: str) -> str:
    if not name or len(name) > LONGEST_NAME or _NOT_IN_NAMES.search(name):
        raise InvalidInput(
            f"{what} is {name[:80]!r}, which is no {kind} name: it has 1 to {LONGEST_NAME} letters, no white space and none of . * > / \\."
        )
    return name
