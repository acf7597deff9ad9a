"""This module is one event as its panel shows it: what the block says, where it lies, and its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apps.display.differences import Lines, show
from apps.persistence.encoding import Cid, cid_of, decode
from apps.persistence.errors import EncodingError
from apps.persistence.events import AggregateDefinition, Event, Opening
from apps.persistence.store import Message, Store

from .glance import linked
from .timeline import Entry, EventRow, Reading, opening_of, read_event
from .window import Slot

_HEX_ROW = 16
_HEX_LIMIT = 4_096
_TEXT_LIMIT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HexRow:
    """Sixteen bytes."""

    offset: str
    octets: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDetail:
    """`event` is the block as it is read by the newest schema; None where it cannot be, and then `content` is what can be shown of it.

    `opening` says what an opening event stands for. `claimed` is the CID in the message's id where it names other content than what is
    stored. `same_story` counts the events of this correlation among those that are shown.
    """

    version: int
    message: Message
    cid: Cid
    event: Event | None
    problem: str
    is_closed: bool
    schema: int
    claimed: str
    opening: Opening | None
    content: Lines | None
    text: str
    same_story: int

    @property
    def size(self) -> int:
        return len(self.message.data)

    @property
    def hex_rows(self) -> list[HexRow]:
        return list(_hex_rows(self.message.data[:_HEX_LIMIT]))

    @property
    def hex_left_out(self) -> int:
        return max(0, self.size - _HEX_LIMIT)


def describe_event(store: Store, slot: Slot, entries: Sequence[Entry], definition: AggregateDefinition | None) -> EventDetail:
    """What the panel says about the event in `slot`, which is one of `entries`."""
    message, reading = slot.message, read_event(store, slot.message)
    cid, claimed = cid_of(message.data), message.headers.get("Nats-Msg-Id", "")
    correlation = reading.event.correlation if reading.event else None
    content = _content(message.data, reading)
    shown = linked(content, definition) if content else None
    return EventDetail(
        version=slot.version,
        message=message,
        cid=cid,
        event=reading.event,
        problem=reading.problem,
        is_closed=reading.is_closed,
        schema=reading.schema,
        claimed=claimed if claimed.startswith("bafyr4i") and claimed != str(cid) else "",
        opening=opening_of(reading.event),
        content=shown,
        text="" if shown else message.data[:_TEXT_LIMIT].decode("utf-8", "replace"),
        same_story=sum(1 for entry in entries if isinstance(entry, EventRow) and entry.correlation == correlation),
    )


def _content(data: bytes, reading: Reading) -> Lines | None:
    """The payload of an event; of anything else the whole value, if it is DAG-CBOR or JSON."""
    if reading.event is not None:
        return show(reading.event.payload)
    try:
        return show(decode(data))
    except EncodingError:
        pass
    try:
        return show(json.loads(data))
    except (ValueError, EncodingError, RecursionError):
        return None


def _hex_rows(data: bytes) -> Iterator[HexRow]:
    for start in range(0, len(data), _HEX_ROW):
        row = data[start : start + _HEX_ROW]
        text = "".join(chr(octet) if 32 <= octet < 127 else "·" for octet in row)
        yield HexRow(offset=f"{start:06x}", octets=row.hex(" "), text=text)
