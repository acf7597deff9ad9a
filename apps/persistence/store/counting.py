"""This module is counting stored messages by subject and range, without reading them and without a consumer."""

from __future__ import annotations

from collections.abc import Sequence

from .connection import Connection
from .read import read_batch

EVERYTHING = (">",)


async def count_messages(connection: Connection, stream: str, patterns: Sequence[str], *, first: int = 1, last: int | None = None) -> int:
    """How many messages from `first` to `last` (None: the end), both included, match one of `patterns`, which must not overlap.

    The server counts; where it cannot (a stream without Direct Get) the number is a lower bound.
    """
    total = 0
    for pattern in patterns or EVERYTHING:
        total += await _count_from(connection, stream, pattern, first)
        if last is not None:
            total -= await _count_from(connection, stream, pattern, last + 1)
    return max(0, total)


async def _count_from(connection: Connection, stream: str, pattern: str, sequence: int) -> int:
    batch = await read_batch(connection, stream, from_sequence=sequence, limit=1, pattern=pattern)
    return len(batch.messages) + (batch.pending if batch.messages else 0)
