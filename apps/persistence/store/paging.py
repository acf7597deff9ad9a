"""This module is pages of a stream, both ways, as a person turns them: by sequence, with what is missing between the rows named."""

from __future__ import annotations

from dataclasses import dataclass

from .connection import Connection
from .message import Message
from .read import read_batch
from .streams import StreamInfo

FIRST_WINDOW = 500
MAX_SCANNED = 200_000
"""How far back one request looks for messages that match before it says how far it came."""


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
    """The last `limit` messages before `before_sequence` that match `pattern`; looks down in windows that widen while they are empty."""
    top = min(before_sequence - 1, stream.last_sequence)
    bottom = max(stream.first_sequence, 1)
    found: list[Message] = []
    end, window = top, max(limit, FIRST_WINDOW if pattern != ">" else limit)
    while end >= bottom and len(found) < limit and top - end < MAX_SCANNED:
        start = max(bottom, end - window + 1)
        found = await _read_window(connection, stream.name, start, end, pattern) + found
        end, window = start - 1, window * 2
    kept = tuple(found[-limit:])
    scanned_from = kept[0].sequence if len(found) > limit else end + 1
    return StreamPage(messages=kept, scanned_from=max(scanned_from, bottom), scanned_to=top, is_complete=len(kept) == limit or end < bottom)


async def _read_window(connection: Connection, stream: str, start: int, end: int, pattern: str) -> list[Message]:
    found: list[Message] = []
    position = start
    while position <= end:
        batch = await read_batch(connection, stream, from_sequence=position, limit=min(1000, end - position + 1), pattern=pattern)
        inside = [message for message in batch.messages if message.sequence <= end]
        found.extend(inside)
        if len(inside) < len(batch.messages) or not batch.pending or not batch.messages:
            break
        position = batch.messages[-1].sequence + 1
    return found


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
