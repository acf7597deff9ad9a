"""This module is a run of leaves from the middle of a tree, as the roots of the largest whole subtrees in it, for readings in parts.

Which subtrees these are follows from the two ends alone. Runs that follow one another, added to an edge in order, give the root above all
of them without a leaf being read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ..encoding import Value
from ..errors import InvalidProof
from .frontier import Frontier
from .hashes import HASH_BYTES, leaf_hash, node_hash, perfect_root
from .tiles import TILE_HEIGHT, TILE_WIDTH


class Subtrees:
    """The leaves with the indexes from `start` up to, not with, `end`; it grows at its end."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self._parts: list[tuple[int, bytes]] = []

    def add(self, found: bytes, level: int = 0) -> None:
        """Add the root of a whole subtree of 2 ** `level` leaves, which begins where this run ends."""
        assert self.end % (1 << level) == 0, "a whole subtree begins at a multiple of its size"
        self.end += 1 << level
        place = (self.end >> level) - 1
        while place & 1 and self._parts and self._parts[-1][0] == level:
            found = node_hash(self._parts.pop()[1], found)
            place, level = place >> 1, level + 1
        self._parts.append((level, found))

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaves of 44 bytes each."""
        if len(leaves) == TILE_WIDTH and self.end % TILE_WIDTH == 0:
            self.add(perfect_root(b"".join([leaf_hash(leaf) for leaf in leaves])), TILE_HEIGHT)
            return
        for leaf in leaves:
            self.add(leaf_hash(leaf))

    def extend(self, other: Subtrees) -> Subtrees:
        """Add the run that begins where this one ends, and return this one. Raises InvalidProof where they do not meet."""
        if other.start != self.end:
            raise InvalidProof(f"A run of leaves from {other.start:,} on does not follow one that ends at {self.end:,}; read it again.")
        for level, root in other._parts:
            self.add(root, level)
        return self

    def copy(self) -> Subtrees:
        other = Subtrees(self.start)
        other.end, other._parts = self.end, list(self._parts)
        return other

    def onto(self, edge: Frontier) -> Frontier:
        """The edge of the tree that ends with this run, where `edge` is that before it. Raises InvalidProof where they do not meet."""
        if edge.size != self.start:
            raise InvalidProof(f"A run of leaves from {self.start:,} on does not follow a tree of {edge.size:,}; read it again.")
        found = edge.copy()
        for level, root in self._parts:
            found.add(root, level)
        return found

    def to_value(self) -> Value:
        return [self.start, self.end, b"".join([root for _, root in self._parts])]

    @classmethod
    def from_value(cls, value: Value) -> Subtrees:
        """As `to_value` gave it. Raises InvalidProof where it has another number of subtrees than its ends ask for."""
        start, end, raw = cast("tuple[int, int, bytes]", tuple(cast("list[Value]", value)))
        found = cls(start)
        levels = _levels(start, end)
        if len(raw) != len(levels) * HASH_BYTES:
            raise InvalidProof(f"The leaves from {start:,} to {end:,} have {len(levels)} whole subtrees, not {len(raw):,} bytes of them.")
        for number, level in enumerate(levels):
            found.add(raw[number * HASH_BYTES : (number + 1) * HASH_BYTES], level)
        return found


def _levels(start: int, end: int) -> list[int]:
    """Of the largest whole subtrees between two indexes, from left to right, the levels."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        found.append(level)
        start += 1 << level
    return found
