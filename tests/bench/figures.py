"""This module is a figure: what was measured, beside the bare client's and beside what is wanted."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table. `ratio` is ours against the bare client's, above 1 where ours is quicker; `is_met` is None without a target.

    `p50` is in milliseconds, for what is compared over sizes of the data.
    """

    what: str
    measured: str
    bare: str = ""
    ratio: float | None = None
    target: str = ""
    is_met: bool | None = None
    note: str = ""
    p50: float | None = None

    @property
    def verdict(self) -> str:
        if self.is_met is None:
            return ""
        return "met" if self.is_met else "**missed**"


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, each time, in milliseconds."""

    milliseconds: tuple[float, ...]

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        return cls(tuple(sorted(second * 1000 for second in seconds)))

    def percentile(self, percent: float) -> float:
        """The smallest time that at least `percent` of them did not exceed."""
        assert self.milliseconds, "nothing was measured"
        return self.milliseconds[max(0, math.ceil(len(self.milliseconds) * percent / 100) - 1)]

    @property
    def p50(self) -> float:
        return self.percentile(50)

    @property
    def p95(self) -> float:
        return self.percentile(95)

    @property
    def p99(self) -> float:
        return self.percentile(99)

    def words(self, *percents: int) -> str:
        if len(self.milliseconds) == 1:
            return f"{_milliseconds(self.p50)} (once)"
        return " · ".join(f"p{percent} {_milliseconds(self.percentile(percent))}" for percent in percents)


def rate_words(per_second: float) -> str:
    """Events in a second, to three digits, so that a table does not pretend to know more."""
    digits = max(0, int(math.log10(per_second)) - 2) if per_second >= 1 else 0
    return f"{round(per_second, -digits):,.0f}/s"


class Clock:
    """Time since it was made: on the wall, and of the processor for this process alone."""

    def __init__(self) -> None:
        self._began, self._worked = time.perf_counter(), time.process_time()

    def rate_of(self, count: int) -> Rate:
        """So many were done since."""
        return Rate(per_second=count / (time.perf_counter() - self._began), per_own_second=count / (time.process_time() - self._worked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many in a second on the wall, and in a second of the process's own processor time: the difference is waiting for others."""

    per_second: float
    per_own_second: float

    def words(self) -> str:
        return f"{rate_words(self.per_second)} ({rate_words(self.per_own_second)} of its own processor time)"


def to_rows(figures: Sequence[Figure]) -> list[list[str]]:
    """The table's cells, the heading first."""
    rows = [["what", "measured", "bare client", "ratio", "wanted", ""]]
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        what = f"{figure.what} ({figure.note})" if figure.note else figure.what
        rows.append([what, figure.measured, figure.bare, ratio, figure.target, figure.verdict])
    return rows


def to_text(figures: Sequence[Figure]) -> str:
    """The table for a terminal."""
    rows = [[cell.replace("**", "") for cell in row] for row in to_rows(figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def to_markdown(figures: Sequence[Figure]) -> str:
    """The table for a document."""
    heading, *rows = to_rows(figures)
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _milliseconds(value: float) -> str:
    if value < 10:
        return f"{value:.2f} ms"
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"
