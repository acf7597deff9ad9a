"""This module is the census of event types: of each type and stored schema how many there are, and the first and last of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from ...encoding import Value
from ...events import StoredEvent, format_time, parse_time
from ...store import EVENTS, Connection, Layout
from ..definition import Models, ProjectionDefinition
from ..reading import list_models

MODEL = "event-type"
_NAME = "event-types"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeCount:
    """Events of one type that were written with one schema; times are the server's."""

    context: str
    aggregate: str
    type: str
    schema: int
    events: int
    first_sequence: int
    first_time: datetime
    last_sequence: int
    last_time: datetime


def event_types_of(layout: Layout = EVENTS) -> ProjectionDefinition:
    """The census of a versioned layout's stream."""
    return ProjectionDefinition(
        name=_NAME,
        version=1,
        title="Event types",
        description=f"How many events of each type and schema {layout.stream} holds, and when the first and last were stored.",
        subjects=(layout.subjects,),
        stream=layout.stream,
        keys=_keys,
        apply=_apply,
        is_builtin=True,
        reads_payload=False,
        from_openings=True,
    )


async def list_event_types(connection: Connection) -> list[EventTypeCount]:
    """Every type and schema, in their order; none before the projection was first built."""
    models = await list_models(connection, event_types_of(), MODEL)
    found = [_to_count(model) for model in models.values()]
    return sorted(found, key=lambda one: (one.context, one.aggregate, one.type, one.schema))


def _keys(stored: StoredEvent) -> Sequence[str]:
    ref = stored.event.aggregate
    return (f"{MODEL}.{ref.context}.{ref.type}.{stored.event.type}.{stored.stored_schema}",)


def _apply(stored: StoredEvent, models: Models) -> Models:
    (key,) = _keys(stored)
    event, moment = stored.event, format_time(stored.stored_at)
    before = models[key] or {
        "context": event.aggregate.context,
        "aggregate": event.aggregate.type,
        "type": event.type,
        "schema": stored.stored_schema,
        "events": 0,
        "first_sequence": stored.sequence,
        "first_time": moment,
    }
    return {key: {**before, "events": cast(int, before["events"]) + 1, "last_sequence": stored.sequence, "last_time": moment}}


def _to_count(model: dict[str, Value]) -> EventTypeCount:
    return EventTypeCount(
        context=cast(str, model["context"]),
        aggregate=cast(str, model["aggregate"]),
        type=cast(str, model["type"]),
        schema=cast(int, model["schema"]),
        events=cast(int, model["events"]),
        first_sequence=cast(int, model["first_sequence"]),
        first_time=parse_time(cast(str, model["first_time"])),
        last_sequence=cast(int, model["last_sequence"]),
        last_time=parse_time(cast(str, model["last_time"])),
    )
