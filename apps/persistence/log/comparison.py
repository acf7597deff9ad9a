"""This module is holding a kept tree against its stream: the tree is made anew from what the stream holds, and compared leaf by leaf.

What the stream no longer holds is taken from what was logged of it: it is *gone*, which is no fault by itself, as retention and purges do
that. Whether the log says the truth of it shows in the root, which must be the one that was kept or signed.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NotFound
from ..store import Connection
from .hashes import EMPTY_ROOT
from .kept import logged_leaves, read_log
from .leaves import Leaf, parse_leaf
from .reading import read_leaves
from .tiles import TiledTree


@dataclass(frozen=True, slots=True, kw_only=True)
class LogComparison:
    """A tree made anew from the stream beside the kept one, over the first `size` sequences.

    `first_changed` is what was logged and what lies in the stream at the first sequence where the two differ though something lies there.
    `read` counts the sequences that were compared; it is below `size` where the stream ends before its log.
    """

    stream: str
    size: int
    read: int
    kept_root: bytes
    root: bytes
    present: int
    gone: int
    changed: int
    first_changed: tuple[Leaf, Leaf] | None

    @property
    def is_cut(self) -> bool:
        """Whether the stream ends before its log."""
        return self.read < self.size

    @property
    def agrees(self) -> bool:
        return not self.changed and not self.is_cut and self.root == self.kept_root


@dataclass(slots=True)
class _Counts:
    present: int = 0
    gone: int = 0
    changed: int = 0
    first_changed: tuple[Leaf, Leaf] | None = None


async def compare_with_stream(connection: Connection, stream: str, *, last: int) -> LogComparison:
    """Make the tree anew from the stream, whose last sequence is `last`, and compare. Raises NotFound where nothing was logged."""
    state = await read_log(connection, stream)
    if state is None:
        raise NotFound(f"Nothing of {stream} was logged yet; a worker does that within seconds of its first event.")
    counts, tree = _Counts(), TiledTree()
    async for found in read_leaves(connection, stream, after=0, last=min(last, state.size)):
        logged = await logged_leaves(connection, stream, first=tree.size + 1, last=tree.size + len(found))
        tree.append([_count(counts, was, is_now) for was, is_now in zip(logged, found, strict=False)])
        tree.take_changed()
        if len(logged) < len(found):
            break
    return LogComparison(
        stream=stream,
        size=state.size,
        read=tree.size,
        kept_root=state.root,
        root=tree.root() if tree.size else EMPTY_ROOT,
        present=counts.present,
        gone=counts.gone,
        changed=counts.changed,
        first_changed=counts.first_changed,
    )


def _count(counts: _Counts, was: bytes, is_now: bytes) -> bytes:
    """Which leaf the tree that is made anew gets, and what it counts as."""
    now = parse_leaf(is_now)
    if now.cid is None:
        counts.gone += parse_leaf(was).cid is not None
        return was
    counts.present += 1
    if was != is_now:
        counts.changed += 1
        counts.first_changed = counts.first_changed or (parse_leaf(was), now)
    return is_now
