"""This module is pages of a stream, both ways, as a person turns them: by sequence, with what is missing between the rows named."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .connection import Connection
from .message import Message
from .read import read_batch
from .streams import StreamInfo

FIRST_WINDOW = 500
MAX_SCANNED = 200_000
"""How far back one request looks for messages that match before it says how far it came."""
MAX_SECONDS = 2.0
"""And how long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPage:
    """Some messages, oldest first. `scanned_from` to `scanned_to` is the range that was looked at for them, both included.

    `is_complete` is False where the search stopped before it had a full page and before the stream's end: go on from there.
    """

    messages: tuple[Message, ...]
    scanned_from: int
    scanned_to: int
    is_complete: bool = True


async def page_forward(connection: Connection, stream: StreamInfo, *, from_sequence: int, limit: int, pattern: str = ">") -> StreamPage:
    """The first `limit` messages at or after `from_sequence` that match `pattern`."""
    first = max(from_sequence, stream.first_sequence, 1)
    batch = await read_batch(connection, stream.name, from_sequence=first, limit=limit, pattern=pattern)
    is_end = not batch.messages or len(batch.messages) < limit
    last = max(stream.last_sequence, first) if is_end else batch.messages[-1].sequence
    return StreamPage(messages=batch.messages, scanned_from=first, scanned_to=last)


async def page_back(connection: Connection, stream: StreamInfo, *, before_sequence: int, limit: int, pattern: str = ">") -> StreamPage:
    """The last `limit` messages before `before_sequence` that match `pattern`.

    Looks down in windows that widen while they hold too few and are halved where one holds too many, so that it reads a few pages
    whatever the gaps. A filter stops the search after MAX_SCANNED sequences or MAX_SECONDS.
    """
    top = min(before_sequence - 1, stream.last_sequence)
    bottom = max(stream.first_sequence, 1)
    found: list[Message] = []
    end, window, is_narrowing = top, limit if pattern == ">" else max(limit, FIRST_WINDOW), False
    deadline = time.monotonic() + MAX_SECONDS
    while end >= bottom and len(found) < limit:
        if pattern != ">" and (top - end >= MAX_SCANNED or time.monotonic() > deadline):
            break
        start = max(bottom, end - window + 1)
        wanted = limit - len(found)
        inside = await _read_window(connection, stream.name, start, end, wanted, pattern)
        is_narrowing = is_narrowing or len(inside) > wanted
        if len(inside) <= wanted:
            found = inside + found
            end = start - 1
        window = max(limit - len(found), -(-window // 2)) if is_narrowing else window * 2
    scanned_from = found[0].sequence if len(found) == limit else end + 1
    return StreamPage(messages=tuple(found), scanned_from=scanned_from, scanned_to=top, is_complete=len(found) == limit or end < bottom)


async def _read_window(connection: Connection, stream: str, start: int, end: int, wanted: int, pattern: str) -> list[Message]:
    """What matches between `start` and `end`: everything, or one more than `wanted` where there is more."""
    batch = await read_batch(connection, stream, from_sequence=start, limit=min(wanted + 1, end - start + 1), pattern=pattern)
    return [message for message in batch.messages if message.sequence <= end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A range of sequences that the stream no longer holds, both ends included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many sequences are missing."""
        return self.last - self.first + 1


def gaps_between(messages: tuple[Message, ...], *, scanned_from: int, scanned_to: int) -> list[Gap]:
    """What is missing in an unfiltered range, in order; between its ends and the messages too."""
    gaps: list[Gap] = []
    expected = scanned_from
    for message in messages:
        if message.sequence > expected:
            gaps.append(Gap(first=expected, last=message.sequence - 1))
        expected = message.sequence + 1
    if expected <= scanned_to:
        gaps.append(Gap(first=expected, last=scanned_to))
    return gaps
