"""This module is the sequences at which a stream holds nothing, until they are explained by versions that are missing."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

MAX_RANGES = 10_000


class Range(NamedTuple):
    """Whole numbers from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first:,}" if self.first == self.last else f"{self.first:,} to {self.last:,}"


class SequenceGaps:
    """Gaps in stream order, each sequence of which explains at most one missing version.

    A hole in an aggregate's versions takes the first free sequences between its neighbours. As holes are met in the order of their
    later neighbour, this leaves a sequence over only where no way of matching could have used it.
    """

    def __init__(self, max_ranges: int = MAX_RANGES) -> None:
        self._ranges: list[Range] = []
        self._max_ranges = max_ranges
        self.untracked = 0

    @property
    def free(self) -> tuple[Range, ...]:
        """What nothing has explained yet."""
        return tuple(self._ranges)

    def add(self, gap: Range) -> None:
        """Note a gap, new or given back; beyond the limit only its size is kept, in `untracked`."""
        if len(self._ranges) >= self._max_ranges:
            self.untracked += gap.size
            return
        self._ranges.insert(bisect_left(self._ranges, gap), gap)

    def take(self, count: int, *, after: int, before: int) -> list[Range]:
        """Up to `count` free sequences between two others, now explained."""
        taken: list[Range] = []
        place = bisect_left(self._ranges, Range(after + 1, 0))
        while count > 0 and place < len(self._ranges) and self._ranges[place].last < before:
            gap = self._ranges.pop(place)
            part = Range(gap.first, min(gap.last, gap.first + count - 1))
            taken.append(part)
            count -= part.size
            if part.last < gap.last:
                self._ranges.insert(place, Range(part.last + 1, gap.last))
        return taken


def name_ranges(ranges: list[Range]) -> str:
    """A few ranges in words: `7, 9 to 12 and 3 more ranges`."""
    shown = ", ".join(str(part) for part in ranges[:5])
    return shown if len(ranges) <= 5 else f"{shown} and {len(ranges) - 5} more ranges"
