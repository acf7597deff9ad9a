"""This module is the transformation of events from one generation of a stream to the next: pure, so that it always gives the same bytes.

Every event keeps its id, time, actor, correlation, causation and scope, and says in its metadata from which sequence of which stream it was
made. The first event of each aggregate links to the head that the aggregate had in the old generation.

An event whose payload is sealed is carried over as it is stored: a transformation has no keys, and what it gave would be readable by all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from blake3 import blake3

from ..encoding import Cid, Value, cid_of
from ..errors import InvalidEvent
from ..events import AggregateRef, Event, Head, NewEvent, State, StoredEvent, Upcasters, is_opening, sealed_in
from ..events.opening import STATE, opened_state

Transform = Callable[[Event], Sequence[NewEvent]]
"""What becomes of an event (given in its newest schema): nothing, one event or several, of the same aggregate. Pure."""

GENERATION = "generation"
MAX_PARTS = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An event of the new generation, ready to be stored."""

    event: Event
    data: bytes
    cid: Cid


def keep(event: Event, *, type: str | None = None, schema: int | None = None, payload: Mapping[str, Value] | None = None) -> NewEvent:
    """The event as it is, but for what is given: for use in transformations."""
    return NewEvent(
        type=event.type if type is None else type,
        schema=event.schema if schema is None else schema,
        payload=event.payload if payload is None else payload,
        metadata=event.metadata,
    )


def read_to_copy(upcasters: Upcasters, stored: StoredEvent) -> StoredEvent:
    """A stored event in its newest schema; as it is stored where its payload is sealed. Raises InvalidEvent where it cannot be upcast."""
    return stored if sealed_in(stored.event) else upcasters.read(stored)


def parts_of(transform: Transform, event: Event) -> Sequence[NewEvent]:
    """What becomes of an event that `read_to_copy` gave. Raises whatever the transformation does."""
    return (keep(event),) if sealed_in(event) else transform(event)


def beside_openings(transform: Transform, expected: Callable[[AggregateRef, State], State] | None) -> Transform:
    """`transform` for all events but opening ones: those stay, with the state that is `expected` after the migration."""

    def each(event: Event) -> Sequence[NewEvent]:
        if not is_opening(event):
            return transform(event)
        return [keep(event, payload={STATE: expected(event.aggregate, opened_state(event))} if expected else None)]

    return each


def make_blocks(stored: StoredEvent, parts: Sequence[NewEvent], head: Head, *, old_head: Head) -> list[Block]:
    """The events that `stored` became, to follow `head` in the new generation. Raises InvalidEvent or EncodingError."""
    if len(parts) > MAX_PARTS:
        raise InvalidEvent(f"The event became {len(parts):,} events; at most {MAX_PARTS} can be stored together.")
    blocks: list[Block] = []
    for number, part in enumerate(parts):
        version, previous = head.version + 1 + number, blocks[-1].cid if blocks else head.cid
        event = _next_event(stored, part, number, version=version, previous=previous, old_head=old_head)
        data = event.to_block()
        blocks.append(Block(event=event, data=data, cid=cid_of(data)))
    return blocks


def source_of(event: Event) -> tuple[str, int] | None:
    """The stream and sequence that an event was made of, or None where it was written as it is."""
    origin = event.metadata.get(GENERATION)
    if not isinstance(origin, dict):
        return None
    stream, sequence = origin.get("stream"), origin.get("sequence")
    return (stream, sequence) if isinstance(stream, str) and isinstance(sequence, int) else None


def is_as_it_was(event: Event, parts: Sequence[NewEvent]) -> bool:
    """Whether an event stays what it is."""
    return len(parts) == 1 and (parts[0].type, parts[0].schema, parts[0].payload) == (event.type, event.schema, event.payload)


def derived_id(*parts: object) -> str:
    """An id that always follows from the same parts, in the form of a UUID (version 8: made in a way of our own)."""
    value = int.from_bytes(blake3("\n".join(map(str, parts)).encode()).digest(16)) & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _next_event(stored: StoredEvent, part: NewEvent, number: int, *, version: int, previous: Cid | None, old_head: Head) -> Event:
    source = stored.event
    origin: dict[str, Value] = {"stream": stored.stream, "sequence": stored.sequence}
    if version == 1:
        origin |= {"head": old_head.cid, "version": old_head.version}
    return Event(
        aggregate=source.aggregate,
        version=version,
        type=part.type,
        schema=part.schema,
        id=source.id if number == 0 else derived_id(source.id, number),
        time=source.time,
        actor=source.actor,
        correlation=source.correlation,
        causation=source.causation,
        scope=source.scope,
        previous=previous,
        payload=dict(part.payload),
        metadata={**part.metadata, GENERATION: origin},
    )
