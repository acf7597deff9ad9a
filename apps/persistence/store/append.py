"""This module is appending: the only place where events are written, exactly once, by one form of check.

Each message expects that nothing is stored under `….{entity}.*.v{version}`; in a flat layout the first one expects that the aggregate's
newest event is still the one that was read. One event is a plain publish, two or more an atomic batch.
Whatever is not a clear yes (a refused expectation, a lost acknowledgement, a broken link) is resolved by reading the versions back
through the leader and comparing CIDs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..encoding import Cid, cid_of
from ..errors import (
    AppendUnresolved,
    InvalidEvent,
    InvalidInput,
    ServerRefused,
    StreamClosed,
    Unavailable,
    Unreachable,
    VersionConflict,
)
from ..events import AggregateRef, Event, Head, NewEvent, StoredEvent, new_id, now
from .api_errors import (
    DUPLICATE_IN_BATCH,
    MESSAGE_TOO_LARGE,
    SEQUENCE_IN_PROCESS,
    TEMPORARILY_UNAVAILABLE,
    TOO_MANY_BATCHES,
    WRONG_LAST_SEQUENCE,
)
from .generations import explain_refusal
from .load import find_version, head_of, messages_of
from .message import Message
from .publish import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, MAX_BATCH, MESSAGE_ID, Outgoing, PubAck, store_batch, store_message
from .read import get_last
from .store import Store

RETRY_SECONDS = 15.0
_AMBIGUOUS = frozenset({WRONG_LAST_SEQUENCE, SEQUENCE_IN_PROCESS, DUPLICATE_IN_BATCH})
_TRY_AGAIN = TEMPORARILY_UNAVAILABLE | {TOO_MANY_BATCHES}
_PASSING = (Unavailable, Unreachable)


class AggregateFull(InvalidInput):
    """An aggregate would have more events than its layout allows; nothing was stored."""

    def __init__(self, aggregate: object, *, version: int, wanted: int, limit: int) -> None:
        super().__init__(
            f"{aggregate} has {version:,} events, and {wanted:,} more would exceed the limit of {limit:,}; nothing was stored. "
            "Go on in a new aggregate, or raise max_events of the layout."
        )
        self.aggregate = aggregate
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """An event ready to be stored; where its type is encrypted, `data` holds it sealed."""

    event: Event
    data: bytes
    cid: Cid
    subject: str


async def append(store: Store, head: Head, events: Sequence[NewEvent], *, retry_seconds: float = RETRY_SECONDS) -> list[StoredEvent]:
    """Store `events` (1 to 1,000) after `head`, all or none, exactly once; `head` comes from `load` or `head_of`.

    Raises VersionConflict if the aggregate has moved on, AggregateFull above the layout's limit of events, StreamClosed if another
    generation of its stream serves now, InvalidEvent or EncodingError for what cannot be stored, OutOfSpace, and AppendUnresolved where
    the server stayed away for `retry_seconds`: then the same call with the same event ids and times is safe.
    """
    if not 1 <= len(events) <= MAX_BATCH:
        raise InvalidInput(f"{len(events):,} events cannot be appended at once; 1 to {MAX_BATCH:,} can.")
    pinned = store.pinned()  # whatever is switched meanwhile, these events are for the stream that `head` was read from
    if head.stream and head.stream != pinned.layout.stream and head.version:
        raise StreamClosed(head.stream, successor=pinned.layout.stream)
    limit = pinned.layout.max_events
    if limit is not None and head.version + len(events) > limit:
        raise AggregateFull(head.aggregate, version=head.version, wanted=len(events), limit=limit)
    return await _store(pinned, head, _make_blocks(pinned, head, events), retry_seconds)


async def append_at(store: Store, aggregate: AggregateRef, expected_version: int, events: Sequence[NewEvent]) -> list[StoredEvent]:
    """Like `append` for a caller that knows only the version; it is read first, so no version can be skipped. Raises VersionConflict."""
    if expected_version == 0:
        return await append(store, Head(aggregate=aggregate), events)
    message = await find_version(store, aggregate, expected_version, leader=True)
    if message is None:
        actual = await head_of(store, aggregate)
        raise VersionConflict(aggregate, expected=expected_version, actual=actual.version)
    return await append(store, Head(aggregate=aggregate, version=expected_version, cid=cid_of(message.data), stream=message.stream), events)


def _make_blocks(store: Store, head: Head, events: Sequence[NewEvent]) -> list[_Block]:
    blocks: list[_Block] = []
    previous, limit = head.cid, store.connection.server.max_payload
    for version, new in enumerate(events, start=head.version + 1):
        event = store.upcasters.flags.as_written(_complete(new, head.aggregate, version, previous))
        data = store.upcasters.sealing.seal(event).to_block()
        if len(data) > limit - 1024:
            raise InvalidEvent(
                f"The event {event.type} of {head.aggregate} is {len(data):,} bytes, and the server takes {limit:,} with headers; "
                "store the large part elsewhere and refer to it by its hash."
            )
        previous = cid_of(data)
        blocks.append(_Block(event=event, data=data, cid=previous, subject=store.layout.subject(event)))
    return blocks


def _complete(new: NewEvent, aggregate: AggregateRef, version: int, previous: Cid | None) -> Event:
    event_id = new.id or new_id()
    return Event(
        aggregate=aggregate,
        version=version,
        type=new.type,
        schema=new.schema,
        id=event_id,
        time=new.time or now(),
        actor=new.actor,
        correlation=new.correlation or event_id,
        causation=new.causation,
        scope=new.scope,
        previous=previous,
        payload=dict(new.payload),
        metadata=dict(new.metadata),
    )


async def _store(store: Store, head: Head, blocks: list[_Block], retry_seconds: float) -> list[StoredEvent]:
    deadline = time.monotonic() + retry_seconds
    pause = 0.02
    while True:
        try:
            messages = await _messages(store, head, blocks)
            return _acknowledged(store, blocks, await _send(store, messages))
        except (ServerRefused, Unavailable) as error:
            cause = await judge(store, error)
        stored = await _resolve(store, head, blocks, deadline)
        if stored:
            return stored
        if isinstance(cause, StreamClosed):
            raise cause
        if time.monotonic() > deadline:
            raise AppendUnresolved(
                f"It is not known whether the events of {head.aggregate} are stored: {cause} Appending the same events again is safe."
            ) from cause
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)


async def _messages(store: Store, head: Head, blocks: list[_Block]) -> list[Outgoing]:
    """What is sent, each message with its check. Raises VersionConflict where a flat layout does not hold the head that was given."""
    if store.layout.kind != "flat":
        return [_outgoing(store, block) for block in blocks]
    expected = await _sequence_of(store, head)
    checks = [{EXPECTED_SEQUENCE: str(expected)}, *({} for _ in blocks[1:])]
    return [Outgoing(block.subject, block.data, {MESSAGE_ID: str(block.cid), **check}) for block, check in zip(blocks, checks, strict=True)]


async def _sequence_of(store: Store, head: Head) -> int:
    """Where the aggregate's newest event lies, if it is the head; else that sequence which nothing can follow, so that it is resolved."""
    if head.version == 0:
        return 0
    last = await get_last(store.connection, store.layout.stream, store.layout.all_of(head.aggregate), leader=True)
    newest = Event.from_block(last.data).version if last else 0
    if last is None or newest < head.version:
        raise VersionConflict(head.aggregate, expected=head.version, actual=newest)
    return last.sequence if cid_of(last.data) == head.cid else 0


