"""This module is the right edge of a tree: the roots of its perfect parts, which is all it takes to go on and to know its root."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InvalidInput
from .hashes import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash


class Frontier:
    """A tree that only grows; it keeps one hash for each bit that is set in its size, the largest part first."""

    def __init__(self, size: int = 0, hashes: bytes = b"") -> None:
        """Go on from what `raw` gave. Raises InvalidInput where it does not fit the size."""
        if len(hashes) != size.bit_count() * HASH_BYTES:
            raise InvalidInput(f"The edge of a log of {size:,} leaves has {size.bit_count()} hashes, not {len(hashes)} bytes.")
        self.size = size
        self._parts = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]

    @property
    def raw(self) -> bytes:
        return b"".join(self._parts)

    def copy(self) -> Frontier:
        return Frontier(self.size, self.raw)

    def append(self, leaves: Iterable[bytes]) -> None:
        """Add leaves of 44 bytes each at the end."""
        for leaf in leaves:
            self.add(leaf_hash(leaf))

    def add(self, found: bytes, level: int = 0) -> None:
        """Add the root of a whole subtree of 2 ** `level` leaves; the size so far is a multiple of that."""
        place = self.size >> level
        assert place << level == self.size, "a whole subtree begins at a multiple of its size"
        for _ in range((~place & (place + 1)).bit_length() - 1):
            found = node_hash(self._parts.pop(), found)
        self._parts.append(found)
        self.size += 1 << level

    def root(self) -> bytes:
        """The root above all leaves so far."""
        if not self._parts:
            return EMPTY_ROOT
        *before, found = self._parts
        for left in reversed(before):
            found = node_hash(left, found)
        return found
