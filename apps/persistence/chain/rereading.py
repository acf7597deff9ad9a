"""This module is making the tree of a stream anew when something does not fit: as the stream is now, and as its log says that it was.

It reads leaves only, and is needed only where a root does not hold: then it tells a log that is damaged from history that was rewritten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import Unavailable
from ..log.frontier import Frontier
from ..log.kept import logged_leaves
from ..log.leaves import MISSING, SEQUENCE_BYTES
from ..log.reading import next_leaves
from ..store import Connection
from .logged import FIRST_KEPT, Differs

_TRIES = 50
_WAIT_SECONDS = 0.2


@dataclass(slots=True, kw_only=True)
class Reread:
    """The trees at some sizes: `found` as the stream is, `logged` as its log says; where one says nothing, the other counts in both.

    `first` is the first that differs, and `unknown` the sequences, of which neither says anything.
    """

    found: dict[int, Frontier] = field(default_factory=dict)
    logged: dict[int, Frontier] = field(default_factory=dict)
    first: list[Differs] = field(default_factory=list)
    different: int = 0
    unknown: list[int] = field(default_factory=list)

    def root(self, size: int) -> bytes:
        return self.found[size].root()

    def logged_root(self, size: int) -> bytes:
        return self.logged[size].root()


async def reread(connection: Connection, stream: str, sizes: Iterable[int]) -> Reread:
    """Both trees at these sizes, none of which is beyond the stream's end. Raises Unavailable where a replica stays behind."""
    wanted = sorted(set(sizes))
    made = Reread()
    now, was = Frontier(), Frontier()
    for size in wanted:
        while now.size < size:
            found = await _leaves(connection, stream, after=now.size, last=size)
            logged = await logged_leaves(connection, stream, first=now.size + 1, last=now.size + len(found))
            pairs = [_settle(made, leaf, before) for leaf, before in zip(found, logged, strict=True)]
            now.append([leaf for leaf, _ in pairs])
            was.append([leaf for _, leaf in pairs])
        made.found[size], made.logged[size] = now.copy(), was.copy()
    return made


async def extended(connection: Connection, stream: str, edge: Frontier, size: int) -> Frontier:
    """The tree of which `edge` is the beginning, as the stream has it up to `size`. Raises Unavailable where a replica stays behind."""
    while edge.size < size:
        edge.append(await _leaves(connection, stream, after=edge.size, last=size))
    return edge


def _settle(made: Reread, leaf: bytes, logged: bytes | None) -> tuple[bytes, bytes]:
    """The leaves of the two trees."""
    if logged == leaf:
        return leaf, leaf
    number, cid = leaf[:SEQUENCE_BYTES], leaf[SEQUENCE_BYTES:]
    sequence = int.from_bytes(number, "big")
    if logged is None or logged[:SEQUENCE_BYTES] != number:
        if cid == MISSING and len(made.unknown) < FIRST_KEPT:
            made.unknown.append(sequence)
        return leaf, leaf
    if cid == MISSING:
        return logged, logged
    made.different += 1
    if len(made.first) < FIRST_KEPT:
        made.first.append(Differs(sequence, logged[SEQUENCE_BYTES:], cid))
    return leaf, logged


async def _leaves(connection: Connection, stream: str, *, after: int, last: int) -> Sequence[bytes]:
    """The next leaves, waiting for a replica that is behind."""
    for _ in range(_TRIES):
        leaves = await next_leaves(connection, stream, after=after, last=last)
        if leaves:
            return leaves
        await asyncio.sleep(_WAIT_SECONDS)
    raise Unavailable(f"The replica of {stream} that answers is behind sequence {last:,}; verify again when it has caught up.")
