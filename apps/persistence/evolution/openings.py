"""This module is the beginning of a generation behind an archived range: one opening event for each aggregate that has events in it.

Opening events come in the order of the events that they stand for, and say which these were, as all copied events do. So writing them can
be cut off anywhere and goes on behind the last one, with the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..encoding import Value, cid_of
from ..errors import EncodingError, InvalidEvent, MigrationFailed, PayloadRedacted
from ..events import OPENING, STATE, AggregateRef, Event, NewEvent, Opening, State, StoredEvent, is_opening, read_opening
from ..store import Layout, Message, Store, decode_event, open_reader
from .copying import SLICE, last_copied, store_blocks
from .manifest import Archived, manifest_type
from .migration import Definitions, Work
from .transform import GENERATION, Block, Transform, derived_id, keep

ARCHIVE = "archive-of-a-range"
"""What a manifest names instead of a migration, where a generation begins behind an archive."""
PROBLEMS_KEPT = 100
_OVERHEAD = 16 * 1024
_MAX_BLOCKS = 200
_MAX_BYTES = 4 * 1024 * 1024

OnBatch = Callable[[int, int], Awaitable[None]]
"""Told how many events were read, and the sequence of the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An aggregate at the end of a range: its state, and the last event in it, which is number `total` over all generations.

    `redacted` is one whose payload nobody can read any more, so there is no state; then there is none behind the archive either.
    """

    last: StoredEvent
    total: int
    schema: int
    state: State
    redacted: Event | None = None


@dataclass(slots=True, kw_only=True)
class Folded:
    """What a range comes to. `problems` are sentences, one for what stands in the way of each aggregate or type; only some are kept."""

    events: int = 0
    bytes: int = 0
    standings: dict[AggregateRef, Standing] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    _bad: set[object] = field(default_factory=set)

    def take(self, source: Store, definitions: Definitions, message: Message) -> None:
        """One more event."""
        self.events, self.bytes = self.events + 1, self.bytes + len(message.data)
        redacted = None
        try:
            stored = decode_event(source, message)
            try:
                stored = source.upcasters.read(stored)
            except PayloadRedacted:
                redacted = stored.event
        except (InvalidEvent, EncodingError) as error:
            self._stands_in_the_way(message.sequence, f"Sequence {message.sequence:,} cannot be read: {error}")
            return
        ref = stored.event.aggregate
        kind = (ref.context, ref.type)
        if kind == manifest_type(source.layout) or ref in self._bad:
            return
        definition = definitions.get(kind)
        if definition is None:
            self._stands_in_the_way(kind, f"No domain declares {'.'.join(kind)}, so its aggregates have no state to go on from.")
            return
        before = self.standings.get(ref)
        redacted = before.redacted if before and before.redacted else redacted
        state = before.state if before else dict(definition.initial)
        try:
            state = state if redacted else definition.next_state(state, stored.event)
        except Exception as error:  # a domain's code, which may raise anything
            self._stands_in_the_way(ref, f"{ref} cannot be folded at version {stored.event.version:,}: {type(error).__name__}: {error}")
            return
        total = before.total + 1 if before else read_opening(stored.event).total if is_opening(stored.event) else 1
        self.standings[ref] = Standing(last=stored, total=total, schema=definition.schema, state=state, redacted=redacted)

    def _stands_in_the_way(self, what: object, problem: str) -> None:
        if what in self._bad:
            return
        self._bad.add(what)
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(problem)

    def check_sizes(self, source: Store, archived: Archived) -> Iterator[int]:
        """The size of each opening event; one that the server would not store stands in the way."""
        most = source.connection.server.max_payload - _OVERHEAD
        for ref, standing in self.standings.items():
            try:
                size = len(opening_block(source, standing, archived, by="-").data)
            except (EncodingError, InvalidEvent) as error:
                self._stands_in_the_way(("state", ref), f"The state of {ref} cannot be stored: {error}")
                continue
            if size > most:
                self._stands_in_the_way(("state", ref), f"The state of {ref} takes {size:,} bytes; the server stores {most:,}.")
            yield size


async def fold_range(source: Store, definitions: Definitions, *, last: int, on_batch: OnBatch) -> Folded:
    """Fold every aggregate of the source up to sequence `last`."""
    found = Folded()
    async with open_reader(source.connection, source.layout.stream, to_sequence=last) as reader:
        async for messages in reader:
            for start in range(0, len(messages), SLICE):
                part = messages[start : start + SLICE]
                for message in part:
                    found.take(source, definitions, message)
                await on_batch(found.events, part[-1].sequence)
                await asyncio.sleep(0)
    return found


async def write_openings(work: Work, source: Store, target: Store, archived: Archived) -> None:
    """Write the opening events that are not there yet. Raises MigrationFailed, before the first, where an aggregate cannot be opened."""
    reached = await last_copied(source, target)
    if reached > archived.last:
        return

    async def on_batch(events: int, sequence: int) -> None:
        await work.report(sequence, archived.last)

    folded = await fold_range(source, work.definitions, last=archived.last, on_batch=on_batch)
    sizes = sum(folded.check_sizes(source, archived))
    if folded.problems:
        left = f"{source.layout.stream} still serves."
        raise MigrationFailed(ARCHIVE, step="the opening of aggregates", reason=" ".join(folded.problems[:3]), left=left)
    blocks = [
        opening_block(source, standing, archived, by=work.by)
        for standing in sorted(folded.standings.values(), key=lambda standing: standing.last.sequence)
        if standing.last.sequence > reached
    ]
    for part in _in_parts(blocks):
        await store_blocks(target, part)
        await work.report(archived.last, archived.last)
    work.say(f"{len(folded.standings):,} aggregates are opened in {target.layout.stream}, with {sizes:,} bytes")


def opening_block(source: Store, standing: Standing, archived: Archived, *, by: str) -> Block:
    """The opening event of an aggregate, sealed where its type is declared so.

    It has the story and the cause of the last event that it stands for, so that the command that caused that one is known to be done.
    """
    last = standing.last
    event, stream = last.event, last.stream
    opening = Opening(version=event.version, total=standing.total, head=last.cid, stream=stream, root=archived.root, file=archived.file)
    origin: dict[str, Value] = {"stream": stream, "sequence": last.sequence, "head": last.cid, "version": event.version}
    opened = Event(
        aggregate=event.aggregate,
        version=1,
        type=OPENING,
        schema=standing.schema,
        id=derived_id(stream, OPENING, event.aggregate, last.cid),
        time=event.time,
        actor=by,
        correlation=event.correlation,
        causation=event.causation,
        scope=event.scope,
        previous=None,
        payload=standing.redacted.payload if standing.redacted else {STATE: standing.state},
        metadata={**opening.to_metadata(), GENERATION: origin},
    )
    opened = opened if standing.redacted else source.upcasters.sealing.seal(opened)
    data = opened.to_block()
    return Block(event=opened, data=data, cid=cid_of(data))


def leave_out_manifests(layout: Layout) -> Transform:
    """Every event as it is, but those of older generations' manifests, which stay with what they speak of."""

    def transform(event: Event) -> Sequence[NewEvent]:
        is_manifest = (event.aggregate.context, event.aggregate.type) == manifest_type(layout)
        return [] if is_manifest else [keep(event)]

    return transform


def _in_parts(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    part: list[Block] = []
    size = 0
    for block in blocks:
        if part and (len(part) == _MAX_BLOCKS or size + len(block.data) > _MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(block)
        size += len(block.data)
    if part:
        yield part
