"""This module is loading one aggregate: its head, its history, what it was at a version or a time. No consumer is ever created.

In the versioned layout each event has its own subject, so one Direct Get returns the whole aggregate; above 1,024 events it is paged by
lists of versions. In a flat or foreign layout subjects repeat, and the stream is read in bounded batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..encoding import cid_of
from ..errors import EncodingError, FeatureUnavailable, InvalidEvent, PermissionDenied, ServerRefused
from ..events import AggregateRef, Event, Head, StoredEvent
from .message import Message
from .push import open_reader
from .read import TooManyMatches, get_last, last_of_each, read_batch
from .store import Store
from .streams import subjects_matching

VERSIONS_PER_REQUEST = 1000
_FIRST_TAIL = 100
FOREIGN_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Events of one aggregate in the order of their versions; `head` is the newest event there is among them."""

    aggregate: AggregateRef
    events: tuple[StoredEvent, ...]
    head: Head


async def head_of(store: Store, aggregate: AggregateRef, *, leader: bool = False) -> Head:
    """The newest version of `aggregate` and its CID; version 0 where it does not exist."""
    store = store.pinned()
    message = await get_last(store.connection, store.layout.stream, store.layout.all_of(aggregate), leader=leader)
    if message is None:
        return Head(aggregate=aggregate)
    if store.layout.kind == "flat":
        return _flat_head(message)
    parts = store.layout.parse(message.subject)
    if parts is None or parts.version is None:
        raise FeatureUnavailable(f"{store.layout.stream} holds no versions, so {aggregate} has no head; its events can only be browsed.")
    return Head(aggregate=aggregate, version=parts.version, cid=cid_of(message.data), stream=message.stream)


async def find_version(store: Store, aggregate: AggregateRef, version: int, *, leader: bool = False) -> Message | None:
    """The stored message of one version, or None. In a flat layout the aggregate is read up to it, without asking the leader."""
    if store.layout.kind == "flat":
        found = await _all_repeated(store, aggregate, last=version)
        return found[version - 1] if 1 <= version <= len(found) else None
    return await get_last(store.connection, store.layout.stream, store.layout.at_version(aggregate, version), leader=leader)


async def load(store: Store, aggregate: AggregateRef, *, after: int = 0) -> History:
    """All events of `aggregate` after version `after`, upcast. Of an aggregate that does not exist: no events, version 0.

    Raises InvalidEvent or EncodingError at the first event that cannot be read.
    """
    return _history(store, aggregate, await messages_of(store, aggregate, from_version=after + 1))


async def history(store: Store, aggregate: AggregateRef, *, from_version: int = 1, to_version: int | None = None) -> History:
    """The events from one version to another, both included."""
    return _history(store, aggregate, await messages_of(store, aggregate, from_version=from_version, to_version=to_version))


async def at_version(store: Store, aggregate: AggregateRef, version: int) -> History:
    """The aggregate as it was at `version`."""
    return await history(store, aggregate, to_version=version)


async def at_time(store: Store, aggregate: AggregateRef, moment: datetime) -> History:
    """The aggregate as the server knew it at `moment`: the events stored until then."""
    return _history(store, aggregate, [m for m in await messages_of(store, aggregate) if m.time <= moment])


async def messages_of(store: Store, aggregate: AggregateRef, *, from_version: int = 1, to_version: int | None = None) -> list[Message]:
    """The stored messages of an aggregate by version, nothing decoded: what verification and pages need.

    In a flat or foreign layout, versions are counted in stream order.
    """
    store = store.pinned()
    if not store.layout.is_chained:
        found = await _all_repeated(store, aggregate, last=to_version)
        return found[from_version - 1 : to_version]
    if from_version <= 1 and to_version is None:
        try:
            return _in_order(store, await last_of_each(store.connection, store.layout.stream, [store.layout.all_of(aggregate)]))
        except TooManyMatches:
            if store.makes_consumers and (all_of_it := await _in_bulk(store, aggregate)) is not None:
                return _in_order(store, all_of_it)
        except FeatureUnavailable:
            return _in_order(store, await _all_repeated(store, aggregate))
    return await _by_versions(store, aggregate, max(1, from_version), to_version)


