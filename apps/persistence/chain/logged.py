"""This module is holding a range of a stream against its kept log while it is verified, and folding it into the tree, in one reading.

Bundles of 256 leaves are compared as bytes, so that this costs a few microseconds for each event. What the stream holds is taken as it lies
there; of a sequence that holds nothing the log says what it was, and whether that is true shows in the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..encoding import Value
from ..log.kept import logged_leaves
from ..log.leaves import MISSING, SEQUENCE_BYTES
from ..log.subtrees import Subtrees
from ..log.tiles import TILE_WIDTH
from ..store import Connection
from .examine import Seen, Unreadable

LEAVES_AT_ONCE = 16 * TILE_WIDTH
FIRST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Differs:
    """A sequence where what the log says is not what the stream holds: two raw CIDs, or MISSING for a sequence that held nothing."""

    sequence: int
    logged: bytes
    found: bytes


@dataclass(slots=True, kw_only=True)
class Folded:
    """The tree over a range, and how the log stands to it.

    `cuts` are the same trees as they were at some sizes of the whole. `different` counts what differs, `first` is the first of it;
    `gone` are sequences whose event only the log knows, `unknown` those of which neither says anything although they were logged.
    """

    tree: Subtrees
    cuts: dict[int, Subtrees] = field(default_factory=dict)
    different: int = 0
    gone: int = 0
    unknown: int = 0
    first: list[Differs] = field(default_factory=list)

    def to_value(self) -> Value:
        return {
            "tree": self.tree.to_value(),
            "cuts": [[size, tree.to_value()] for size, tree in self.cuts.items()],
            "different": self.different,
            "gone": self.gone,
            "unknown": self.unknown,
        }

    @classmethod
    def from_value(cls, value: Value) -> Folded:
        """As a part of a run kept it, without what differs."""
        kept = cast("dict[str, Any]", value)
        return cls(
            tree=Subtrees.from_value(kept["tree"]),
            cuts={size: Subtrees.from_value(tree) for size, tree in kept["cuts"]},
            different=kept["different"],
            gone=kept["gone"],
            unknown=kept["unknown"],
        )


def join(parts: Sequence[Folded]) -> Folded:
    """One tree from those of ranges that follow one another, and its counts. Raises InvalidProof where they do not."""
    joined = Folded(tree=Subtrees(parts[0].tree.start))
    for part in parts:
        for size, cut in part.cuts.items():
            joined.cuts[size] = joined.tree.copy().extend(cut)
        joined.tree.extend(part.tree)
        joined.different += part.different
        joined.gone += part.gone
        joined.unknown += part.unknown
    return joined


class LogReading:
    """Takes what is read of a stream from sequence `first` on, in order; `logged` is how many sequences the log has."""

    def __init__(self, connection: Connection, stream: str, *, first: int, logged: int, cuts: Iterable[int] = ()) -> None:
        self.folded = Folded(tree=Subtrees(first - 1))
        self._connection = connection
        self._stream = stream
        self._logged = logged
        self._cuts = sorted(size for size in cuts if size >= first)
        self._next = first
        self._place = first
        self._found: list[bytes] = []

    async def take(self, items: Sequence[Seen | Unreadable]) -> None:
        """What the stream holds next."""
        for item in items:
            if item.sequence != self._place:
                await self._leave_out(item.sequence)
            self._found.append(item.cid)
            self._place += 1
        await self._fold()

    async def finish(self, last: int) -> Folded:
        """Nothing more comes up to sequence `last`."""
        await self._leave_out(last + 1)
        await self._fold(is_end=True)
        return self.folded

    async def _leave_out(self, sequence: int) -> None:
        """The stream holds nothing before a sequence, from where it was."""
        while self._place < sequence:
            some = min(sequence - self._place, LEAVES_AT_ONCE)
            self._found += [MISSING] * some
            self._place += some
            await self._fold()

    async def _fold(self, *, is_end: bool = False) -> None:
        """Fold what was found so far, in whole bundles, once that is enough of them to ask for what was logged."""
        if not is_end and len(self._found) < LEAVES_AT_ONCE:
            return
        first = self._next
        end = self._place if is_end else self._place - (self._place - 1) % TILE_WIDTH
        found, self._found = self._found[: end - first], self._found[end - first :]
        self._next = end
        was: list[bytes | None] = []
        if first <= self._logged:
            was = await logged_leaves(self._connection, self._stream, first=first, last=min(end - 1, self._logged))
        leaves = self._compare(first, found, was)
        self._append(first - 1, leaves)

    def _compare(self, first: int, found: list[bytes], was: list[bytes | None]) -> list[bytes]:
        """The leaves of the tree from sequence `first` on."""
        leaves = [(first + place).to_bytes(SEQUENCE_BYTES, "big") + cid for place, cid in enumerate(found)]
        if leaves[: len(was)] == was and MISSING not in found:
            return leaves
        for place, logged in enumerate(was):
            if logged != leaves[place]:
                leaves[place] = self._settle(first + place, leaves[place], logged)
        later = sum(1 for place in range(len(was), len(found)) if found[place] == MISSING and first + place <= self._signed)
        self.folded.unknown += later
        return leaves

    @property
    def _signed(self) -> int:
        return self._cuts[-1] if self._cuts else 0

    def _settle(self, sequence: int, leaf: bytes, logged: bytes | None) -> bytes:
        """Which leaf the tree gets where the log does not say the same, and what that counts as."""
        folded, found = self.folded, leaf[SEQUENCE_BYTES:]
        if logged is None or logged[:SEQUENCE_BYTES] != leaf[:SEQUENCE_BYTES]:
            folded.unknown += found == MISSING
            return leaf
        if found == MISSING:
            folded.gone += 1
            return logged
        folded.different += 1
        if len(folded.first) < FIRST_KEPT:
            folded.first.append(Differs(sequence, logged[SEQUENCE_BYTES:], found))
        return leaf

    def _append(self, size: int, leaves: list[bytes]) -> None:
        """Add to the tree, whose end is at `size`, bundle by bundle, and keep it as it is at each size that was asked for."""
        tree, done = self.folded.tree, 0
        while done < len(leaves):
            here = size + done
            step = TILE_WIDTH - here % TILE_WIDTH
            cut = next((cut - here for cut in self._cuts if cut > here), step)
            some = leaves[done : done + min(step, cut)]
            tree.append(some)
            done += len(some)
            if size + done in self._cuts:
                self.folded.cuts[size + done] = tree.copy()
