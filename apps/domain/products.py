"""This module is the product in stock: listed at a price, restocked, reserved for orders, and shipped or released again."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateDefinition, Event, NewEvent, State
from apps.persistence.subjects import check_token

from .cqrs import CommandSet, command
from .rules import Change, folding
from .stored import inner, number, text
from .values import Money, Quantity, Text


@dataclass(frozen=True, slots=True)
class OrderId:
    """The id of the order's aggregate."""

    text: str

    def __post_init__(self) -> None:
        check_token(self.text, "an order's id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListForSale:
    """A product is offered."""

    name: Text
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Restock:
    """Pieces come into the house."""

    quantity: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Pieces are kept for an order, which is named by the id of its aggregate."""

    order: OrderId
    quantity: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Ship:
    """Send what is reserved for an order."""

    order: OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Free what is reserved for an order."""

    order: OrderId


def reserved_for(state: State, order: str) -> int:
    """How many pieces are kept for an order."""
    reservations = inner(state, "reservations")
    return number(reservations, order) if order in reservations else 0


def free_of(state: State) -> int:
    """How many pieces are there and kept for nobody."""
    reservations = inner(state, "reservations")
    return number(state, "on_hand") - sum(number(reservations, order) for order in reservations)


def list_for_sale(state: State, command: ListForSale) -> list[NewEvent]:
    """The first event of a product."""
    payload: dict[str, Value] = {"name": command.name.text, "cents": command.price.cents, "currency": command.price.currency}
    return [NewEvent(type="listed", payload=payload)]


def restock(state: State, command: Restock) -> list[NewEvent]:
    """As often as wanted."""
    return [NewEvent(type="restocked", payload={"pieces": command.quantity.pieces})]


def reserve(state: State, command: Reserve) -> list[NewEvent]:
    """Raises InvalidState where fewer are free, and for an order that has its pieces already."""
    order = command.order.text
    if reserved_for(state, order):
        raise InvalidState(f"{reserved_for(state, order):,} are reserved for order {order} already.")
    if free_of(state) < command.quantity.pieces:
        raise InvalidState(f"Only {free_of(state):,} are free; {command.quantity.pieces:,} cannot be reserved. Restock first.")
    return [NewEvent(type="reserved", payload={"order": order, "pieces": command.quantity.pieces})]


def ship(state: State, command: Ship) -> list[NewEvent]:
    """Send what is reserved for an order. Raises InvalidState where nothing is."""
    return [NewEvent(type="shipped", payload=_reserved(state, command.order.text))]


def release(state: State, command: Release) -> list[NewEvent]:
    """Free what is reserved for an order. Raises InvalidState where nothing is."""
    return [NewEvent(type="released", payload=_reserved(state, command.order.text))]


def _reserved(state: State, order: str) -> dict[str, Value]:
    pieces = reserved_for(state, order)
    if not pieces:
        raise InvalidState(f"Nothing is reserved for order {order}.")
    return {"order": order, "pieces": pieces}


def _listed(state: State, event: Event) -> State:
    return {**event.payload, "on_hand": 0, "reservations": {}}


def _restocked(state: State, event: Event) -> State:
    return {**state, "on_hand": number(state, "on_hand") + number(event.payload, "pieces")}


def _reserved_for_order(state: State, event: Event) -> State:
    order, pieces = text(event.payload, "order"), number(event.payload, "pieces")
    return {**state, "reservations": {**inner(state, "reservations"), order: pieces}}


def _reservation_ended(*, is_shipped: bool) -> Change:
    def apply(state: State, event: Event) -> State:
        ended = text(event.payload, "order")
        reservations = inner(state, "reservations")
        left: State = {order: pieces for order, pieces in reservations.items() if order != ended}
        shipped = number(reservations, ended) if is_shipped else 0
        return {**state, "reservations": left, "on_hand": number(state, "on_hand") - shipped}

    return apply


def _summarise(event: Event) -> str:
    said = event.payload
    match event.type:
        case "listed":
            return f"{text(said, 'name')} at {Money(number(said, 'cents'), text(said, 'currency'))}"
        case "restocked":
            return f"+ {number(said, 'pieces'):,} pieces"
        case "reserved" | "shipped" | "released":
            return f"{number(said, 'pieces'):,} pieces for {text(said, 'order')}"
    return ""


PRODUCT = AggregateDefinition(
    context="stock",
    type="product",
    title="Product",
    apply=folding(
        "product",
        {
            "listed": _listed,
            "restocked": _restocked,
            "reserved": _reserved_for_order,
            "shipped": _reservation_ended(is_shipped=True),
            "released": _reservation_ended(is_shipped=False),
        },
    ),
    summarise=_summarise,
    demo=True,
    label=("name",),
    references={"order": ("sales", "order")},
)

PRODUCT_COMMANDS = CommandSet(
    definition=PRODUCT,
    commands=(
        command(ListForSale, list_for_sale, name="list", creates=True),
        command(Restock, restock),
        command(Reserve, reserve),
        command(Ship, ship),
        command(Release, release),
    ),
)
decide_product = PRODUCT_COMMANDS.decided
