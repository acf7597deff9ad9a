"""This module is gaps that recorded removals explain: each sequence explains at most one missing version, of a fitting subject."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..subjects import overlaps
from .gaps import Range, SequenceGaps
from .removals import EXPIRED, LOWERED, Removal


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a verification met of one removal: so many sequences that hold nothing because of it, or versions where it met only those."""

    removal: Removal
    count: int

    @property
    def is_by_run(self) -> bool:
        """Whether a recorded run removed them, not a limit of the stream."""
        return self.removal.operation not in (EXPIRED, LOWERED)

    @property
    def sentence(self) -> str:
        """For the person who reads the verdict."""
        one = self.count == 1
        if not self.is_by_run:
            return f"{self.count:,} message{'' if one else 's'} at the beginning, which {self.removal.reason} removed"
        return (
            f"{self.count:,} message{'' if one else 's'} removed by run {self.removal.run_id} of {self.removal.by} "
            f"on {self.removal.at:%Y-%m-%d at %H:%M} UTC, with the reason “{self.removal.reason}”"
        )


@dataclass(slots=True)
class _Pool:
    removal: Removal
    gaps: SequenceGaps
    met: int = 0


class Recorded:
    """The exact removals of a stream. From sequence `gaps_from` on only gaps that are met count; before it, or without it, all do."""

    def __init__(self, removals: Sequence[Removal], *, gaps_from: int | None) -> None:
        self._pools = [_Pool(removal, SequenceGaps(max_ranges=2 * len(removal.ranges) + 2)) for removal in removals if removal.is_exact]
        self._ranges = sorted((part, pool) for pool in range(len(self._pools)) for part in self._pools[pool].removal.ranges)
        self._watches_gaps = gaps_from is not None
        for part, pool in self._ranges:
            last = part.last if gaps_from is None else min(part.last, gaps_from - 1)
            if part.first <= last:
                self._pools[pool].gaps.add(Range(part.first, last))

    def claim(self, gap: Range) -> list[Range]:
        """Take what was removed on purpose out of a gap that was met; return what is left."""
        rest: list[Range] = []
        first = gap.first
        place = max(0, bisect_right(self._ranges, (Range(first, first), len(self._pools))) - 1)
        for part, number in self._ranges[place:]:
            if part.first > gap.last:
                break
            own = Range(max(first, part.first), min(gap.last, part.last))
            if own.size < 1:
                continue
            if own.first > first:
                rest.append(Range(first, own.first - 1))
            self._pools[number].gaps.add(own)
            self._pools[number].met += own.size
            first = own.last + 1
        return [*rest, Range(first, gap.last)] if first <= gap.last else rest

    def explain(self, subjects: str, missing: Range, *, after: int, before: int) -> bool:
        """Whether all `missing` versions, whose subjects match the pattern `subjects`, went on purpose between two sequences."""
        taken: list[tuple[_Pool, list[Range]]] = []
        left = missing.size
        for pool in self._pools:
            if left and overlaps(pool.removal.pattern, subjects):
                found = pool.gaps.take(left, after=after, before=before)
                taken.append((pool, found))
                left -= sum(part.size for part in found)
        for pool, found in taken:
            if left:
                for part in found:
                    pool.gaps.add(part)
            elif not self._watches_gaps:
                pool.met += sum(part.size for part in found)
        return not left

    @property
    def removed(self) -> tuple[Removed, ...]:
        """What was met of each removal."""
        return tuple(Removed(removal=pool.removal, count=pool.met) for pool in self._pools if pool.met)
