"""This module is the stream of what other nodes said: the blocks of their events, byte for byte, each node's under a root of its own.

    cim.gathered.{node}.{context}.{aggregate}.{entity}.{event}.v{version}

Every node's events are copies: the chain that counts is at the node. So two nodes that both wrote version 3 of one aggregate while they
were apart both keep their event here; `merge` says what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..events import AggregateRef, StoredEvent
from ..store import Connection, EventBlock, Layout, Message, Store, append_blocks, decode_event, ensure_event_stream, read_batch
from ..subjects import check_token

GATHERED_STREAM = "CIM-GATHERED"
_ROOT = "cim.gathered"
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """An event and the node that wrote it."""

    node: str
    stored: StoredEvent


def layout_of(node: str) -> Layout:
    """How the events of one node lie in the stream. Raises InvalidSubject for a name that is no token."""
    return Layout(stream=GATHERED_STREAM, root=f"{_ROOT}.{check_token(node, 'the name of a node')}", is_pinned=True)


async def ensure_gathered(connection: Connection) -> None:
    """Make the stream where it is missing."""
    await ensure_event_stream(connection, Layout(stream=GATHERED_STREAM, root=_ROOT, is_pinned=True))


def node_of(subject: str) -> str:
    """The node that a subject of the stream names."""
    return subject.split(".", 3)[2]


def to_gathered(store: Store, message: Message) -> Gathered:
    """The event in a message of the stream, in the newest schema. Raises InvalidEvent or EncodingError."""
    node = node_of(message.subject)
    return Gathered(node=node, stored=store.upcasters.read(decode_event(store.on(layout_of(node)), message)))


async def gather(connection: Connection, node: str, blocks: Sequence[EventBlock]) -> int:
    """Keep what a node said, 1 to 1,000 events, all or none; how many were not there yet. Raises as `store.append_blocks`."""
    return (await append_blocks(Store(connection=connection, declared=layout_of(node)), blocks, writer=node)).stored


async def gathered_of(store: Store, aggregate: AggregateRef) -> list[Gathered]:
    """All events of one aggregate that other nodes sent, in the order in which they came."""
    pattern = f"{_ROOT}.*.{aggregate.context}.{aggregate.type}.{aggregate.id}.>"
    found: list[Gathered] = []
    position = 0
    while True:
        batch = await read_batch(store.connection, GATHERED_STREAM, from_sequence=position + 1, limit=_PAGE, pattern=pattern)
        found += [to_gathered(store, message) for message in batch.messages]
        if len(batch.messages) < _PAGE:
            return found
        position = batch.messages[-1].sequence
