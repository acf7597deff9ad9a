"""This module is a domain for tests of runs: orders counted by status, a fold that would show every event applied twice or left out."""

from __future__ import annotations

from collections.abc import Sequence

from apps.persistence.events import AggregateDefinition, Event, State, StoredEvent
from apps.persistence.projections import Models, ProjectionDefinition, model_key
from apps.persistence.registry import Domain

EVENTS_PER_SECOND = 4000


def apply_event(state: State, event: Event) -> State:
    return {**state, "items": [*state.get("items", []), event.payload["number"]]}  # type: ignore[misc,list-item]


def keys(stored: StoredEvent) -> Sequence[str]:
    return (model_key("order", stored.event.aggregate.id), "total.all")


def count(stored: StoredEvent, models: Models) -> Models:
    order, total = keys(stored)
    before, all_before = models[order] or {"events": 0, "sum": 0}, models[total] or {"events": 0, "sum": 0}
    number = int(stored.event.payload["number"])  # type: ignore[arg-type]
    return {
        order: {"events": before["events"] + 1, "sum": before["sum"] + number},  # type: ignore[operator]
        total: {"events": all_before["events"] + 1, "sum": all_before["sum"] * 31 % 1_000_003 + number},  # type: ignore[operator]
    }


DOMAIN = Domain(
    name="counting",
    title="Counting",
    aggregates=[AggregateDefinition(context="sales", type="order", title="Order", apply=apply_event)],
    projections=[
        ProjectionDefinition(
            name="order-counts",
            version=1,
            title="Order counts",
            subjects=("cim.events.sales.order.>",),
            keys=keys,
            apply=count,
            rate_limit=EVENTS_PER_SECOND,
        )
    ],
)
