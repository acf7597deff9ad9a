"""This module is the directory of aggregates: one model for each, and counts for each type, so that lists need not read the stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ...encoding import Value
from ...events import StoredEvent, format_time
from ...store import EVENTS, Layout
from ..definition import Model, Models, ProjectionDefinition

AGGREGATE_MODEL = "aggregate"
TYPE_MODEL = "type"


def directory_name(layout: Layout = EVENTS) -> str:
    """The name of the projection that is the directory of a layout's stream."""
    return "aggregates" if layout.name == EVENTS.name else f"aggregates-{layout.name.lower()}"


def directory_of(layout: Layout = EVENTS) -> ProjectionDefinition:
    """The directory of all aggregates in a versioned layout's stream."""
    return ProjectionDefinition(
        name=directory_name(layout),
        version=1,
        title="Aggregates",
        description=f"Every aggregate in {layout.stream} with its version, its head and when it changed; and how many there are.",
        subjects=(layout.subjects,),
        stream=layout.stream,
        keys=_keys,
        apply=_apply,
        is_builtin=True,
        reads_payload=False,
        from_openings=True,
    )


def _keys(stored: StoredEvent) -> Sequence[str]:
    ref = stored.event.aggregate
    return f"{AGGREGATE_MODEL}.{ref.context}.{ref.type}.{ref.id}", f"{TYPE_MODEL}.{ref.context}.{ref.type}"


def _apply(stored: StoredEvent, models: Models) -> Models:
    aggregate_key, type_key = _keys(stored)
    before = models[aggregate_key]
    return {
        aggregate_key: _next_aggregate(stored, before),
        type_key: _next_type(stored, models[type_key], is_new=before is None),
    }


def _next_aggregate(stored: StoredEvent, before: Model | None) -> Model:
    event, moment = stored.event, format_time(stored.stored_at)
    first: Model = before or {
        "context": event.aggregate.context,
        "type": event.aggregate.type,
        "id": event.aggregate.id,
        "events": 0,
        "first_time": moment,
        "first_sequence": stored.sequence,
    }
    return {
        **first,
        "version": event.version,
        "events": cast(int, first["events"]) + 1,
        "last_time": moment,
        "last_event": event.type,
        "last_sequence": stored.sequence,
        "head": stored.cid,
    }


def _next_type(stored: StoredEvent, before: Model | None, *, is_new: bool) -> Model:
    ref = stored.event.aggregate
    counts: dict[str, Value] = before or {"context": ref.context, "type": ref.type, "aggregates": 0, "events": 0}
    return {
        **counts,
        "aggregates": cast(int, counts["aggregates"]) + is_new,
        "events": cast(int, counts["events"]) + 1,
        "last_time": format_time(stored.stored_at),
    }
