"""This module is one event in full: its bytes, what they say, its place among its neighbours, and its links."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from apps.persistence.chain.examine import Examiner, Seen
from apps.persistence.encoding import Cid, cid_of
from apps.persistence.errors import EncodingError, EventNotFound, FeatureUnavailable, InvalidEvent
from apps.persistence.events import AggregateRef, Event
from apps.persistence.store import Gap, Layout, Message, Store, StreamInfo, get_last, get_message, get_next, get_stream, page_back

from .acts import StreamAct, deleting
from .event_rows import EventRow, GapRow, to_row
from .marks import NOT_CHAINED, ChainMark, layout_for, mark_events
from .removed import gap_rows

CLOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The sequences beside an event, in the stream and in its aggregate; None at an end."""

    before: int | None
    after: int | None
    version_before: int | None = None
    version_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """One event of the chain around the one shown; `cid` is computed from the stored bytes, `previous` is what the block links to."""

    sequence: int
    version: int
    type: str
    cid: Cid
    previous: Cid | None
    mark: ChainMark
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """One event. `event` is None where its bytes are no event of ours, and `no_event` then says why."""

    stream: StreamInfo
    message: Message
    row: EventRow
    neighbours: Neighbours
    event: Event | None
    no_event: str
    cid: Cid
    claimed: str

    @property
    def deleting(self) -> StreamAct:
        """What deletes this message."""
        return deleting(self.stream, self.message.sequence)

    @property
    def id_names_bytes(self) -> bool:
        """Whether the message's id is the CID of its bytes."""
        return self.claimed == str(self.cid)

    @property
    def clock_difference(self) -> float:
        """Seconds between the writer's claim and the server's time of storing; 0 where there is no claim."""
        return abs((self.message.time - self.event.time).total_seconds()) if self.event else 0.0

    @property
    def clock_is_off(self) -> bool:
        """Whether the two are so far apart that somebody should know."""
        return self.clock_difference > CLOCK_SECONDS

    @property
    def version_before(self) -> int:
        return (self.row.version or 1) - 1

    @property
    def version_after(self) -> int:
        return (self.row.version or 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingEvent:
    """A sequence that holds nothing: where the stream begins and ends, the events beside it, and why it may be so."""

    stream: StreamInfo
    sequence: int
    gap: GapRow | None
    before: int | None
    after: int | None

    @property
    def is_beyond(self) -> bool:
        return self.sequence > self.stream.last_sequence

    @property
    def is_expired(self) -> bool:
        """Whether it lies before everything that the stream still holds."""
        return not self.is_beyond and self.before is None


async def read_event(store: Store, name: str, sequence: int) -> EventPage | MissingEvent:
    """The event at `sequence`, or why there is none. Raises StreamNotFound or Unavailable."""
    stream = await get_stream(store.connection, name)
    try:
        message = await get_message(store.connection, name, sequence)
    except EventNotFound:
        return await _missing(store, stream, sequence)
    marks = await mark_events(store, [message])
    event, no_event = _event_in(store, message)
    return EventPage(
        stream=stream,
        message=message,
        row=to_row(store, message, marks[sequence]),
        neighbours=await _neighbours(store, stream, message),
        event=event,
        no_event=no_event,
        cid=cid_of(message.data),
        claimed=message.headers.get("Nats-Msg-Id", ""),
    )


async def read_bytes(store: Store, name: str, sequence: int) -> Message:
    """The stored message. Raises StreamNotFound, EventNotFound or Unavailable."""
    await get_stream(store.connection, name)
    return await get_message(store.connection, name, sequence)


async def read_chain(store: Store, page: EventPage) -> tuple[ChainLink, ...]:
    """The versions around the event, newest first; nothing where its stream has no versions. Raises Unavailable."""
    layout = layout_for(store, page.stream.name, page.row.subject)
    if layout is None or not layout.is_chained or page.row.aggregate is None or page.row.version is None:
        return ()
    found = [page.message]
    for version in (page.row.version - 1, page.row.version + 1):
        neighbour = await _at_version(store, page.stream.name, layout, page.row.aggregate, version)
        found += [neighbour] if neighbour else []
    found.sort(key=lambda message: message.sequence)
    marks = await mark_events(store, found)
    return tuple(_link(store, layout, message, marks[message.sequence], page.message.sequence) for message in reversed(found))


def headers_of(message: Message) -> tuple[tuple[str, str], ...]:
    """Every header that the writer gave, in order, a repeated name as often as it stands there."""
    given = message.headers
    lines = (line.partition(b":") for line in message.raw_headers.split(b"\r\n")[1:])
    pairs = ((name.decode("utf-8", "replace").strip(), value.decode("utf-8", "replace").strip()) for name, colon, value in lines if colon)
    return tuple(pair for pair in pairs if pair[0] in given)


def get_command(stream: str, sequence: int) -> str:
    """The same with the NATS command line."""
    return f"nats stream get {shlex.quote(stream)} {sequence} --json"


async def _missing(store: Store, stream: StreamInfo, sequence: int) -> MissingEvent:
    before = await page_back(store.connection, stream, before_sequence=min(sequence, stream.last_sequence + 1), limit=1)
    after = await get_next(store.connection, stream.name, from_sequence=sequence) if sequence <= stream.last_sequence else None
    low = before.messages[-1].sequence if before.messages else None
    high = after.sequence if after else None
    whole = Gap(first=(low or 0) + 1, last=(high or stream.last_sequence + 1) - 1)
    rows = await gap_rows(store, stream, [whole]) if sequence <= stream.last_sequence else []
    gap = next((row for row in rows if row.first <= sequence <= row.last), None)
    return MissingEvent(stream=stream, sequence=sequence, gap=gap, before=low, after=high)


def _event_in(store: Store, message: Message) -> tuple[Event | None, str]:
    layout = layout_for(store, message.stream, message.subject)
    if layout is None or not layout.is_chained:
        return None, "No layout with versions describes this subject, so it is not read as an event."
    try:
        return Event.from_block(message.data), ""
    except (InvalidEvent, EncodingError) as error:
        return None, str(error)


async def _neighbours(store: Store, stream: StreamInfo, message: Message) -> Neighbours:
    connection, sequence = store.connection, message.sequence
    older = await page_back(connection, stream, before_sequence=sequence, limit=1)
    newer = await get_next(connection, stream.name, from_sequence=sequence + 1) if sequence < stream.last_sequence else None
    row, layout = to_row(store, message), layout_for(store, stream.name, message.subject)
    versions: list[int | None] = [None, None]
    if layout is not None and layout.is_chained and row.aggregate and row.version:
        for place, version in enumerate((row.version - 1, row.version + 1)):
            found = await _at_version(store, stream.name, layout, row.aggregate, version)
            versions[place] = found.sequence if found else None
    return Neighbours(
        before=older.messages[-1].sequence if older.messages else None,
        after=newer.sequence if newer else None,
        version_before=versions[0],
        version_after=versions[1],
    )


async def _at_version(store: Store, stream: str, layout: Layout, aggregate: tuple[str, str, str], version: int) -> Message | None:
    if version < 1:
        return None
    try:
        return await get_last(store.connection, stream, layout.at_version(AggregateRef(*aggregate), version))
    except FeatureUnavailable:
        return None


def _link(store: Store, layout: Layout, message: Message, mark: ChainMark, current: int) -> ChainLink:
    row = to_row(store, message, mark)
    found = Examiner(layout).examine(message)
    previous = Cid(found.previous) if isinstance(found, Seen) and found.previous else None
    return ChainLink(
        sequence=message.sequence,
        version=row.version or 0,
        type=row.type,
        cid=cid_of(message.data),
        previous=previous,
        mark=mark if row.version else NOT_CHAINED,
        is_current=message.sequence == current,
    )
