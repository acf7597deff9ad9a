"""This module is the measure of the log: leaves added to a tree, and proofs made and checked in one of ten million leaves.

The large tree is synthetic: all its leaves are the same, so each level has one hash and its tiles need not be made one by one. What a
proof costs does not depend on what the leaves say.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from apps.persistence.encoding import cid_of
from apps.persistence.log import (
    TiledTree,
    TileId,
    check_consistency,
    check_inclusion,
    consistency_spans,
    inclusion_spans,
    leaf_bytes,
    leaf_hash,
    root_of,
    span_hash,
    tiles_of_spans,
)
from apps.persistence.log.hashes import perfect_root
from apps.persistence.log.spans import Span
from apps.persistence.log.tiles import TILE_WIDTH, width_of

from .figures import Figure, Spread

APPENDED = 100_000
APPENDED_AT_ONCE = 100
SIZE = 10_000_000
PROOFS = 100
APPEND_MICROSECONDS = 50
PROOF_MILLISECONDS = 5.0


class EqualLeaves:
    """The tiles of a tree whose leaves are all the same."""

    def __init__(self, leaf: bytes, size: int) -> None:
        self.size = size
        self._hashes = [leaf_hash(leaf)]

    def read(self, spans: list[Span]) -> dict[TileId, bytes]:
        """The tiles that these spans are made from."""
        return {tile: self._hash_of(tile.level) * width_of(tile, self.size) for tile in tiles_of_spans(spans)}

    def _hash_of(self, level: int) -> bytes:
        while len(self._hashes) <= level:
            self._hashes.append(perfect_root(self._hashes[-1] * TILE_WIDTH))
        return self._hashes[level]


def measure_log() -> list[Figure]:
    tree = EqualLeaves(leaf_bytes(1, None), SIZE)
    what = f"in a log of {SIZE:,} leaves"
    return [
        _appended(),
        _proofs(f"prove and check that an event is {what}", lambda root: _inclusion(tree, root), tree),
        _proofs(f"prove and check that an older checkpoint is {what}", lambda root: _consistency(tree, root), tree),
    ]


def _appended() -> Figure:
    leaves = [leaf_bytes(number + 1, cid_of(number.to_bytes(4, "big"))) for number in range(APPENDED)]
    tree = TiledTree()
    began = time.process_time()
    for start in range(0, APPENDED, APPENDED_AT_ONCE):
        tree.append(leaves[start : start + APPENDED_AT_ONCE])
        tree.root()
        tree.take_changed()
    each = (time.process_time() - began) * 1_000_000 / APPENDED
    what = f"add a leaf to the log, with the root after each {APPENDED_AT_ONCE}"
    return Figure(what=what, measured=f"{each:.2f} µs", target=f"≤ {APPEND_MICROSECONDS} µs", is_met=each <= APPEND_MICROSECONDS)


def _proofs(what: str, once: Callable[[bytes], None], tree: EqualLeaves) -> Figure:
    root = root_of(tree.read([Span(0, tree.size)]), tree.size)
    seconds = []
    for _ in range(PROOFS):
        began = time.process_time()
        once(root)
        seconds.append(time.process_time() - began)
    spread = Spread.of(seconds)
    return Figure(
        what=what,
        measured=f"p50 {spread.p50:.2f} ms · p99 {spread.p99:.2f} ms",
        target=f"p99 ≤ {PROOF_MILLISECONDS:g} ms",
        is_met=spread.p99 <= PROOF_MILLISECONDS,
    )


def _inclusion(tree: EqualLeaves, root: bytes) -> None:
    index = random.randrange(tree.size)
    spans = inclusion_spans(index, tree.size)
    tiles = tree.read(spans)
    proof = [span_hash(tiles, span) for span in spans]
    check_inclusion(leaf_hash(leaf_bytes(1, None)), index=index, size=tree.size, proof=proof, root=root)


def _consistency(tree: EqualLeaves, root: bytes) -> None:
    older = EqualLeaves(leaf_bytes(1, None), random.randrange(1, tree.size))
    spans = consistency_spans(older.size, tree.size)
    tiles = tree.read(spans)
    proof = [span_hash(tiles, span) for span in spans]
    old_root = root_of(older.read([Span(0, older.size)]), older.size)
    check_consistency(old_size=older.size, old_root=old_root, new_size=tree.size, new_root=root, proof=proof)
