"""This module is the domain that is measured, plugged in as a user's own: orders that gather items, and one projection of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from apps.persistence.encoding import Value
from apps.persistence.events import AggregateDefinition, Event, State, StoredEvent
from apps.persistence.projections import ProjectionDefinition
from apps.persistence.projections.definition import Models
from apps.persistence.registry import Domain

CONTEXT = "measured"
TYPE = "order"
FIRST, USUAL, RARE = "order_placed", "item_added", "order_questioned"
RARE_EVERY = 20_000
"""One event in so many is of the rare type."""


def payload_of(number: int) -> dict[str, Value]:
    """Thirteen fields, some 240 bytes."""
    fields: dict[str, Value] = {f"field_{index}": f"value {number + index:05}" if index % 2 else index * 1_000 for index in range(11)}
    return {"quantity": number % 9 + 1, "price": number % 5_000, **fields}


def apply_to_state(state: State, event: Event) -> State:
    items, total = cast(int, state["items"]), cast(int, state["total"])
    quantity, price = cast(int, event.payload["quantity"]), cast(int, event.payload["price"])
    return {**state, "items": items + quantity, "total": total + quantity * price, "last": event.type}


ORDER = AggregateDefinition(
    context=CONTEXT,
    type=TYPE,
    title="Measured order",
    apply=apply_to_state,
    initial={"items": 0, "total": 0, "last": ""},
    demo=True,
)


def keys_of(stored: StoredEvent) -> Sequence[str]:
    return (f"order.{stored.event.aggregate.id}",)


def apply_to_models(stored: StoredEvent, models: Models) -> Models:
    key = f"order.{stored.event.aggregate.id}"
    before = models[key] or {"items": 0, "total": 0}
    quantity, price = cast(int, stored.event.payload["quantity"]), cast(int, stored.event.payload["price"])
    return {key: {"items": cast(int, before["items"]) + quantity, "total": cast(int, before["total"]) + quantity * price}}


def order_totals(name: str = "order-totals") -> ProjectionDefinition:
    """One read model for each order: how many items, and what they cost."""
    return ProjectionDefinition(
        name=name,
        version=1,
        title="Order totals",
        subjects=(f"cim.events.{CONTEXT}.>",),
        keys=keys_of,
        apply=apply_to_models,
        demo=True,
    )


DOMAIN = Domain(name="measured", title="Measured orders", aggregates=(ORDER,), projections=(order_totals(),), is_demo=True)
