"""This module is asking every node of a stream for its own copy, and holding the copies against the kept log and against each other.

It goes in steps of 1,000 sequences: of each step every node's leaves make a Merkle root, and so does what was logged. Only where roots
differ is it looked leaf by leaf. What the log says of a sequence counts; where it says nothing yet, what most nodes hold. A node that could
not be asked to the end is never said to agree.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from ..errors import InvalidInput, Unavailable
from ..log.hashes import EMPTY_ROOT
from ..log.kept import logged_leaves
from ..log.leaves import leaf_bytes
from ..log.tiles import TiledTree
from ..store import Connection, StreamInfo, get_stream
from .copy import NodeCopy
from .node import NodeReader, open_node

STEP = 1000
OnProgress = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaComparison:
    """All nodes of a stream over the sequences to `last`. `logged` counts those of which the log says something.

    `gone` counts events that were logged and that no node has: whether they went on purpose says a verification. `undecided` is the first
    sequence where the log says nothing and no majority of nodes holds the same.
    """

    stream: str
    last: int
    logged: int
    gone: int
    undecided: int | None
    nodes: tuple[NodeCopy, ...]

    @property
    def wrong(self) -> list[NodeCopy]:
        return [node for node in self.nodes if node.is_asked and node.is_wrong]

    @property
    def not_asked(self) -> list[NodeCopy]:
        return [node for node in self.nodes if not node.is_asked]

    @property
    def agrees(self) -> bool:
        """Whether every node was asked, and all hold the same, and what was logged."""
        return not self.wrong and not self.not_asked and self.undecided is None


@dataclass(slots=True)
class _Counts:
    logged: int = 0
    gone: int = 0
    undecided: int | None = None


def check_replicated(info: StreamInfo) -> None:
    """Raises InvalidInput where there is nothing to compare, or nodes cannot be asked without taking messages from others."""
    if info.replicas < 2:
        where = f", on {info.leader}" if info.leader else ""
        raise InvalidInput(
            f"{info.name} has one replica{where}, so there is nothing to compare it with; check-log holds it against its log."
        )
    if info.retention != "limits":
        raise InvalidInput(f"{info.name} gives each message away ({info.retention}), so its copies cannot be read without taking them.")


async def compare_replicas(connection: Connection, stream: str, *, on_progress: OnProgress | None = None) -> ReplicaComparison:
    """Ask every node. Reads only. Raises InvalidInput for a stream of one replica, StreamNotFound, Unavailable."""
    info = await get_stream(connection, stream)
    check_replicated(info)
    nodes = _nodes(info)
    counts = _Counts()
    async with AsyncExitStack() as stack:
        readers: dict[str, NodeReader] = {}
        for node in nodes:
            if node.is_asked:
                try:
                    readers[node.name] = await stack.enter_async_context(open_node(connection, stream, node.name))
                except Unavailable as error:
                    node.why_not = str(error)
        for first in range(1, info.last_sequence + 1, STEP):
            last = min(first + STEP - 1, info.last_sequence)
            await _compare_step(connection, stream, nodes, readers, counts, first, last)
            if on_progress is not None:
                await on_progress(last, info.last_sequence)
        for node in nodes:
            if node.is_asked:
                reader = readers[node.name]
                node.messages, node.first, node.last = reader.messages, reader.first, reader.last
    return ReplicaComparison(
        stream=stream, last=info.last_sequence, logged=counts.logged, gone=counts.gone, undecided=counts.undecided, nodes=tuple(nodes)
    )


def _nodes(info: StreamInfo) -> list[NodeCopy]:
    leader = [NodeCopy(name=info.leader, is_leader=True)] if info.leader else []
    followers = [
        NodeCopy(name=one.name, is_leader=False, why_not="it is offline." if one.is_offline else "")
        for one in sorted(info.followers, key=lambda one: one.name)
    ]
    missing = info.replicas - len(leader) - len(followers)
    return [
        *leader,
        *followers,
        *(NodeCopy(name=f"(unknown {n + 1})", is_leader=False, why_not="the server does not name it.") for n in range(missing)),
    ]


async def _compare_step(
    connection: Connection,
    stream: str,
    nodes: Sequence[NodeCopy],
    readers: Mapping[str, NodeReader],
    counts: _Counts,
    first: int,
    last: int,
) -> None:
    asked = [node for node in nodes if node.is_asked]
    found = await asyncio.gather(*(_step_of(node, readers[node.name], first, last) for node in asked))
    logged = await logged_leaves(connection, stream, first=first, last=last)
    counts.logged += sum(leaf is not None for leaf in logged)
    copies = {node.name: leaves for node, leaves in zip(asked, found, strict=True) if leaves is not None}
    heard = [node for node in asked if node.name in copies]
    for node in heard:
        node.roots.append(_root(copies[node.name]))
        node.tree.append(copies[node.name])
    known = [leaf for leaf in logged if leaf is not None]
    is_logged = len(known) == len(logged)
    if not is_logged or {node.roots[-1] for node in heard} != {_root(known)}:
        _look_closely(heard, copies, logged, counts, first)


async def _step_of(node: NodeCopy, reader: NodeReader, first: int, last: int) -> list[bytes] | None:
    """The node's leaves of a step, None from when on it cannot be asked."""
    try:
        found = await reader.leaves(last)
    except Unavailable as error:
        node.why_not = str(error)
        return None
    return [found.get(sequence) or leaf_bytes(sequence, None) for sequence in range(first, last + 1)]


def _root(leaves: Sequence[bytes]) -> bytes:
    tree = TiledTree()
    tree.append(leaves)
    return tree.root() if leaves else EMPTY_ROOT


def _look_closely(
    nodes: Sequence[NodeCopy], copies: Mapping[str, Sequence[bytes]], logged: Sequence[bytes | None], counts: _Counts, first: int
) -> None:
    """Leaf by leaf, which node is not as the log says, or as most nodes are."""
    for place, was in enumerate(logged):
        sequence = first + place
        found = {node.name: copies[node.name][place] for node in nodes}
        nothing = leaf_bytes(sequence, None)
        if was is not None and was != nothing and set(found.values()) == {nothing}:
            counts.gone += 1
            continue
        wanted = was if was is not None else _most(list(found.values()))
        if wanted is None:
            counts.undecided = counts.undecided or sequence
            continue
        for node in nodes:
            if found[node.name] != wanted:
                node.note(sequence, wanted, found[node.name])


def _most(leaves: Sequence[bytes]) -> bytes | None:
    """The leaf that more than half of the nodes hold."""
    ((leaf, count),) = Counter(leaves).most_common(1)
    return leaf if count * 2 > len(leaves) else None
