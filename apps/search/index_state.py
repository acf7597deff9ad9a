"""This module is how far the index of events is behind, so that a search that found nothing says what it could not look at."""

from __future__ import annotations

from apps.persistence.errors import StreamNotFound
from apps.persistence.projections import find_record, place_of, read_position
from apps.persistence.projections.builtin import index_of
from apps.persistence.projections.builtin.event_index import MAX_TAIL
from apps.persistence.store import EVENTS, Store, get_stream, serving_layout


async def index_behind(store: Store) -> int:
    """How many events of CIM-EVENTS are neither in the index nor few enough to be read one by one; 0 where all are searched."""
    definition = index_of()
    try:
        layout = serving_layout(store.connection, EVENTS)
        stream = await get_stream(store.connection, layout.stream)
    except StreamNotFound:
        return 0
    record = await find_record(store.connection, definition.name)
    try:
        position = (await read_position(store.connection, place_of(definition, record.serving if record else 1))).sequence
    except StreamNotFound:
        position = 0
    if record and record.serving_build.generation != layout.generation:
        position = 0
    behind = stream.last_sequence - position
    return behind if behind > MAX_TAIL else 0
