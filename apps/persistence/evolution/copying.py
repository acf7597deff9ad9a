"""This module is the copy of events from one generation into another: in stream order, in atomic batches, and able to go on anywhere.

There is no checkpoint beside the events: the last event of the target says from which sequence it was made, and all that one event became
is stored together or not at all. So a copy that was killed goes on after it, and ends with the same bytes as one that was not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import EncodingError, InvalidEvent, MigrationConflict, MigrationFailed, ServerRefused
from ..events import AggregateRef, Event, Head, StoredEvent
from ..store import Message, Outgoing, Store, decode_event, get_last, head_of, open_reader, store_batch, store_message
from ..store.api_errors import DUPLICATE_IN_BATCH, SEQUENCE_IN_PROCESS, WRONG_LAST_SEQUENCE
from ..store.publish import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, MESSAGE_ID
from .migration import Report, no_report
from .transform import MAX_PARTS, Block, Transform, make_blocks, parts_of, read_to_copy, source_of

SLICE = 200
"""Events that are transformed and stored in one go; other work of the process comes in between."""
_AT_ONCE = 16
_OVERTAKEN = frozenset({WRONG_LAST_SEQUENCE, SEQUENCE_IN_PROCESS, DUPLICATE_IN_BATCH})


@dataclass(slots=True, kw_only=True)
class Copy:
    """A copy from `source` to `target` (stores of one certain generation each), in the name of `migration`.

    `old_heads` are those that first events link to, by aggregate; an aggregate that is not among them links to the event it begins with.
    `is_verbatim`: events are given as they were written, not in their newest schema.
    """

    migration: str
    source: Store
    target: Store
    transform: Transform
    old_heads: Mapping[str, Head]
    report: Report = no_report
    is_verbatim: bool = False
    made: int = 0
    read: int = 0
    _heads: dict[AggregateRef, Head] = field(default_factory=dict)
    _is_fresh: bool = False

    async def run(self, *, after: int, to: int) -> None:
        """Copy what follows sequence `after`, or what follows the last event that was copied before; up to sequence `to`.

        Raises MigrationFailed at an event that cannot be read, transformed or stored, MigrationConflict if another run writes to the
        target, and Unavailable: then run it again.
        """
        start = max(after, await last_copied(self.source, self.target))
        self._is_fresh = self._is_fresh or start == 0
        if start >= to:
            return
        async with open_reader(self.source.connection, self.source.layout.stream, from_sequence=start + 1, to_sequence=to) as reader:
            async for messages in reader:
                for start in range(0, len(messages), SLICE):
                    part = messages[start : start + SLICE]
                    await self._copy(part)
                    self.read += len(part)
                    await self.report(part[-1].sequence, to)

    async def _copy(self, messages: list[Message]) -> None:
        events = [self._read(message) for message in messages]
        await self._learn_heads({stored.event.aggregate for stored in events})
        waiting: list[Block] = []
        for stored in events:
            blocks = self._make(stored)
            if len(waiting) + len(blocks) > MAX_PARTS:
                await self._store(waiting)
                waiting = []
            waiting += blocks
        await self._store(waiting)

    def _read(self, message: Message) -> StoredEvent:
        try:
            stored = decode_event(self.source, message)
            return stored if self.is_verbatim else read_to_copy(self.source.upcasters, stored)
        except (InvalidEvent, EncodingError) as error:
            raise self._failed(message.sequence, error) from error

    def _make(self, stored: StoredEvent) -> list[Block]:
        ref = stored.event.aggregate
        try:
            parts = parts_of(self.transform, stored.event)
            blocks = make_blocks(stored, parts, self._heads[ref], old_head=self.old_heads.get(str(ref), stored.head))
        except Exception as error:  # a domain's code, which may raise anything
            raise self._failed(stored.sequence, error) from error
        if blocks:
            self._heads[ref] = Head(aggregate=ref, version=blocks[-1].event.version, cid=blocks[-1].cid)
        return blocks

    async def _learn_heads(self, refs: set[AggregateRef]) -> None:
        """Where each aggregate stands in the target, looked up once; a target that was empty at first holds only what was made here."""
        if self._is_fresh:
            self._heads.update({ref: Head(aggregate=ref) for ref in refs - self._heads.keys()})
        slots = asyncio.Semaphore(_AT_ONCE)

        async def learn(ref: AggregateRef) -> None:
            async with slots:
                self._heads[ref] = await head_of(self.target, ref, leader=True)

        async with asyncio.TaskGroup() as group:
            for ref in refs - self._heads.keys():
                group.create_task(learn(ref))

    async def _store(self, blocks: list[Block]) -> None:
        if blocks:
            await store_blocks(self.target, blocks)
            self.made += len(blocks)

    def _failed(self, sequence: int, error: Exception) -> MigrationFailed:
        words = str(error) if isinstance(error, (InvalidEvent, EncodingError)) else f"{type(error).__name__}: {error}"
        stream = self.source.layout.stream
        left = f"{stream} still serves, and what was copied of it is removed."
        return MigrationFailed(self.migration, step=f"{stream} sequence {sequence:,}", reason=words, left=left)


async def store_blocks(target: Store, blocks: list[Block]) -> None:
    """Store all blocks or none. Raises MigrationConflict where something is stored in their place."""
    messages = [
        Outgoing(
            target.layout.subject(block.event),
            block.data,
            {
                MESSAGE_ID: str(block.cid),
                EXPECTED_SEQUENCE: "0",
                EXPECTED_SUBJECT: target.layout.at_version(block.event.aggregate, block.event.version),
            },
        )
        for block in blocks
    ]
    try:
        if len(messages) == 1:
            await store_message(target.connection, messages[0])
        else:
            await store_batch(target.connection, messages)
    except ServerRefused as error:
        if error.err_code not in _OVERTAKEN:
            raise
        raise MigrationConflict(f"Another run writes to {target.layout.stream}; only one can fill a generation.") from error


async def last_copied(source: Store, target: Store) -> int:
    """The sequence of `source` that the last event of `target` was made of; 0 where it was not made of one."""
    message = await get_last(target.connection, target.layout.stream, target.layout.subjects, leader=True)
    origin = source_of(Event.from_block(message.data)) if message else None
    return origin[1] if origin and origin[0] == source.layout.stream else 0
