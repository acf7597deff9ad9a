"""This module is counting the messages of a stream that match a pattern, exactly and without a consumer, and naming where they lie."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from ..chain.gaps import Range
from ..chain.removals import ranges_of
from ..errors import InvalidInput
from ..store import Connection, StreamInfo, page_back, read_batch

ALL = ">"
PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Messages that match `pattern` before the sequence `before`: how many, and the first and last of them (0 where there are none)."""

    pattern: str
    before: int
    count: int
    first: int
    last: int


def counted(number: int, noun: str) -> str:
    """As in `1 message` and `2 messages`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


async def measure(connection: Connection, info: StreamInfo, *, pattern: str, before: int) -> Span:
    """What lies before a sequence. Raises InvalidInput where the stream lets nobody count by subject."""
    before = max(1, min(before, info.last_sequence + 1))
    count = await count_from(connection, info, 1, pattern) - await count_from(connection, info, before, pattern)
    if count <= 0:
        return Span(pattern=pattern, before=before, count=0, first=0, last=0)
    head = await read_batch(connection, info.name, limit=1, pattern=pattern)
    tail = await page_back(connection, info, before_sequence=before, limit=1, pattern=pattern)
    last = tail.messages[-1].sequence if tail.messages else before - 1
    return Span(pattern=pattern, before=before, count=count, first=head.messages[0].sequence if head.messages else 1, last=last)


async def count_from(connection: Connection, info: StreamInfo, sequence: int, pattern: str) -> int:
    """How many messages match at or after a sequence. Raises InvalidInput where the stream lets nobody count by subject."""
    if not info.messages or sequence > info.last_sequence:
        return 0
    if info.allows_direct:
        batch = await read_batch(connection, info.name, from_sequence=sequence, limit=1, pattern=pattern)
        return len(batch.messages) + batch.pending
    if pattern != ALL:
        raise InvalidInput(
            f"{info.name} allows no Direct Get, so its messages cannot be counted by subject; allow_direct makes it possible."
        )
    first = max(sequence, info.first_sequence)
    missing = await _deleted(connection, info)
    return info.last_sequence - first + 1 - (len(missing) - bisect_left(missing, first))


async def nth_newest(connection: Connection, info: StreamInfo, pattern: str, keep: int) -> int:
    """The sequence of the `keep`-th newest message that matches; one beyond the last for 0, 1 where there are no more than that."""
    low, high = 1, info.last_sequence + 1
    while low < high:
        middle = (low + high + 1) // 2
        if await count_from(connection, info, middle, pattern) >= keep:
            low = middle
        else:
            high = middle - 1
    return low


async def places_of(connection: Connection, info: StreamInfo, span: Span) -> list[Range]:
    """Where exactly the messages of a span lie."""
    if not span.count:
        return []
    if span.pattern == ALL:
        return _between(await _deleted(connection, info), max(1, info.first_sequence), span.before - 1)
    found: list[int] = []
    position = span.first
    while position < span.before:
        batch = await read_batch(connection, info.name, from_sequence=position, limit=PAGE, pattern=span.pattern)
        found += [message.sequence for message in batch.messages if message.sequence < span.before]
        if not batch.messages or not batch.pending:
            break
        position = batch.messages[-1].sequence + 1
    return ranges_of(found)


def _between(missing: list[int], first: int, last: int) -> list[Range]:
    """What of `first` to `last` is not missing."""
    found: list[Range] = []
    for gone in [*(sequence for sequence in missing if first <= sequence <= last), last + 1]:
        if gone > first:
            found.append(Range(first, gone - 1))
        first = gone + 1
    return found


async def _deleted(connection: Connection, info: StreamInfo) -> list[int]:
    """The sequences between first and last that hold nothing."""
    if not info.deleted:
        return []
    answer: dict[str, Any] = await connection.api(f"STREAM.INFO.{info.name}", {"deleted_details": True}, stream=info.name, timeout=15)
    return sorted(answer["state"].get("deleted") or ())
