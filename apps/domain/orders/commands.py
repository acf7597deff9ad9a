"""This module is what can be asked of an order, and what is decided: pure functions from a state and a command to events."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import NewEvent, State
from apps.persistence.subjects import check_token

from ..cqrs import CommandSet, command
from ..stored import text
from ..values import CURRENCIES, Address, Money, Percent, Quantity, Sku, Text
from .aggregate import ORDER, lines_of, status_of, total_of
from .status import ORDER_MACHINE, OrderStatus

MAX_LINES = 100
MAX_DISCOUNT = 90

_DRAFT = frozenset({OrderStatus.DRAFT})
_BEFORE_PROCESSING = frozenset({OrderStatus.DRAFT, OrderStatus.SUBMITTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Begin an order for a customer, who is named by the id of their aggregate."""

    customer: str = field(metadata={"help": "The id of the customer's aggregate, such as c-0001."})
    currency: str = field(metadata={"help": "In which currency it is paid; all its prices are in it.", "choices": sorted(CURRENCIES)})

    def __post_init__(self) -> None:
        check_token(self.customer, "a customer's id")
        if self.currency not in CURRENCIES:
            raise InvalidInput(f"{self.currency!r} is no currency here: use {', '.join(sorted(CURRENCIES))}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddItem:
    """Put pieces of a product on the order, at the price that holds for it there."""

    sku: Sku
    name: Text
    quantity: Quantity
    unit_price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveItem:
    """Take pieces of a product off the order."""

    sku: Sku
    quantity: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyDiscount:
    """Set the discount on the whole order; it takes the place of an earlier one."""

    percent: Percent
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """The customer is done with the draft: it holds something and has an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartProcessing:
    """The warehouse takes the order up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The goods are on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The order is given up before the goods left."""

    reason: Text


def create(state: State, command: Create) -> list[NewEvent]:
    """Raises InvalidState if the order exists."""
    if state:
        raise InvalidState("The order exists already; give a new one another id.")
    return [NewEvent(type="created", payload={"customer": command.customer, "currency": command.currency})]


def add_item(state: State, command: AddItem) -> list[NewEvent]:
    """Raises InvalidState outside a draft, for another currency or price, and for more than 100 lines or too many pieces."""
    _check_status(state, _DRAFT, "changed")
    price, currency, lines = command.unit_price, text(state, "currency"), lines_of(state)
    if price.currency != currency:
        raise InvalidState(f"The order is in {currency}; a price in {price.currency} cannot be added to it.")
    line = lines.get(command.sku.code)
    if line and line.unit_cents != price.cents:
        held = Money(line.unit_cents, price.currency)
        raise InvalidState(f"{command.sku.code} stands on the order at {held}, not {price}; remove it first.")
    if not line and len(lines) >= MAX_LINES:
        raise InvalidState(f"The order has {MAX_LINES} lines, which is the limit; begin another one.")
    Quantity(command.quantity.pieces + (line.pieces if line else 0))
    payload = _item(command.sku, command.quantity, price)
    return [NewEvent(type="item_added", payload={**payload, "name": command.name.text})]


def remove_item(state: State, command: RemoveItem) -> list[NewEvent]:
    """Raises InvalidState outside a draft, and where the order does not hold so many."""
    _check_status(state, _DRAFT, "changed")
    line = lines_of(state).get(command.sku.code)
    held = line.pieces if line else 0
    if line is None or held < command.quantity.pieces:
        raise InvalidState(f"The order holds {held:,} of {command.sku.code}; {command.quantity.pieces:,} cannot be removed.")
    price = Money(line.unit_cents, text(state, "currency"))
    return [NewEvent(type="item_removed", payload=_item(command.sku, command.quantity, price))]


def apply_discount(state: State, command: ApplyDiscount) -> list[NewEvent]:
    """Raises InvalidState once it is processed, and for more than 90 %."""
    _check_status(state, _BEFORE_PROCESSING, "discounted")
    percent = command.percent.percent
    if percent > MAX_DISCOUNT:
        raise InvalidState(f"A discount of {percent} % is not given; {MAX_DISCOUNT} % is the limit.")
    return [NewEvent(type="discount_applied", payload={"percent": percent, "reason": command.reason.text})]


def set_address(state: State, address: Address) -> list[NewEvent]:
    """Raises InvalidState once it is processed."""
    _check_status(state, _BEFORE_PROCESSING, "sent elsewhere")
    return [NewEvent(type="address_set", payload=address.to_value())]


def submit(state: State, command: Submit) -> list[NewEvent]:
    """Raises InvalidState outside a draft, and for an order that is empty or has no address."""
    _check_move(state, OrderStatus.SUBMITTED)
    if not lines_of(state) or not state["address"]:
        raise InvalidState(f"The order has {'no address' if lines_of(state) else 'nothing on it'}; it cannot be submitted yet.")
    return [_closing(state, "submitted")]


def start_processing(state: State, command: StartProcessing) -> list[NewEvent]:
    """Raises InvalidState unless it was submitted."""
    _check_move(state, OrderStatus.PROCESSING)
    return [NewEvent(type="processing_started", payload={"customer": state["customer"]})]


def complete(state: State, command: Complete) -> list[NewEvent]:
    """Raises InvalidState unless it is being processed."""
    _check_move(state, OrderStatus.COMPLETED)
    return [_closing(state, "completed")]


def cancel(state: State, command: Cancel) -> list[NewEvent]:
    """Raises InvalidState once it is completed or cancelled."""
    _check_move(state, OrderStatus.CANCELLED)
    return [NewEvent(type="cancelled", schema=2, payload={"customer": state["customer"], "reason": command.reason.text, "by": "customer"})]


def _item(sku: Sku, quantity: Quantity, price: Money) -> dict[str, str | int]:
    return {"sku": sku.code, "pieces": quantity.pieces, "unit_cents": price.cents, "currency": price.currency}


def _closing(state: State, event_type: str) -> NewEvent:
    total, pieces = total_of(state), sum(line.pieces for line in lines_of(state).values())
    payload = {"customer": state["customer"], "pieces": pieces, "total_cents": total.cents, "currency": total.currency}
    return NewEvent(type=event_type, payload=payload)


def _existing(state: State) -> OrderStatus:
    status = status_of(state)
    if status is None:
        raise InvalidState("There is no such order; create it first.")
    return status


def _check_status(state: State, allowed: frozenset[OrderStatus], what: str) -> None:
    status = _existing(state)
    if status not in allowed:
        raise InvalidState(f"The order is {status}; it cannot be {what} any more.")


def _check_move(state: State, wanted: OrderStatus) -> None:
    ORDER_MACHINE.check(_existing(state), wanted)


ORDER_COMMANDS = CommandSet(
    definition=ORDER,
    machine=ORDER_MACHINE,
    commands=(
        command(Create, create, creates=True),
        command(AddItem, add_item, when=_DRAFT),
        command(RemoveItem, remove_item, when=_DRAFT),
        command(ApplyDiscount, apply_discount, when=_BEFORE_PROCESSING),
        command(Address, set_address, name="set_address", when=_BEFORE_PROCESSING),
        command(Submit, submit, to=OrderStatus.SUBMITTED),
        command(StartProcessing, start_processing, to=OrderStatus.PROCESSING),
        command(Complete, complete, to=OrderStatus.COMPLETED),
        command(Cancel, cancel, to=OrderStatus.CANCELLED),
    ),
)
decide_order = ORDER_COMMANDS.decided
