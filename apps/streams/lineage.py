"""This module is where an event came from and what came of it: the events of its story (one correlation), as a tree of causes.

The index of events knows them all. Where it has not come as far as this event, they are looked for near it, where a story almost
always lies, and the page says how far that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.errors import EncodingError, InvalidEvent, StreamNotFound
from apps.persistence.events import Event
from apps.persistence.projections.builtin import events_by_correlation, index_of
from apps.persistence.projections.control import find_record
from apps.persistence.projections.models import place_of, read_position
from apps.persistence.store import Message, Store, page_back, page_forward

from .event import EventPage
from .event_rows import EventRow, to_row

NEARBY = 500
MOST_RELATIVES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """One event of the story. `depth` is how many causes lie between it and the story's beginning, as far as they are known."""

    row: EventRow
    time: datetime
    depth: int
    is_current: bool
    relation: str

    @property
    def shown_depth(self) -> int:
        """As far in as a row is drawn."""
        return min(self.depth, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The sequences that were looked at, both ends included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The story as a tree in reading order. `looked` is None where the index told of it; `missing_cause` is an id not found."""

    correlation: str
    relatives: tuple[Relative, ...]
    looked: Looked | None
    is_cut: bool
    missing_cause: str | None


async def read_lineage(store: Store, page: EventPage) -> Lineage | None:
    """The story of the event, or None where its bytes are no event. Raises Unavailable."""
    if page.event is None:
        return None
    own = store.on_stream(page.stream.name)
    if own is not None and await _index_position(own) >= page.message.sequence:
        messages: Sequence[Message] = await events_by_correlation(own, page.event.correlation, limit=MOST_RELATIVES)
        return _lineage(store, page, page.event, messages, None)
    older = await page_back(store.connection, page.stream, before_sequence=page.message.sequence, limit=NEARBY)
    newer = await page_forward(store.connection, page.stream, from_sequence=page.message.sequence, limit=NEARBY)
    looked = Looked(first=older.scanned_from, last=newer.scanned_to)
    return _lineage(store, page, page.event, (*older.messages, *newer.messages), looked)


async def _index_position(store: Store) -> int:
    """Up to which sequence the index of events knows the stream of the store's layout; 0 where there is none."""
    definition = index_of(store.layout)
    record = await find_record(store.connection, definition.name)
    try:
        position = await read_position(store.connection, place_of(definition, record.serving if record else 1))
    except StreamNotFound:
        return 0
    return position.sequence


def _lineage(store: Store, page: EventPage, current: Event, messages: Sequence[Message], looked: Looked | None) -> Lineage:
    story: dict[str, tuple[Message, Event]] = {}
    for id, found in _events_of(current.correlation, messages):
        story.setdefault(id, found)  # of two events with one id, the first is the one others mean
    story[current.id] = page.message, current
    is_known = current.causation is None or any(event.id == current.causation for _, event in story.values())
    relatives = tuple(_as_tree(store, story, current))
    return Lineage(
        correlation=current.correlation,
        relatives=relatives,
        looked=looked,
        is_cut=len(messages) >= MOST_RELATIVES and looked is None,
        missing_cause=None if is_known else current.causation,
    )


def _events_of(correlation: str, messages: Iterable[Message]) -> Iterable[tuple[str, tuple[Message, Event]]]:
    wanted = correlation.encode()
    for message in messages:
        if wanted not in message.data:
            continue
        try:
            event = Event.from_block(message.data)
        except (InvalidEvent, EncodingError):
            continue
        if event.correlation == correlation:
            yield event.id, (message, event)


def _as_tree(store: Store, story: Mapping[str, tuple[Message, Event]], current: Event) -> Iterable[Relative]:
    """Depth first, each event below its cause, siblings in stream order; what lost its cause stands at the root."""
    effects: dict[str | None, list[str]] = {}
    for id, (_, event) in story.items():
        effects.setdefault(event.causation if event.causation in story else None, []).append(id)
    pending = [(id, 0) for id in reversed(effects.get(None, []))]
    shown: set[str] = set()
    while pending:
        id, depth = pending.pop()
        if id in shown:
            continue
        shown.add(id)
        message, event = story[id]
        yield Relative(
            row=to_row(store, message),
            time=message.time,
            depth=depth,
            is_current=id == current.id,
            relation=_relation(event, current),
        )
        pending += [(effect, depth + 1) for effect in reversed(effects.get(id, []))]


def _relation(event: Event, current: Event) -> str:
    if event.id == current.id:
        return "this event"
    if event.id == current.causation:
        return "its cause"
    return "caused by it" if event.causation == current.id else ""
