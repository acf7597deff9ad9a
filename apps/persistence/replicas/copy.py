"""This module is what was found of one node's copy of a stream: what it served, its roots, and where it is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..chain.gaps import Range
from ..log.leaves import parse_leaf
from ..log.tiles import TiledTree

RANGES_KEPT = 100
RANGES_SAID = 3


@dataclass(slots=True)
class Faults:
    """Sequences of one kind, as ranges; only the first are kept, all are counted."""

    ranges: list[Range] = field(default_factory=list)
    count: int = 0

    def add(self, sequence: int) -> None:
        self.count += 1
        if self.ranges and self.ranges[-1].last == sequence - 1:
            self.ranges[-1] = Range(self.ranges[-1].first, sequence)
        elif len(self.ranges) < RANGES_KEPT:
            self.ranges.append(Range(sequence, sequence))

    @property
    def first(self) -> int | None:
        return self.ranges[0].first if self.ranges else None

    @property
    def words(self) -> str:
        """`sequences 1,426 to 2,000`, or as many ranges as can be read."""
        one = self.count == 1
        parts = [f"{part.first:,}" if part.size == 1 else f"{part.first:,} to {part.last:,}" for part in self.ranges[:RANGES_SAID]]
        said = sum(part.size for part in self.ranges[:RANGES_SAID])
        more = f" and {self.count - said:,} more" if self.count > said else ""
        return f"sequence{'' if one else 's'} {', '.join(parts)}{more}"


@dataclass(slots=True, kw_only=True)
class NodeCopy:
    """One node of a stream. Where it could not be asked, `why_not` says why, and nothing else is known of it.

    `lacks` are sequences whose event it does not have, `other` those where it holds other bytes, `extra` those where it has an event and
    there should be none. `roots` are the Merkle roots of each 1,000 sequences as the node serves them.
    """

    name: str
    is_leader: bool
    why_not: str = ""
    messages: int = 0
    first: int = 0
    last: int = 0
    lacks: Faults = field(default_factory=Faults)
    other: Faults = field(default_factory=Faults)
    extra: Faults = field(default_factory=Faults)
    roots: list[bytes] = field(default_factory=list)
    tree: TiledTree = field(default_factory=TiledTree)
    changed: tuple[bytes, bytes] | None = None

    @property
    def is_asked(self) -> bool:
        return not self.why_not

    @property
    def is_wrong(self) -> bool:
        return bool(self.lacks.count or self.other.count or self.extra.count)

    @property
    def deleted(self) -> int:
        """How many sequences between its first and last hold nothing."""
        return self.last - self.first + 1 - self.messages if self.messages else 0

    @property
    def first_bad(self) -> int | None:
        found = [one.first for one in (self.lacks, self.other, self.extra) if one.first is not None]
        return min(found, default=None)

    @property
    def sentence(self) -> str:
        """What is wrong with it, in words; empty where nothing is."""
        if not self.is_asked:
            return f"node {self.name} could not be asked: {self.why_not}"
        parts = [
            *([f"lacks {self.lacks.words}"] if self.lacks.count else []),
            *([f"holds other bytes at {self.other.words}"] if self.other.count else []),
            *([f"holds events at {self.extra.words} where there were none"] if self.extra.count else []),
        ]
        return f"node {self.name} {' and '.join(parts)}" if parts else ""

    def note(self, sequence: int, wanted: bytes, found: bytes) -> None:
        """Take down where its leaf differs from the one that should be there."""
        is_wanted, is_found = parse_leaf(wanted).cid is not None, parse_leaf(found).cid is not None
        faults = self.extra if not is_wanted else self.other if is_found else self.lacks
        faults.add(sequence)
        if is_wanted and is_found and self.changed is None:
            self.changed = (wanted, found)
