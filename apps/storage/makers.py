"""This module is which events made a model, asked of the projection's own code: the events behind its position that name its key.

A projection says of each event which models it touches, never the other way round; so the stream is read back from the model's last event,
a bounded part of it at a time, and each part says how far it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.events import AggregateRef
from apps.persistence.projections import ProjectionDefinition
from apps.persistence.store import Message, Store, decode_event, get_stream, page_back
from apps.persistence.subjects import matches
from apps.registry import informed

LOOKED_AT = 1000
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """One event that the model was made from."""

    stream: str
    sequence: int
    aggregate: AggregateRef
    version: int
    type: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Makers:
    """Some of them, newest first. `looked_from` is the oldest sequence that was looked at, `older` where to go on, None at the beginning.

    `unread` counts events that could not be read, so that nobody knows whether they were among them.
    """

    rows: tuple[Maker, ...]
    looked_from: int
    older: int | None
    unread: int


async def find_makers(store: Store, definition: ProjectionDefinition, key: str, *, before: int) -> Makers:
    """The events before the sequence `before` that name the model. Raises StreamNotFound, Unavailable."""
    store = informed(store)
    stream = await get_stream(store.connection, definition.stream)
    pattern = definition.subjects[0] if len(definition.subjects) == 1 else ">"
    page = await page_back(store.connection, stream, before_sequence=before, limit=LOOKED_AT, pattern=pattern)
    rows: list[Maker] = []
    unread, looked_from = 0, page.scanned_from
    for message in reversed(page.messages):
        if len(rows) == SHOWN:
            looked_from = message.sequence + 1
            break
        if not _takes(definition.subjects, message):
            continue
        try:
            maker = _maker(store, definition, message, key)
        except Exception:  # also whatever the domain's own code raises at an event that it cannot take
            unread += 1
            continue
        if maker is not None:
            rows.append(maker)
    older = looked_from if looked_from > max(1, stream.first_sequence) else None
    return Makers(rows=tuple(rows), looked_from=looked_from, older=older, unread=unread)


def _takes(subjects: Sequence[str], message: Message) -> bool:
    return any(matches(subject, message.subject) for subject in subjects)


def _maker(store: Store, definition: ProjectionDefinition, message: Message, key: str) -> Maker | None:
    """The event where it touches the model. Raises whatever there is against it where it cannot be read."""
    stored = store.upcasters.read(decode_event(store, message))
    event = stored.event
    if key not in definition.keys(stored):
        return None
    return Maker(
        stream=message.stream,
        sequence=message.sequence,
        aggregate=event.aggregate,
        version=event.version,
        type=event.type,
        time=message.time,
    )
