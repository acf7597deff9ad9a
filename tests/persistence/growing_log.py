"""This module is a log to measure proofs against, and the slow tree that RFC 6962 defines, to compare the quick one with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from apps.persistence.log.tiles import ENTRIES, TiledTree, TileId


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    middle = largest_power_below(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:middle]) + naive_root(leaves[middle:])).digest()


def naive_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    middle = largest_power_below(len(leaves))
    if index < middle:
        return [*naive_inclusion(index, leaves[:middle]), naive_root(leaves[middle:])]
    return [*naive_inclusion(index - middle, leaves[middle:]), naive_root(leaves[:middle])]


def naive_consistency(old_size: int, leaves: Sequence[bytes], *, is_whole: bool = True) -> list[bytes]:
    """RFC 6962, 2.1.2, word for word."""
    if old_size == len(leaves):
        return [] if is_whole else [naive_root(leaves)]
    middle = largest_power_below(len(leaves))
    if old_size <= middle:
        return [*naive_consistency(old_size, leaves[:middle], is_whole=is_whole), naive_root(leaves[middle:])]
    return [*naive_consistency(old_size - middle, leaves[middle:], is_whole=False), naive_root(leaves[:middle])]


def largest_power_below(count: int) -> int:
    power = 1
    while 2 * power < count:
        power *= 2
    return power


def tiles_of(tree: TiledTree) -> Mapping[TileId, bytes]:
    """The tiles of hashes of a tree that was made in one go."""
    return {tile: hashes for tile, hashes in tree.changed.items() if tile.level != ENTRIES}
