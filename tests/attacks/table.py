"""This module is the table of an attack run: for each attack how often it was found, where, how soon and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .rounds import Outcome

EXACT_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attack, as often as it was tried."""

    name: str
    outcomes: Sequence[Outcome]

    @property
    def found(self) -> int:
        return sum(one.is_found for one in self.outcomes)

    @property
    def exact(self) -> int:
        return sum(one.is_exact for one in self.outcomes)

    @property
    def text(self) -> str:
        """The row as it is printed."""
        counts = Counter(layer for one in self.outcomes for layer in one.layers)
        layers = ", ".join(f"{layer} {count}" if count < len(self.outcomes) else layer for layer, count in counts.most_common())
        seconds = median(one.seconds for one in self.outcomes)
        return f"{self.name:58} {len(self.outcomes):6} {self.found:6} {self.exact:6} {seconds:8.2f}  {layers}"


HEADER = f"{'attack':58} {'rounds':>6} {'found':>6} {'exact':>6} {'seconds':>8}  found by"


def sums_of(rows: Sequence[Row], *, honest: int, false_alarms: int) -> tuple[str, bool]:
    """The last line, and whether all that must be is: all found, nine in ten and more exact, no false alarm."""
    rounds = sum(len(row.outcomes) for row in rows)
    found, exact = sum(row.found for row in rows), sum(row.exact for row in rows)
    is_good = found == rounds and exact >= EXACT_SHARE * rounds and not false_alarms
    told = f"{found:,} of {rounds:,} attacks found, the first bad sequence exact in {100 * exact / max(1, rounds):.1f} %"
    return f"{told}, {false_alarms} false alarms in {honest:,} honest runs", is_good
