"""This module is the chain strip: a range of a stream in cells, each as it was found, which lead down to ranges of single events.

Two things are shown that do not depend on each other: what a verification recomputed, and below it what a signed checkpoint covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .findings import Found

MOST_CELLS = 20
FEW = 50
"""A range of at most so many sequences is shown event by event."""
LEAST_WIDTH = 5.0
_LENGTH = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Sequences that hold nothing any more. `run` is the recorded run that removed them, empty where none did."""

    first: int
    last: int
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the stream as a whole. `verified` and `covered` are the last sequences that were read and signed."""

    last: int
    verified: int
    covered: int
    gone: tuple[Gone, ...] = ()
    findings: tuple[Found, ...] = ()

    def state_at(self, sequence: int, gone: Gone | None) -> str:
        """How one sequence stands, findings aside."""
        if sequence > self.last:
            return "tail_cut"
        if gone is not None:
            return "gone_covered" if sequence <= self.covered else "gone"
        return "intact" if sequence <= self.verified else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the strip in thousandths of its length; it leads to the range `first` to `last`."""

    state: str
    first: int
    last: int
    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One range of the level, and what it holds."""

    first: int
    last: int
    verified: int
    gone: int
    recorded: int
    covered: int
    cut: int
    findings: tuple[Found, ...]

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def not_checked(self) -> int:
        return self.size - self.verified

    @property
    def state(self) -> str:
        """The worst of it."""
        if self.cut:
            return "tail_cut"
        if self.findings:
            return self.findings[0].cause if len(self.findings) == 1 else "broken"
        if self.gone == self.size:
            return "gone_covered" if self.covered == self.size else "gone"
        return "intact" if self.verified == self.size else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A range in pieces and cells. `signed` is how much of its length a checkpoint covers, in thousandths."""

    first: int
    last: int
    whole: int
    pieces: tuple[Piece, ...]
    reds: tuple[Piece, ...]
    cells: tuple[Cell, ...]
    signed: float

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def is_few(self) -> bool:
        return self.size <= FEW

    @property
    def ticks(self) -> list[int]:
        """Sequences to write below it: its ends and, where there is room, the quarters between."""
        if self.size < 5:
            return [self.first] if self.size == 1 else [self.first, self.last]
        return [self.first + (self.size - 1) * quarter // 4 for quarter in range(5)]


def cell_size(size: int) -> int:
    """The round number of sequences in each cell of a range: 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if size <= step * power * MOST_CELLS:
                return step * power
        power *= 10


def wider(first: int, last: int, whole: int) -> tuple[int, int]:
    """The range one level up, of which this one would be a cell; it begins where its cells do."""
    width = cell_size((last - first + 1) * MOST_CELLS // 2) * MOST_CELLS // 2
    start = (first - 1) // width * width + 1
    return start, min(whole, start + width - 1)


def draw(facts: Facts, first: int, last: int) -> Strip:
    """The strip of the range `first` to `last`, which lies within the stream."""
    size = last - first + 1
    findings = [found for found in facts.findings if found.sequence is not None and first <= found.sequence <= last]
    cells = [_cell(facts, begin, end, findings) for begin, end in _cells(first, last)]
    edges = {cell.first for cell in cells} | {last + 1}
    edges |= {edge for edge in (facts.verified + 1, facts.covered + 1, facts.last + 1) if first < edge <= last}
    shown = [gone for gone in facts.gone if gone.first <= last and gone.last >= first and (gone.last - gone.first + 1) * 400 >= size]
    edges |= {edge for gone in shown for edge in (gone.first, gone.last + 1) if first < edge <= last}
    marks = sorted(edges)
    pieces = [_piece(facts, shown, begin, end - 1, first, size) for begin, end in pairwise(marks)]
    signed = min(size, max(0, facts.covered - first + 1))
    reds = tuple(_red(found, first, size) for found in findings)
    whole = max(facts.last, facts.verified, facts.covered)
    return Strip(first=first, last=last, whole=whole, pieces=tuple(pieces), reds=reds, cells=tuple(cells), signed=_LENGTH * signed / size)


def _cells(first: int, last: int) -> Iterator[tuple[int, int]]:
    width = cell_size(last - first + 1)
    while first <= last:
        end = min(last, (first - 1) // width * width + width)
        yield first, end
        first = end + 1


def _cell(facts: Facts, first: int, last: int, findings: Sequence[Found]) -> Cell:
    gone = [(min(last, one.last) - max(first, one.first) + 1, one.run) for one in facts.gone if one.first <= last and one.last >= first]
    return Cell(
        first=first,
        last=last,
        verified=min(last - first + 1, max(0, facts.verified - first + 1)),
        gone=sum(count for count, _ in gone),
        recorded=sum(count for count, run in gone if run),
        covered=min(last - first + 1, max(0, facts.covered - first + 1)),
        cut=max(0, last - max(first - 1, facts.last)),
        findings=tuple(found for found in findings if found.sequence is not None and first <= found.sequence <= last),
    )


_STATES = {
    "intact": "recomputed",
    "unknown": "not checked",
    "gone_covered": "no longer stored, covered by the log",
    "gone": "no longer stored, not covered by the log",
    "tail_cut": "was verified or signed, and the stream ends before it",
}


def _piece(facts: Facts, gone: Sequence[Gone], begin: int, end: int, first: int, size: int) -> Piece:
    missing = next((one for one in gone if one.first <= begin <= one.last), None)
    state = facts.state_at(begin, missing)
    signed = "" if begin <= facts.covered or missing else ", not signed yet"
    span = f"{begin:,}" if begin == end else f"{begin:,} – {end:,}"
    return Piece(
        state=state,
        first=begin,
        last=end,
        x=_LENGTH * (begin - first) / size,
        width=_LENGTH * (end - begin + 1) / size,
        words=f"{span}: {_STATES[state]}{signed}",
    )


def _red(found: Found, first: int, size: int) -> Piece:
    sequence = found.sequence or first
    width = max(LEAST_WIDTH, _LENGTH / size)
    x = min(_LENGTH - width, _LENGTH * (sequence - first) / size)
    return Piece(state=found.cause, first=sequence, last=sequence, x=x, width=width, words=f"{sequence:,}: {found.title}")
