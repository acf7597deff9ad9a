"""This module is the findings of a verification while it runs: the first of them in full, all of them counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ..errors import InvalidInput
from ..events import AggregateRef
from .tips import NO_FINDING
from .verdict import Cause, Finding

MAX_FINDINGS = 1000


class Findings:
    """Collects findings; of those beyond the limit only the cause is kept. A place is an index that stays valid, or NO_FINDING."""

    def __init__(self, limit: int = MAX_FINDINGS) -> None:
        self._kept: list[Finding | None] = []
        self._limit = limit
        self.by_cause: Counter[Cause] = Counter()

    @property
    def count(self) -> int:
        return self.by_cause.total()

    @property
    def kept(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self._kept if finding is not None)

    def add(self, finding: Finding) -> int:
        """Count a finding and keep it if there is room; return its place."""
        self.by_cause[finding.cause] += 1
        if len(self._kept) >= self._limit:
            return NO_FINDING
        self._kept.append(finding)
        return len(self._kept) - 1

    def note(self, place: int, sentence: str) -> None:
        """Add a sentence to the explanation of a kept finding."""
        finding = self.at(place)
        if finding is not None:
            self._kept[place] = replace(finding, explanation=f"{finding.explanation} {sentence}")

    def at(self, place: int) -> Finding | None:
        return None if place == NO_FINDING else self._kept[place]

    def replace(self, place: int, finding: Finding | None) -> None:
        """Put another finding of the same cause in the place of one, or take it back."""
        before = self.at(place)
        if before is not None and finding is None:
            self.by_cause[before.cause] -= 1
        self._kept[place] = finding

    def first(self) -> Finding | None:
        """The kept finding that shows at the lowest sequence."""
        placed = [finding for finding in self.kept if finding.sequence is not None]
        return min(placed or self.kept, key=lambda finding: finding.sequence or 0, default=None)


def ref_of(key: str | None) -> AggregateRef | None:
    """The aggregate of this name, or None where it is none of ours."""
    if key is None:
        return None
    try:
        return AggregateRef.parse(key)
    except InvalidInput:
        return None
