"""This module is the payment of an order: asked of a bank, which confirms or declines it, and released where the order comes to nothing."""

from __future__ import annotations

from enum import StrEnum

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateDefinition, Event, NewEvent, State
from apps.persistence.subjects import check_token

from ..fields import Fields
from ..machine import StateMachine
from ..rules import Change, deciding, folding, nothing, rule
from ..stored import number, text
from ..values import Money, Text


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    RELEASED = "released"


PAYMENT_MACHINE = StateMachine(
    what="payment",
    transitions={
        PaymentStatus.REQUESTED: frozenset({PaymentStatus.CONFIRMED, PaymentStatus.DECLINED, PaymentStatus.RELEASED}),
        PaymentStatus.CONFIRMED: frozenset({PaymentStatus.RELEASED}),
        PaymentStatus.DECLINED: frozenset(),
        PaymentStatus.RELEASED: frozenset(),
    },
)


def _parse_request(fields: Fields) -> tuple[str, Money]:
    return check_token(fields.text("order"), "an order's id"), fields.money("amount")


def request(state: State, asked: tuple[str, Money]) -> list[NewEvent]:
    """Nothing happens where the same is asked again. Raises InvalidState where another amount is, or it has ended."""
    order, amount = asked
    said: dict[str, Value] = {"order": order, "cents": amount.cents, "currency": amount.currency}
    if not state:
        return [NewEvent(type="requested", payload=said)]
    if {name: state[name] for name in said} != said:
        raise InvalidState(f"The payment is of {_amount(state)} for order {text(state, 'order')}; ask under another id.")
    if state["status"] in (PaymentStatus.DECLINED, PaymentStatus.RELEASED):
        raise InvalidState(f"The payment is {text(state, 'status')}; ask for another one.")
    return []


def confirm(state: State, command: None) -> list[NewEvent]:
    """The bank agrees. Raises InvalidState unless it was requested."""
    _check(state, PaymentStatus.CONFIRMED)
    return [NewEvent(type="confirmed")]


def decline(state: State, reason: Text) -> list[NewEvent]:
    """The bank does not. Raises InvalidState unless it was requested."""
    _check(state, PaymentStatus.DECLINED)
    return [NewEvent(type="declined", payload={"reason": reason.text})]


def release(state: State, command: None) -> list[NewEvent]:
    """Let go of the money. Raises InvalidState where it is not held."""
    _check(state, PaymentStatus.RELEASED)
    return [NewEvent(type="released")]


def _check(state: State, wanted: PaymentStatus) -> None:
    if not state:
        raise InvalidState("There is no such payment; request it first.")
    PAYMENT_MACHINE.check(PaymentStatus(text(state, "status")), wanted)


def _amount(said: State) -> Money:
    return Money(number(said, "cents"), text(said, "currency"))


def _moves_to(status: PaymentStatus) -> Change:
    return lambda state, event: {**state, "status": status.value}


def _summarise(event: Event) -> str:
    if event.type == "requested":
        return f"{_amount(event.payload)} for order {text(event.payload, 'order')}"
    return text(event.payload, "reason") if event.type == "declined" else ""


PAYMENT = AggregateDefinition(
    context="sales",
    type="payment",
    title="Payment",
    apply=folding(
        "payment",
        {
            "requested": lambda state, event: {**event.payload, "status": PaymentStatus.REQUESTED.value},
            "confirmed": _moves_to(PaymentStatus.CONFIRMED),
            "declined": _moves_to(PaymentStatus.DECLINED),
            "released": _moves_to(PaymentStatus.RELEASED),
        },
    ),
    summarise=_summarise,
    demo=True,
)

decide_payment = deciding(
    "payment",
    {
        "request": rule(_parse_request, request),
        "confirm": rule(nothing, confirm),
        "decline": rule(lambda fields: fields.line("reason"), decline),
        "release": rule(nothing, release),
    },
)
