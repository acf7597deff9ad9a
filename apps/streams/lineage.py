"""This module is where an event came from and what came of it: the events of its story (one correlation), as a tree of causes.

Looked for near the event, where a story almost always lies; the page says how far that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.errors import EncodingError, InvalidEvent
from apps.persistence.events import Event
from apps.persistence.store import Message, Store, page_back, page_forward

from .event import EventPage
from .event_rows import EventRow, to_row

NEARBY = 500


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
class Lineage:
    """The story as a tree in reading order. `missing_cause` is the id of the event's cause where it was not found."""

    correlation: str
    relatives: tuple[Relative, ...]
    looked_from: int
    looked_to: int
    is_whole_stream: bool
    missing_cause: str | None


async def read_lineage(store: Store, page: EventPage) -> Lineage | None:
    """The story of the event, or None where its bytes are no event. Raises Unavailable."""
    if page.event is None:
        return None
    stream, sequence = page.stream, page.message.sequence
    older = await page_back(store.connection, stream, before_sequence=sequence, limit=NEARBY)
    newer = await page_forward(store.connection, stream, from_sequence=sequence, limit=NEARBY)
    story = dict(_events_of(page.event.correlation, (*older.messages, *newer.messages)))
    first, last = older.scanned_from, newer.scanned_to
    ids = {event.id for _, event in story.values()}
    cause = page.event.causation
    return Lineage(
        correlation=page.event.correlation,
        relatives=tuple(_as_tree(store, story, page.event)),
        looked_from=first,
        looked_to=last,
        is_whole_stream=first <= max(stream.first_sequence, 1) and last >= stream.last_sequence,
        missing_cause=cause if cause and cause not in ids else None,
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
