"""This module is holding a kept tree against its stream: the tree is made anew from what the stream holds, and compared leaf by leaf.

What the stream no longer holds is taken from what was logged of it: it is *gone*, which is no fault by itself, as retention and purges do
that. Whether all of it is true shows in the root: it must be the one that was signed, or where nothing was signed, the one that was kept.
Where it is, tiles that are damaged or missing are known to the last byte, and can be mended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ..errors import InvalidInput, NotFound, RevisionConflict
from ..store import Connection
from .checkpoints import Checkpoint
from .hashes import EMPTY_ROOT
from .kept import LogState, keep_tiles, logged_leaves, read_log, read_tiles
from .leaves import Leaf, leaf_bytes, parse_leaf
from .reading import read_leaves
from .tiles import TiledTree, TileId, width_of

_TILES_AT_ONCE = 200
_TRIES = 5

OnProgress = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogComparison:
    """A tree made anew from the stream beside the kept one, over the sequences to `size`, of which `read` could be read.

    `present` counts the sequences whose event the stream holds, `gone` those whose event only the log knows, `changed` those where both
    know one and they differ; `first_changed` is what was logged and what lies there at the first. `damaged` are tiles as they should be.
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
    first_changed: tuple[Leaf, Leaf] | None = None
    root_at_signed: bytes = EMPTY_ROOT
    damaged: dict[TileId, bytes] = field(default_factory=dict)


async def compare_with_stream(
    connection: Connection, stream: str, *, last: int, signed: Checkpoint | None = None, on_progress: OnProgress | None = None
) -> LogComparison:
    """Make the tree anew from the stream, whose last sequence is `last`, and compare; `signed` is a checkpoint whose signature holds.

    Reads only. Raises NotFound where nothing was logged, Unavailable.
    """
    state = await read_log(connection, stream)
    if state is None:
        raise NotFound(f"Nothing of {stream} was logged yet; a worker does that within seconds of its first event.")
    counts, tree = _Counts(), TiledTree()
    size = max(state.size, signed.size if signed else 0)
    async for found in read_leaves(connection, stream, after=0, last=min(last, size)):
        logged = await logged_leaves(connection, stream, first=tree.size + 1, last=tree.size + len(found))
        leaves = [_count(counts, was, is_now) for was, is_now in zip(logged, found, strict=True)]
        _append(counts, tree, leaves, signed)
        await _look_at_tiles(connection, state, tree, counts)
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
    )


async def mend_tiles(connection: Connection, comparison: LogComparison) -> int:
    """Write the damaged tiles as they should be, and return how many. Raises RevisionConflict where the tree keeps changing.

    A tile that has grown since is left: whoever added to it wrote it whole.
    """
    assert comparison.holds, "only what a root proves may be written"
    for _ in range(_TRIES):
        state = await read_log(connection, comparison.stream, leader=True)
        assert state is not None
        wanted = [tile for tile in comparison.damaged if width_of(tile, state.size) == width_of(tile, comparison.size)]
        if state.size == comparison.size and state.root != comparison.root:
            state = LogState(stream=state.stream, size=state.size, root=comparison.root, at=state.at, revision=state.revision)
        try:
            for start in range(0, max(1, len(wanted)), _TILES_AT_ONCE):
                some = {tile: comparison.damaged[tile] for tile in wanted[start : start + _TILES_AT_ONCE]}
                state = await keep_tiles(connection, state, some)
        except RevisionConflict:
            continue
        return len(wanted)
    raise RevisionConflict(comparison.stream, expected=None)


def _append(counts: _Counts, tree: TiledTree, leaves: list[bytes], signed: Checkpoint | None) -> None:
    """Add leaves, and note the root at the size that was signed on the way."""
    until = signed.size - tree.size if signed else 0
    if 0 < until <= len(leaves):
        tree.append(leaves[:until])
        counts.root_at_signed = tree.root()
        leaves = leaves[until:]
    tree.append(leaves)


async def _look_at_tiles(connection: Connection, state: LogState, tree: TiledTree, counts: _Counts) -> None:
    """Note each tile that is finished and is not kept as it should be."""
    made = {tile: whole for tile, whole in tree.take_changed().items() if width_of(tile, tree.size) == width_of(tile, state.size)}
    kept = await read_tiles(connection, state.stream, made)
    counts.damaged |= {tile: whole for tile, whole in made.items() if not kept.get(tile, b"").startswith(whole)}


def _count(counts: _Counts, was: bytes | None, is_now: bytes) -> bytes:
    """Which leaf the tree that is made anew gets, and what it counts as."""
    now = parse_leaf(is_now)
    before = _parse_kept(was, now.sequence)
    if now.cid is None:
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