def decode_event(store: Store, message: Message) -> StoredEvent:
    """The event in a message, as it was stored (not upcast). Raises InvalidEvent or EncodingError, naming the sequence."""
    try:
        event = Event.from_block(message.data)
    except (InvalidEvent, EncodingError) as error:
        raise type(error)(f"{message.stream} sequence {message.sequence:,}: {error}") from error
    return StoredEvent(
        event=event,
        cid=cid_of(message.data),
        stream=message.stream,
        subject=message.subject,
        sequence=message.sequence,
        stored_at=message.time,
        size=len(message.data),
        stored_schema=event.schema,
    )


def _history(store: Store, aggregate: AggregateRef, messages: list[Message]) -> History:
    events = []
    for message in messages:
        events.append(store.upcasters.read(decode_event(store, message)))
    return History(aggregate=aggregate, events=tuple(events), head=events[-1].head if events else Head(aggregate=aggregate))


async def _in_bulk(store: Store, aggregate: AggregateRef) -> list[Message] | None:
    """All messages of an aggregate by a reader of its own; None where this user may make none, or the stream allows none."""
    found: list[Message] = []
    try:
        async with open_reader(store.connection, store.layout.stream, patterns=[store.layout.all_of(aggregate)]) as reader:
            async for messages in reader:
                found += messages
    except (PermissionDenied, ServerRefused):
        return None
    return found


async def _by_versions(store: Store, aggregate: AggregateRef, first: int, last: int | None) -> list[Message]:
    """Ask for versions in lists, the first one short (a tail is usually small), until a list comes back incomplete."""
    found: list[Message] = []
    size = _FIRST_TAIL if last is None else VERSIONS_PER_REQUEST
    while last is None or first <= last:
        end = first + size - 1 if last is None else min(last, first + size - 1)
        patterns = [store.layout.at_version(aggregate, version) for version in range(first, end + 1)]
        page = await last_of_each(store.connection, store.layout.stream, patterns)
        if len(page) < len(patterns):
            return found + await _incomplete(store, aggregate, page, first, end, last)
        found.extend(_in_order(store, page))
        first, size = end + 1, VERSIONS_PER_REQUEST
    return found


async def _incomplete(store: Store, aggregate: AggregateRef, page: list[Message], first: int, end: int, last: int | None) -> list[Message]:
    """What there is from version `first` on, where not all up to `end` are: the page, unless the chain has a hole or has grown since."""
    if (await head_of(store, aggregate)).version <= end:
        return _in_order(store, page)
    subjects = await subjects_matching(store.connection, store.layout.stream, store.layout.all_of(aggregate))
    wanted = [subject for subject in subjects if _is_between(store, subject, first, last)]
    found: list[Message] = []
    for start in range(0, len(wanted), VERSIONS_PER_REQUEST):
        found += await last_of_each(store.connection, store.layout.stream, wanted[start : start + VERSIONS_PER_REQUEST])
    return _in_order(store, found)


def _is_between(store: Store, subject: str, first: int, last: int | None) -> bool:
    parts = store.layout.parse(subject)
    return parts is not None and parts.version is not None and first <= parts.version and (last is None or parts.version <= last)


def _in_order(store: Store, messages: list[Message]) -> list[Message]:
    versions = {message.sequence: (parts.version or 0) if (parts := store.layout.parse(message.subject)) else 0 for message in messages}
    return sorted(messages, key=lambda message: (versions[message.sequence], message.sequence))


def _flat_head(message: Message) -> Head:
    """Raises InvalidEvent or EncodingError where the newest message of an aggregate is no event, naming the sequence."""
    try:
        event = Event.from_block(message.data)
    except (InvalidEvent, EncodingError) as error:
        raise type(error)(f"{message.stream} sequence {message.sequence:,}: {error}") from error
    return Head(aggregate=event.aggregate, version=event.version, cid=cid_of(message.data), stream=message.stream)


async def _all_repeated(store: Store, aggregate: AggregateRef, *, last: int | None = None) -> list[Message]:
    """The messages of an aggregate whose subject repeats, in stream order; no more than the first `last`."""
    found: list[Message] = []
    pattern, position = store.layout.all_of(aggregate), 1
    while True:
        batch = await read_batch(store.connection, store.layout.stream, from_sequence=position, limit=FOREIGN_BATCH, pattern=pattern)
        found.extend(batch.messages)
        if not batch.pending or not batch.messages or (last is not None and len(found) >= last):
            return found
        position = batch.messages[-1].sequence + 1
