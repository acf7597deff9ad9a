"""This module is appending blocks that exist already: the events of another stream or server, byte for byte, in the order given.

The check is that of `append`: each message expects that nothing is stored under `….{entity}.*.v{version}`. What is there already with the
same bytes is left alone, so that appending the same blocks again is safe; anything else under a version is a conflict.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..encoding import Cid, cid_of
from ..errors import AppendUnresolved, BlockConflict, ServerRefused, StreamClosed, Unavailable
from ..events import AggregateRef, Event
from .append import RETRY_SECONDS, judge
from .load import find_version
from .message import Message
from .publish import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, MAX_BATCH, MESSAGE_ID, Outgoing, store_batch, store_message
from .read import last_of_each
from .store import Store

BLOCKS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBlock:
    """An event with the bytes it was read from and their CID."""

    event: Event
    data: bytes
    cid: Cid

    @classmethod
    def read(cls, data: bytes) -> EventBlock:
        """Raises EncodingError or InvalidEvent."""
        return cls(event=Event.from_block(data), data=data, cid=cid_of(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """How many of the blocks were stored now, and how many were there already."""

    stored: int
    already: int


async def append_blocks(store: Store, blocks: Sequence[EventBlock], *, writer: str = "", retry_seconds: float = RETRY_SECONDS) -> Appended:
    """Store 1 to 1,000 blocks in this order, all or none; what is there already is counted.

    The caller has seen that each links to the version before it. `writer` keeps apart those who store the same event in one stream, each
    under a root of its own. Raises BlockConflict, OutOfSpace, or AppendUnresolved: the same call is then safe. StreamClosed where another
    generation of the stream serves.
    """
    store = store.pinned()
    deadline, pause = time.monotonic() + retry_seconds, 0.02
    missing = without(blocks, await stored_versions(store, [(block.event.aggregate, block.event.version) for block in blocks]))
    result = Appended(stored=len(missing), already=len(blocks) - len(missing))
    while missing:
        try:
            await _send(store, missing, writer)
            return result
        except (ServerRefused, Unavailable) as error:
            cause = await judge(store, error)
            if isinstance(cause, StreamClosed):
                raise cause from error
        if time.monotonic() > deadline:
            raise AppendUnresolved(f"It is not known whether all events are stored: {cause} Appending them again is safe.") from cause
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)
        missing = await _still_missing(store, missing)
    return result


async def stored_versions(store: Store, versions: Sequence[tuple[AggregateRef, int]]) -> dict[tuple[AggregateRef, int], Message]:
    """What is stored under these versions, those that are."""
    found: dict[tuple[AggregateRef, int], Message] = {}
    for start in range(0, len(versions), MAX_BATCH):
        patterns = [store.layout.at_version(aggregate, version) for aggregate, version in versions[start : start + MAX_BATCH]]
        for message in await last_of_each(store.connection, store.layout.stream, patterns):
            parts = store.layout.parse(message.subject)
            if parts is not None and parts.version is not None:
                found[parts.ref, parts.version] = message
    return found


def without(blocks: Sequence[EventBlock], there: dict[tuple[AggregateRef, int], Message]) -> list[EventBlock]:
    """The blocks that are not stored. Raises BlockConflict where other bytes are."""
    missing: list[EventBlock] = []
    for block in blocks:
        message = there.get((block.event.aggregate, block.event.version))
        if message is None:
            missing.append(block)
        elif message.data != block.data:
            raise BlockConflict(block.event.aggregate, version=block.event.version, stored=cid_of(message.data), wanted=block.cid)
    return missing


async def _still_missing(store: Store, blocks: Sequence[EventBlock]) -> list[EventBlock]:
    """As the leader sees it; unanswered questions leave everything open."""
    there: dict[tuple[AggregateRef, int], Message] = {}
    try:
        for block in blocks:
            message = await find_version(store, block.event.aggregate, block.event.version, leader=True)
            if message is not None:
                there[block.event.aggregate, block.event.version] = message
    except Unavailable:
        return list(blocks)
    return without(blocks, there)


async def _send(store: Store, blocks: Sequence[EventBlock], writer: str) -> None:
    messages = [_outgoing(store, block, writer) for block in blocks]
    if len(messages) == 1:
        await store_message(store.connection, messages[0])
    else:
        await store_batch(store.connection, messages)


def _outgoing(store: Store, block: EventBlock, writer: str) -> Outgoing:
    headers = {
        MESSAGE_ID: f"{writer}:{block.cid}" if writer else str(block.cid),
        EXPECTED_SEQUENCE: "0",
        EXPECTED_SUBJECT: store.layout.at_version(block.event.aggregate, block.event.version),
    }
    return Outgoing(store.layout.subject(block.event), block.data, headers)
