"""Customers and products: what their commands cause, what is refused, and what is left in stock."""

from __future__ import annotations

from typing import Any

import pytest

from apps.domain.customers import CUSTOMER
from apps.domain.products import PRODUCT, free_of, reserved_for
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import NewEvent
from tests.domain.given import Asked, ask_customer, ask_product, customer_after, event, product_after

REGISTER: Asked = ("register", {"name": "Ada Abel", "email": "ada@example.org"})
LIST: Asked = ("list", {"name": "Desk lamp", "price": {"cents": 7450, "currency": "EUR"}})
RESTOCK: Asked = ("restock", {"quantity": 10})
RESERVE: Asked = ("reserve", {"order": "o-1", "quantity": 4})
SHIP: Asked = ("ship", {"order": "o-1"})
RELEASE: Asked = ("release", {"order": "o-1"})


def test_customer_is_registered() -> None:
    assert customer_after(REGISTER) == {"name": "Ada Abel", "email": "ada@example.org", "is_active": True}


def test_changed_email_says_what_it_was_before() -> None:
    events = ask_customer(customer_after(REGISTER), ("change_email", {"email": "abel@example.org"}))

    assert events == [NewEvent(type="email_changed", payload={"email": "abel@example.org", "before": "ada@example.org"})]


def test_email_that_does_not_change_causes_nothing() -> None:
    assert ask_customer(customer_after(REGISTER), ("change_email", {"email": "ada@example.org"})) == []


@pytest.mark.parametrize(
    ("before", "asked", "reason"),
    [
        ((REGISTER,), REGISTER, "The customer exists already; give a new one another id."),
        ((), ("change_email", {"email": "a@example.org"}), "There is no such customer; register it first."),
        (
            (REGISTER, ("deactivate", {"reason": "moved away"})),
            ("change_email", {"email": "a@example.org"}),
            "The customer was deactivated and cannot be changed any more.",
        ),
    ],
)
def test_customer_refuses_in_words(before: tuple[Asked, ...], asked: Asked, reason: str) -> None:
    with pytest.raises(InvalidState) as refused:
        ask_customer(customer_after(*before), asked)

    assert str(refused.value) == reason


def test_customer_needs_an_email_that_is_one() -> None:
    with pytest.raises(InvalidInput, match="'ada' is no e-mail address"):
        ask_customer({}, ("register", {"name": "Ada", "email": "ada"}))


def test_reserved_pieces_are_not_free() -> None:
    state = product_after(LIST, RESTOCK, RESERVE)

    assert (reserved_for(state, "o-1"), free_of(state), state["on_hand"]) == (4, 6, 10)


def test_shipped_pieces_have_left_the_house() -> None:
    state = product_after(LIST, RESTOCK, RESERVE, SHIP)

    assert (reserved_for(state, "o-1"), free_of(state), state["on_hand"]) == (0, 6, 6)


def test_released_pieces_are_free_again() -> None:
    state = product_after(LIST, RESTOCK, RESERVE, RELEASE)

    assert (reserved_for(state, "o-1"), free_of(state), state["on_hand"]) == (0, 10, 10)


@pytest.mark.parametrize(
    ("before", "asked", "reason"),
    [
        ((), RESTOCK, "There is no such product; list it first."),
        ((LIST,), LIST, "The product exists already; give a new one another id."),
        ((LIST, RESTOCK), ("reserve", {"order": "o-1", "quantity": 11}), "Only 10 are free; 11 cannot be reserved. Restock first."),
        ((LIST, RESTOCK, RESERVE), RESERVE, "4 are reserved for order o-1 already."),
        ((LIST, RESTOCK), SHIP, "Nothing is reserved for order o-1."),
        ((LIST, RESTOCK, RESERVE, SHIP), RELEASE, "Nothing is reserved for order o-1."),
    ],
)
def test_product_refuses_in_words(before: tuple[Asked, ...], asked: Asked, reason: str) -> None:
    with pytest.raises(InvalidState) as refused:
        ask_product(product_after(*before), asked)

    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("event_type", "payload", "said"),
    [
        ("listed", {"name": "Desk lamp", "cents": 7450, "currency": "EUR"}, "Desk lamp at 74.50 EUR"),
        ("restocked", {"pieces": 1500}, "+ 1,500 pieces"),
        ("reserved", {"order": "o-1", "pieces": 4}, "4 pieces for o-1"),
    ],
)
def test_product_event_is_said_in_a_few_words(event_type: str, payload: Any, said: str) -> None:
    assert PRODUCT.summarise is not None

    assert PRODUCT.summarise(event(event_type, payload)) == said


def test_customer_event_is_said_in_a_few_words() -> None:
    assert CUSTOMER.summarise is not None

    assert (
        CUSTOMER.summarise(event("email_changed", {"email": "b@example.org", "before": "a@example.org"})) == "a@example.org → b@example.org"
    )