def _outgoing(store: Store, block: _Block) -> Outgoing:
    headers = {
        MESSAGE_ID: str(block.cid),
        EXPECTED_SEQUENCE: "0",
        EXPECTED_SUBJECT: store.layout.at_version(block.event.aggregate, block.event.version),
    }
    return Outgoing(block.subject, block.data, headers)


async def _send(store: Store, messages: list[Outgoing]) -> PubAck:
    if len(messages) == 1:
        return await store_message(store.connection, messages[0])
    return await store_batch(store.connection, messages)


async def judge(store: Store, error: ServerRefused | Unavailable) -> Exception:
    """Why there was no clear yes, where reading back can tell more; what is final (a missing right, space or feature) is raised."""
    if isinstance(error, ServerRefused):
        if error.err_code == MESSAGE_TOO_LARGE and (closed := await explain_refusal(store.connection, store.layout)):
            return closed
        is_final = error.err_code not in _AMBIGUOUS | _TRY_AGAIN
    else:
        is_final = type(error) not in _PASSING
    if is_final:
        raise error
    return error


def _acknowledged(store: Store, blocks: list[_Block], ack: PubAck) -> list[StoredEvent]:
    first = ack.sequence - len(blocks) + 1
    stored_at = now()
    return [
        StoredEvent(
            event=block.event,
            cid=block.cid,
            stream=ack.stream,
            subject=block.subject,
            sequence=first + index,
            stored_at=stored_at,
            size=len(block.data),
            stored_schema=block.event.schema,
        )
        for index, block in enumerate(blocks)
    ]


async def _resolve(store: Store, head: Head, blocks: list[_Block], deadline: float) -> list[StoredEvent] | None:
    """What is stored under these versions? Ours: return it. Somebody else's: VersionConflict. Nothing: None, send again."""
    try:
        found = await _stored_under(store, head, blocks)
    except Unavailable:
        if time.monotonic() > deadline:
            raise AppendUnresolved(
                f"It is not known whether the events of {head.aggregate} are stored: the server does not answer. "
                "Appending the same events again is safe."
            ) from None
        return None
    if all(message is None for message in found):
        return None
    if all(message is not None and message.data == block.data for message, block in zip(found, blocks, strict=True)):
        return [_as_stored(block, message) for block, message in zip(blocks, found, strict=True) if message]
    actual = await head_of(store, head.aggregate, leader=True)
    raise VersionConflict(head.aggregate, expected=head.version, actual=actual.version)


async def _stored_under(store: Store, head: Head, blocks: list[_Block]) -> list[Message | None]:
    """What lies under the versions of these blocks. A flat layout is read by Direct Get; what a replica lacks yet is looked for again."""
    if store.layout.kind != "flat":
        return [await find_version(store, head.aggregate, block.event.version, leader=True) for block in blocks]
    found = await messages_of(store, head.aggregate, from_version=blocks[0].event.version, to_version=blocks[-1].event.version)
    return [*found, *(None for _ in blocks[len(found) :])]


def _as_stored(block: _Block, message: Message) -> StoredEvent:
    return StoredEvent(
        event=block.event,
        cid=block.cid,
        stream=message.stream,
        subject=message.subject,
        sequence=message.sequence,
        stored_at=message.time,
        size=len(message.data),
        stored_schema=block.event.schema,
    )
