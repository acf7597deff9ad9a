"""This module is holding a kept tree against its stream: the tree is made anew from what the stream holds, and compared leaf by leaf.

What the stream no longer holds is taken from what was logged of it, or recalled from who keeps it, as the signer does: it is *gone*, which
is no fault by itself, as retention and purges do that. Whether all of it is true shows in the root: it must be the one that was signed, or
where nothing was signed, the one that was kept. Where it is, tiles that are damaged or missing are known to the last byte, and are mended
if that is asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..errors import InvalidInput, NotFound, RevisionConflict
from ..store import Connection
from .checkpoints import Checkpoint
from .hashes import EMPTY_ROOT
from .kept import keep_tiles, logged_leaves, read_log, read_tiles
from .leaves import Leaf, leaf_bytes, parse_leaf
from .reading import read_leaves
from .remade import known_leaves
from .tiles import TiledTree, TileId, width_of

_TILES_AT_ONCE = 200
_TRIES = 5

OnProgress = Callable[[int, int], Awaitable[None]]
Recall = Callable[[int, int], Awaitable[Sequence[bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogComparison:
    """A tree made anew from the stream beside the kept one, over the sequences to `size`, of which `read` could be read.

    `present` counts the sequences whose event the stream holds, `gone` those whose event only the log knows, `changed` those where both
    know one and they differ; `first_changed` is what was logged and what lies there at the first. `recalled` counts those of which the log
    says something else than who was asked. `damaged` are tiles as they should be, `tree` is what comes next to be added to.
    """

    stream: str
    size: int
    read: int
    kept_root: bytes
    root: bytes
    signed: Checkpoint | None
    root_at_signed: bytes
    present: int
    gone: int
    changed: int
    first_changed: tuple[Leaf, Leaf] | None
    damaged: Mapping[TileId, bytes]
    recalled: int
    tree: TiledTree

    @property
    def is_cut(self) -> bool:
        """Whether the stream ends before its log."""
        return self.read < self.size

    @property
    def holds(self) -> bool:
        """Whether the stream is the one that was signed; where nothing was, the one that was logged."""
        if self.is_cut:
            return False
        return self.root_at_signed == self.signed.root if self.signed else self.root == self.kept_root

    @property
    def agrees(self) -> bool:
        """Whether the stream holds, and the kept tree is exactly its tree."""
        return self.holds and not self.damaged and self.root == self.kept_root


@dataclass(slots=True)
class _Counts:
    present: int = 0
    gone: int = 0
    changed: int = 0
    recalled: int = 0
    first_changed: tuple[Leaf, Leaf] | None = None
    root_at_signed: bytes = EMPTY_ROOT
    damaged: dict[TileId, bytes] = field(default_factory=dict)


async def compare_with_stream(
    connection: Connection,
    stream: str,
    *,
    last: int,
    signed: Checkpoint | None = None,
    recall: Recall | None = None,
    on_progress: OnProgress | None = None,
) -> LogComparison:
    """Make the tree anew from the stream, whose last sequence is `last`, and compare; `signed` is a checkpoint whose signature holds.

    `recall` gives the leaves after one sequence up to another, or fewer, and is asked where the stream holds something no more.
    Reads only. Raises NotFound where nothing was logged, InvalidInput where the state of the kept tree cannot be read, Unavailable.
    """
    state = await read_log(connection, stream, leader=True)
    if state is None:
        raise NotFound(f"Nothing of {stream} was logged yet; a worker does that within seconds of its first event.")
    counts, tree = _Counts(), TiledTree()
    size = max(state.size, signed.size if signed else 0)
    async for found in read_leaves(connection, stream, after=0, last=min(last, size)):
        logged = await logged_leaves(connection, stream, first=tree.size + 1, last=tree.size + len(found))
        known = await _recalled(recall, found, after=tree.size)
        leaves = [_count(counts, was, is_now, told) for was, is_now, told in zip(logged, found, known, strict=True)]
        _append(counts, tree, leaves, signed)
        await _look_at_tiles(connection, stream, tree, counts, size=size)
        if on_progress is not None:
            await on_progress(tree.size, size)
    return LogComparison(
        stream=stream,
        size=size,
        read=tree.size,
        kept_root=state.root,
        root=tree.root(),
        signed=signed,
        root_at_signed=counts.root_at_signed,
        present=counts.present,
        gone=counts.gone,
        changed=counts.changed,
        first_changed=counts.first_changed,
        damaged=counts.damaged,
        recalled=counts.recalled,
        tree=tree,
    )


async def mend_tiles(connection: Connection, comparison: LogComparison) -> int:
    """Write the damaged tiles as they should be, and return how many. Raises RevisionConflict where the tree keeps changing.

    What was logged meanwhile is added to the tree that is proven, so that what is written is whole.
    """
    assert comparison.holds, "only what a root proves may be written"
    tree, tiles = comparison.tree, dict(comparison.damaged)
    for _ in range(_TRIES):
        state = await read_log(connection, comparison.stream, leader=True)
        assert state is not None
        async for found in read_leaves(connection, comparison.stream, after=tree.size, last=state.size):
            logged = await logged_leaves(connection, comparison.stream, first=tree.size + 1, last=tree.size + len(found))
            tree.append(known_leaves(found, logged))
        tiles |= tree.take_changed()
        if tree.size < state.size:  # a replica is behind
            continue
        state = replace(state, size=tree.size, root=tree.root())
        try:
            for start in range(0, max(1, len(tiles)), _TILES_AT_ONCE):
                state = await keep_tiles(connection, state, dict(list(tiles.items())[start : start + _TILES_AT_ONCE]))
        except RevisionConflict:
            continue
        return len(comparison.damaged)
    raise RevisionConflict(comparison.stream, expected=None)


async def _recalled(recall: Recall | None, found: Sequence[bytes], *, after: int) -> Sequence[bytes | None]:
    """What somebody else knows of these leaves, None where nothing is known, or nothing need be asked."""
    if recall is None or all(parse_leaf(leaf).cid is not None for leaf in found):
        return [None] * len(found)
    told = await recall(after, after + len(found))
    return [*told, *[None] * (len(found) - len(told))]


def _append(counts: _Counts, tree: TiledTree, leaves: list[bytes], signed: Checkpoint | None) -> None:
    """Add leaves, and note the root at the size that was signed on the way."""
    until = signed.size - tree.size if signed else 0
    if 0 < until <= len(leaves):
        tree.append(leaves[:until])
        counts.root_at_signed = tree.root()
        leaves = leaves[until:]
    tree.append(leaves)


async def _look_at_tiles(connection: Connection, stream: str, tree: TiledTree, counts: _Counts, *, size: int) -> None:
    """Note each tile that is finished in the tree of this size and is not kept as it should be."""
    made = {tile: whole for tile, whole in tree.take_changed().items() if width_of(tile, tree.size) == width_of(tile, size)}
    kept = await read_tiles(connection, stream, made)
    counts.damaged |= {tile: whole for tile, whole in made.items() if not kept.get(tile, b"").startswith(whole)}


def _count(counts: _Counts, was: bytes | None, is_now: bytes, told: bytes | None) -> bytes:
    """Which leaf the tree that is made anew gets, and what it counts as."""
    now = parse_leaf(is_now)
    before = _parse_kept(was, now.sequence)
    if now.cid is None:
        recalled = _parse_kept(told, now.sequence)
        counts.recalled += recalled is not None and recalled != before
        before = recalled or before
        counts.gone += before is not None and before.cid is not None
        return leaf_bytes(now.sequence, before.cid if before else None)
    counts.present += 1
    if before is not None and before != now:
        counts.changed += 1
        counts.first_changed = counts.first_changed or (before, now)
    return is_now


def _parse_kept(leaf: bytes | None, sequence: int) -> Leaf | None:
    """What was logged; None where it is not kept, or is no leaf of this sequence."""
    try:
        found = parse_leaf(leaf) if leaf is not None else None
    except InvalidInput:
        return None
    return found if found is not None and found.sequence == sequence else None
