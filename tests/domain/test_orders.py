"""The order: every legal and every illegal move, what each command causes, and that nothing changes what it was given."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

import pytest

from apps.domain.orders import ORDER, ORDER_MACHINE, Line, OrderStatus, lines_of, status_of, total_of
from apps.domain.values import Money
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import NewEvent
from tests.domain.given import (
    ADD,
    ADDRESS,
    CANCEL,
    CANCELLED,
    COMPLETE,
    COMPLETED,
    CREATE,
    DISCOUNT,
    DRAFT,
    LAMP,
    PROCESSING,
    REMOVE,
    START,
    SUBMIT,
    SUBMITTED,
    Asked,
    ask_order,
    event,
    order_after,
)

LEGAL_MOVES = {
    ("draft", "submitted"),
    ("draft", "cancelled"),
    ("submitted", "processing"),
    ("submitted", "cancelled"),
    ("processing", "completed"),
    ("processing", "cancelled"),
}
ALL_MOVES = set(product(OrderStatus, OrderStatus))
ILLEGAL_MOVES = sorted(move for move in ALL_MOVES if move not in LEGAL_MOVES)

STORIES = {"draft": DRAFT, "submitted": SUBMITTED, "processing": PROCESSING, "completed": COMPLETED, "cancelled": CANCELLED}
COMMANDS = {
    "create": CREATE, "add_item": ADD, "remove_item": REMOVE, "apply_discount": DISCOUNT, "set_address": ADDRESS,
    "submit": SUBMIT, "start_processing": START, "complete": COMPLETE, "cancel": CANCEL,
}  # fmt: skip
LEGAL_COMMANDS = {
    ("draft", "add_item"), ("draft", "remove_item"), ("draft", "apply_discount"), ("draft", "set_address"),
    ("draft", "submit"), ("draft", "cancel"),
    ("submitted", "apply_discount"), ("submitted", "set_address"), ("submitted", "start_processing"), ("submitted", "cancel"),
    ("processing", "complete"), ("processing", "cancel"),
}  # fmt: skip
ILLEGAL_COMMANDS = sorted(pair for pair in product(STORIES, COMMANDS) if pair not in LEGAL_COMMANDS)


# -- the state machine -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("current", "wanted"), sorted(LEGAL_MOVES))
def test_machine_allows_a_legal_move(current: str, wanted: str) -> None:
    ORDER_MACHINE.check(OrderStatus(current), OrderStatus(wanted))


@pytest.mark.parametrize(("current", "wanted"), ILLEGAL_MOVES)
def test_machine_refuses_an_illegal_move(current: OrderStatus, wanted: OrderStatus) -> None:
    with pytest.raises(InvalidState, match=f"is {current} and cannot become {wanted}"):
        ORDER_MACHINE.check(current, wanted)


def test_nineteen_of_the_twenty_five_moves_are_illegal() -> None:
    assert (len(ALL_MOVES), len(ILLEGAL_MOVES)) == (25, 19)


def test_refusal_says_what_may_follow() -> None:
    with pytest.raises(InvalidState) as refused:
        ORDER_MACHINE.check(OrderStatus.SUBMITTED, OrderStatus.COMPLETED)

    assert str(refused.value) == "The order is submitted and cannot become completed; it can only become processing, cancelled."


def test_refusal_says_that_a_state_is_final() -> None:
    with pytest.raises(InvalidState) as refused:
        ORDER_MACHINE.check(OrderStatus.COMPLETED, OrderStatus.CANCELLED)

    assert str(refused.value) == "The order is completed and cannot become cancelled; completed is final."


# -- commands in states ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "name"), sorted(LEGAL_COMMANDS))
def test_order_takes_a_command_that_is_legal_where_it_stands(status: str, name: str) -> None:
    events = ask_order(order_after(*STORIES[status]), COMMANDS[name])

    assert len(events) == 1


@pytest.mark.parametrize(("status", "name"), ILLEGAL_COMMANDS)
def test_order_refuses_a_command_that_is_illegal_where_it_stands(status: str, name: str) -> None:
    with pytest.raises(InvalidState):
        ask_order(order_after(*STORIES[status]), COMMANDS[name])


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"create"}))
def test_order_that_was_not_created_takes_only_create(name: str) -> None:
    with pytest.raises(InvalidState, match="create it first"):
        ask_order({}, COMMANDS[name])


@pytest.mark.parametrize("status", list(STORIES))
def test_order_stands_where_its_commands_led(status: str) -> None:
    assert status_of(order_after(*STORIES[status])) == status


# -- what each command causes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "asked", "caused"),
    [
        ((), CREATE, NewEvent(type="created", payload={"customer": "c-0001", "currency": "EUR"})),
        (
            DRAFT,
            ADD,
            NewEvent(
                type="item_added",
                payload={"sku": "LAMP-042", "pieces": 2, "unit_cents": 1250, "currency": "EUR", "name": "Desk lamp"},
            ),
        ),
        (
            DRAFT,
            REMOVE,
            NewEvent(type="item_removed", payload={"sku": "LAMP-042", "pieces": 1, "unit_cents": 1250, "currency": "EUR"}),
        ),
        (DRAFT, DISCOUNT, NewEvent(type="discount_applied", payload={"percent": 10, "reason": "autumn sale"})),
        (
            DRAFT,
            SUBMIT,
            NewEvent(type="submitted", payload={"customer": "c-0001", "pieces": 2, "total_cents": 2500, "currency": "EUR"}),
        ),
        (SUBMITTED, START, NewEvent(type="processing_started", payload={"customer": "c-0001"})),
        (
            PROCESSING,
            COMPLETE,
            NewEvent(type="completed", payload={"customer": "c-0001", "pieces": 2, "total_cents": 2500, "currency": "EUR"}),
        ),
        (
            DRAFT,
            CANCEL,
            NewEvent(type="cancelled", schema=2, payload={"customer": "c-0001", "reason": "changed their mind", "by": "customer"}),
        ),
    ],
    ids=["create", "add", "remove", "discount", "submit", "start", "complete", "cancel"],
)
def test_command_causes_its_event(before: tuple[Asked, ...], asked: Asked, caused: NewEvent) -> None:
    assert ask_order(order_after(*before), asked) == [caused]


@pytest.mark.parametrize(
    ("before", "asked", "reason"),
    [
        (
            DRAFT,
            ("add_item", {**LAMP, "unit_price": {"cents": 1250, "currency": "USD"}}),
            "The order is in EUR; a price in USD cannot be added to it.",
        ),
        (
            DRAFT,
            ("add_item", {**LAMP, "unit_price": {"cents": 990, "currency": "EUR"}}),
            "LAMP-042 stands on the order at 12.50 EUR, not 9.90 EUR; remove it first.",
        ),
        (DRAFT, ("remove_item", {"sku": "LAMP-042", "quantity": 3}), "The order holds 2 of LAMP-042; 3 cannot be removed."),
        (DRAFT, ("remove_item", {"sku": "RUG-1", "quantity": 1}), "The order holds 0 of RUG-1; 1 cannot be removed."),
        (DRAFT, ("apply_discount", {"percent": 91, "reason": "x"}), "A discount of 91 % is not given; 90 % is the limit."),
        ((CREATE, ADDRESS), SUBMIT, "The order has nothing on it; it cannot be submitted yet."),
        ((CREATE, ADD), SUBMIT, "The order has no address; it cannot be submitted yet."),
        (DRAFT, CREATE, "The order exists already; give a new one another id."),
    ],
)
def test_order_refuses_in_words(before: tuple[Asked, ...], asked: Asked, reason: str) -> None:
    with pytest.raises(InvalidState) as refused:
        ask_order(order_after(*before), asked)

    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (("ship", {}), "The order knows no command 'ship'"),
        (("submit", {"express": True}), "The command holds express, which it does not take."),
        (("apply_discount", {"percent": 10}), "The command lacks reason."),
        (("apply_discount", {"percent": "10", "reason": "x"}), "percent is '10'; it must be a whole number."),
        (("add_item", {**LAMP, "quantity": 0}), "0 is no quantity"),
        (("add_item", {**LAMP, "unit_price": 1250}), "unit_price is 1250; it must be a map."),
    ],
)
def test_order_refuses_a_payload_that_is_wrong(asked: Asked, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask_order(order_after(*DRAFT), asked)

    assert str(refused.value).startswith(reason)


def test_order_takes_no_more_than_a_hundred_lines() -> None:
    full = order_after(CREATE, *[("add_item", {**LAMP, "sku": f"LAMP-{number}"}) for number in range(100)])

    with pytest.raises(InvalidState, match="100 lines, which is the limit"):
        ask_order(full, ADD)


# -- folding ---------------------------------------------------------------------------------------------------------------------------


def test_same_product_added_twice_is_one_line() -> None:
    assert lines_of(order_after(CREATE, ADD, ADD)) == {"LAMP-042": Line("Desk lamp", 4, 1250)}


def test_line_of_which_all_was_removed_is_gone() -> None:
    assert lines_of(order_after(CREATE, ADD, REMOVE, REMOVE)) == {}


def test_total_is_after_the_newest_discount() -> None:
    state = order_after(CREATE, ADD, DISCOUNT, ("apply_discount", {"percent": 15, "reason": "damaged"}))

    assert total_of(state) == Money(2125, "EUR")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_deciding_and_folding_leave_the_state_as_it_was(name: str) -> None:
    state = order_after(*next(STORIES[status] for status, command in sorted(LEGAL_COMMANDS) if command == name)) if name != "create" else {}
    before = copy.deepcopy(state)

    for new in ask_order(state, COMMANDS[name]):
        ORDER.apply(state, event(new.type, new.payload))

    assert state == before


def test_same_state_and_command_cause_the_same_events() -> None:
    state = order_after(*DRAFT)

    assert ask_order(state, SUBMIT) == ask_order(state, SUBMIT)


@pytest.mark.parametrize(
    ("event_type", "payload", "reason"),
    [
        ("exploded", {}, "The order knows no event 'exploded' (version 1)."),
        ("discount_applied", {"percent": "ten"}, "The order cannot apply discount_applied (version 1)"),
        ("item_removed", {"sku": "RUG-1", "pieces": 1, "unit_cents": 1}, "The order cannot apply item_removed (version 1)"),
    ],
)
def test_event_that_no_order_could_have_written_is_not_folded(event_type: str, payload: Any, reason: str) -> None:
    with pytest.raises(InvalidState) as refused:
        ORDER.apply(order_after(*DRAFT), event(event_type, payload))

    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    ("event_type", "payload", "said"),
    [
        ("created", {"customer": "c-0001", "currency": "EUR"}, "for c-0001, in EUR"),
        ("item_added", {"sku": "LAMP-042", "pieces": 2, "unit_cents": 1250, "currency": "EUR"}, "+ 2 × LAMP-042 at 12.50 EUR"),
        ("item_removed", {"sku": "LAMP-042", "pieces": 1, "unit_cents": 1250, "currency": "EUR"}, "− 1 × LAMP-042 at 12.50 EUR"),
        ("discount_applied", {"percent": 10, "reason": "autumn sale"}, "10 %: autumn sale"),
        ("completed", {"pieces": 1200, "total_cents": 123456, "currency": "EUR"}, "1,200 pieces, 1,234.56 EUR"),
        ("processing_started", {}, ""),
    ],
)
def test_event_is_said_in_a_few_words(event_type: str, payload: Any, said: str) -> None:
    assert ORDER.summarise is not None

    assert ORDER.summarise(event(event_type, payload)) == said
