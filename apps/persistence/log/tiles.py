"""This module is the tree as tiles (C2SP tlog-tiles): 256 hashes of one level in a row, and the leaves themselves in bundles of 256.

Tile number n of level L holds the roots of perfect subtrees of 256 ** L leaves, from 256 × n on. Only the last tile of a level
may be partial. A tile that is full never changes; nothing between its hashes and their root is kept, as it is quickly made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..errors import InvalidInput, InvalidProof
from .hashes import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash, perfect_root
from .leaves import LEAF_BYTES
from .spans import Node, Span, perfect_parts

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
_LENGTH_BYTES = 2


class TileId(NamedTuple):
    """Which tile of hashes; level −1 is that of the leaves (`entries`)."""

    level: int
    number: int

    @property
    def path(self) -> str:
        """Its name when it is full, as the specification has it: `tile/0/x001/x234/067`, `tile/entries/000`."""
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{'/'.join(reversed(groups))}"

    def path_of(self, width: int) -> str:
        """Its name when it holds `width` hashes or leaves."""
        return self.path if width == TILE_WIDTH else f"{self.path}.p/{width}"


ENTRIES = -1
Tiles = Mapping[TileId, bytes]


def tile_of(node: Node) -> TileId:
    """The tile that holds the hashes under a perfect subtree."""
    level = node.level // TILE_HEIGHT
    return TileId(level, node.number >> (TILE_HEIGHT * (level + 1) - node.level))


def tiles_of_spans(spans: Iterable[Span]) -> set[TileId]:
    """The tiles that the hashes of these spans are made from."""
    return {tile_of(node) for span in spans for node in perfect_parts(span)}


def widths(size: int) -> list[int]:
    """How many hashes each level of a tree of `size` leaves holds, lowest first; none for an empty one."""
    found = []
    while size:
        found.append(size)
        size >>= TILE_HEIGHT
    return found


def width_of(tile: TileId, size: int) -> int:
    """How many hashes the tile holds in a tree of `size` leaves; 0 where it is not there."""
    there = size >> (TILE_HEIGHT * max(0, tile.level))
    return max(0, min(TILE_WIDTH, there - tile.number * TILE_WIDTH))


def edge_of(size: int) -> list[TileId]:
    """The last tile of each level, as far as it is partial: what a tree goes on from."""
    return [TileId(level, width // TILE_WIDTH) for level, width in enumerate(widths(size)) if width % TILE_WIDTH]


def node_of(tiles: Tiles, node: Node) -> bytes:
    """The hash of a perfect subtree. Raises InvalidProof where its tile lacks it."""
    tile = tile_of(node)
    row = node.level % TILE_HEIGHT
    start = ((node.number << row) % TILE_WIDTH) * HASH_BYTES
    end = start + (HASH_BYTES << row)
    hashes = tiles.get(tile, b"")
    if len(hashes) < end:
        raise InvalidProof(f"{tile.path} holds {len(hashes) // HASH_BYTES} hashes and lacks some that are needed; make the tree anew.")
    return perfect_root(hashes[start:end])


def span_hash(tiles: Tiles, span: Span) -> bytes:
    """The root above a span of leaves. Raises InvalidProof where a tile is missing."""
    *before, last = [node_of(tiles, node) for node in perfect_parts(span)]
    for left in reversed(before):
        last = node_hash(left, last)
    return last


def root_of(tiles: Tiles, size: int) -> bytes:
    """The root of a tree of `size` leaves. Raises InvalidProof where a tile is missing."""
    return span_hash(tiles, Span(0, size)) if size else EMPTY_ROOT


class TiledTree:
    """A tree that grows at its right edge. `changed` gathers every tile that is new or longer, until it is taken away."""

    def __init__(self, size: int = 0, edge: Tiles | None = None) -> None:
        """Go on from a tree of `size` leaves, whose partial tiles (`edge_of`, and the last of the entries) are `edge`."""
        self.size = size
        self._edge: dict[TileId, bytes] = {}
        for tile in [*edge_of(size), *([TileId(ENTRIES, size // TILE_WIDTH)] if size % TILE_WIDTH else [])]:
            self._edge[tile] = self._fitting(tile, (edge or {}).get(tile, b""))
        self.changed: dict[TileId, bytes] = {}

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaves of 44 bytes each at the end."""
        done = 0
        while done < len(leaves):
            room = TILE_WIDTH - self.size % TILE_WIDTH
            some = leaves[done : done + room]
            self._grow(TileId(ENTRIES, self.size // TILE_WIDTH), entry_bundle(some), is_full=len(some) == room)
            self._add(0, self.size, b"".join([leaf_hash(leaf) for leaf in some]))
            self.size += len(some)
            done += len(some)

    def root(self) -> bytes:
        """The root above all leaves so far."""
        return root_of(self._edge, self.size) if self.size else EMPTY_ROOT

    def take_changed(self) -> dict[TileId, bytes]:
        """What is to be kept since this was last asked."""
        changed, self.changed = self.changed, {}
        return changed

    def _add(self, level: int, position: int, hashes: bytes) -> None:
        """Add hashes to the last tile of a level, none beyond its end; a full tile adds its root above."""
        tile = TileId(level, position // TILE_WIDTH)
        is_full = position % TILE_WIDTH + len(hashes) // HASH_BYTES == TILE_WIDTH
        whole = self._grow(tile, hashes, is_full=is_full)
        if is_full:
            self._add(level + 1, tile.number, perfect_root(whole))

    def _grow(self, tile: TileId, added: bytes, *, is_full: bool) -> bytes:
        whole = self._edge.pop(tile, b"") + added
        if not is_full:
            self._edge[tile] = whole
        self.changed[tile] = whole
        return whole

    def _fitting(self, tile: TileId, kept: bytes) -> bytes:
        """Exactly what the tree of this size needs of a kept tile: it may be longer. Raises InvalidProof where it is shorter."""
        needed = width_of(tile, self.size) * (HASH_BYTES if tile.level != ENTRIES else _LENGTH_BYTES + LEAF_BYTES)
        if len(kept) < needed:
            raise InvalidProof(f"{tile.path} is kept with {len(kept):,} bytes and needs {needed:,}; make the tree anew.")
        return kept[:needed]


def entry_bundle(leaves: Sequence[bytes]) -> bytes:
    """Leaves as the specification bundles them: each after its length in two bytes."""
    return b"".join([len(leaf).to_bytes(_LENGTH_BYTES, "big") + leaf for leaf in leaves])


def bundled_leaves(bundle: bytes) -> list[bytes]:
    """The leaves of a bundle. Raises InvalidInput where it is cut off or holds anything but leaves of 44 bytes."""
    step = _LENGTH_BYTES + LEAF_BYTES
    prefix = LEAF_BYTES.to_bytes(_LENGTH_BYTES, "big")
    if len(bundle) % step or any(bundle[start : start + _LENGTH_BYTES] != prefix for start in range(0, len(bundle), step)):
        raise InvalidInput(f"A bundle of {len(bundle):,} bytes does not hold whole leaves of {LEAF_BYTES} bytes; fetch it again.")
    return [bundle[start + _LENGTH_BYTES : start + step] for start in range(0, len(bundle), step)]
