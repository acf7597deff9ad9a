"""This module is a tree made again from what a stream holds, where the kept one lacks tiles.

The log is asked only about events that are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InvalidInput
from ..store import Connection
from .kept import logged_leaves
from .leaves import Leaf, parse_leaf
from .reading import read_leaves
from .tiles import TiledTree, Tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """The tree over the first `size` sequences. Of `unknown` events that are gone nothing is logged any more.

    `differing` is the first event that is there and is not what was logged: its leaf, and that of the log.
    """

    size: int
    tiles: Tiles
    unknown: int
    differing: tuple[Leaf, Leaf] | None


async def remake_tree(connection: Connection, stream: str, *, last: int) -> Remade:
    """The tree up to `last`; shorter where a replica is behind. Raises StreamNotFound, Unavailable."""
    tree, unknown = TiledTree(), 0
    differing: tuple[Leaf, Leaf] | None = None
    async for found in read_leaves(connection, stream, after=0, last=last):
        logged = await logged_leaves(connection, stream, first=tree.size + 1, last=tree.size + len(found))
        leaves = known_leaves(found, logged)
        for leaf, was in zip(leaves, logged, strict=True):
            unknown += was is None and parse_leaf(leaf).cid is None
            if differing is None and was not in (None, leaf):
                differing = _differing(leaf, was)
        tree.append(leaves)
    return Remade(size=tree.size, tiles=tree.take_changed(), unknown=unknown, differing=differing)


def known_leaves(found: Sequence[bytes], logged: Sequence[bytes | None]) -> list[bytes]:
    """What the stream holds, and of what it holds no more, what was logged of it, where anything was."""
    return [_known(is_now, was) for is_now, was in zip(found, logged, strict=True)]


def _known(is_now: bytes, was: bytes | None) -> bytes:
    now, before = parse_leaf(is_now), _parsed(was)
    is_gone = now.cid is None and before is not None and before.sequence == now.sequence
    return was if is_gone and was is not None else is_now


def _differing(leaf: bytes, was: bytes | None) -> tuple[Leaf, Leaf] | None:
    now, before = parse_leaf(leaf), _parsed(was)
    return (now, before) if before is not None and before.sequence == now.sequence else None


def _parsed(leaf: bytes | None) -> Leaf | None:
    """A leaf as it was logged; None where it is not kept, or is damaged."""
    try:
        return parse_leaf(leaf) if leaf is not None else None
    except InvalidInput:
        return None
