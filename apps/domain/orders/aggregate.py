"""This module is the order as its events make it: what each event changes, and how each is said in a few words."""

from __future__ import annotations

from typing import NamedTuple

from apps.persistence.encoding import Value
from apps.persistence.events import AggregateDefinition, Event, SnapshotPolicy, State

from ..rules import Change, folding
from ..stored import Values, inner, number, text
from ..values import Money, Percent
from .status import OrderStatus


class Line(NamedTuple):
    """What an order holds of one product."""

    name: str
    pieces: int
    unit_cents: int


def status_of(state: State) -> OrderStatus | None:
    """Where the order stands; None before it was created."""
    return OrderStatus(text(state, "status")) if state else None


def lines_of(state: State) -> dict[str, Line]:
    """What the order holds, by SKU."""
    lines = inner(state, "lines")
    return {sku: _line(inner(lines, sku)) for sku in lines}


def total_of(state: State) -> Money:
    """What the order costs after its discount."""
    total = Money(number(state, "gross_cents"), text(state, "currency"))
    return total.less(Percent(number(state, "discount_percent"))) if state["discount_percent"] else total


def _line(line: Values) -> Line:
    return Line(text(line, "name"), number(line, "pieces"), number(line, "unit_cents"))


def _created(state: State, event: Event) -> State:
    return {
        "status": OrderStatus.DRAFT.value,
        "customer": text(event.payload, "customer"),
        "currency": text(event.payload, "currency"),
        "lines": {},
        "gross_cents": 0,
        "discount_percent": None,
        "address": None,
    }


def _item_added(state: State, event: Event) -> State:
    sku, pieces, unit = text(event.payload, "sku"), number(event.payload, "pieces"), number(event.payload, "unit_cents")
    lines = inner(state, "lines")
    before = number(inner(lines, sku), "pieces") if sku in lines else 0
    line: dict[str, Value] = {"name": text(event.payload, "name"), "pieces": before + pieces, "unit_cents": unit}
    return {**state, "lines": {**lines, sku: line}, "gross_cents": number(state, "gross_cents") + pieces * unit}


def _item_removed(state: State, event: Event) -> State:
    sku, pieces, unit = text(event.payload, "sku"), number(event.payload, "pieces"), number(event.payload, "unit_cents")
    lines = dict(inner(state, "lines"))
    line = inner(lines, sku)
    left = number(line, "pieces") - pieces
    if left:
        lines[sku] = {**line, "pieces": left}
    else:
        del lines[sku]
    return {**state, "lines": lines, "gross_cents": number(state, "gross_cents") - pieces * unit}


def _discount_applied(state: State, event: Event) -> State:
    return {**state, "discount_percent": number(event.payload, "percent")}


def _address_set(state: State, event: Event) -> State:
    return {**state, "address": dict(event.payload)}


def _becomes(status: OrderStatus) -> Change:
    return lambda state, event: {**state, "status": status.value}


def _summarise(event: Event) -> str:
    said = event.payload
    match event.type:
        case "created":
            return f"for {text(said, 'customer')}, in {text(said, 'currency')}"
        case "item_added" | "item_removed":
            sign = "+" if event.type == "item_added" else "−"
            price = Money(number(said, "unit_cents"), text(said, "currency"))
            return f"{sign} {number(said, 'pieces'):,} × {text(said, 'sku')} at {price}"
        case "discount_applied":
            return f"{number(said, 'percent')} %: {text(said, 'reason')}"
        case "address_set":
            return f"{text(said, 'city')}, {text(said, 'country')}"
        case "submitted" | "completed":
            return f"{number(said, 'pieces'):,} pieces, {Money(number(said, 'total_cents'), text(said, 'currency'))}"
        case "cancelled":
            return text(said, "reason")
    return ""


ORDER = AggregateDefinition(
    context="sales",
    type="order",
    title="Order",
    apply=folding(
        "order",
        {
            "created": _created,
            "item_added": _item_added,
            "item_removed": _item_removed,
            "discount_applied": _discount_applied,
            "address_set": _address_set,
            "submitted": _becomes(OrderStatus.SUBMITTED),
            "processing_started": _becomes(OrderStatus.PROCESSING),
            "completed": _becomes(OrderStatus.COMPLETED),
            "cancelled": _becomes(OrderStatus.CANCELLED),
        },
    ),
    summarise=_summarise,
    demo=True,
    snapshots=SnapshotPolicy(every_events=100),
    status="status",
    references={"customer": ("people", "customer"), "sku": ("stock", "product")},
)
