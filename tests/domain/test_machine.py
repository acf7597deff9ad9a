"""Machines as data: every pair of states of every machine, the outputs, the guards, and the history of a walk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest

from apps.domain import DOMAIN
from apps.domain.cqrs import CommandSet
from apps.domain.machine import InvalidStateTransition, MealyMachine, MooreMachine, Move, StateMachine, Walk
from apps.persistence.errors import InvalidInput, InvalidState

MACHINES = [commands.states for commands in DOMAIN.commands.values() if isinstance(commands, CommandSet) and commands.states is not None]
LEGAL = [(machine, before, after) for machine in MACHINES for before in machine.transitions for after in machine.transitions[before]]
ILLEGAL = [
    (machine, before, after)
    for machine in MACHINES
    for before in machine.transitions
    for after in machine.transitions
    if after not in machine.transitions[before]
]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    LOCKED = "locked"
    BRICKED_UP = "bricked up"


def has_key(facts: Mapping[str, Any]) -> str:
    return "" if facts.get("key") else "The door cannot be locked without its key."


MOORE = MooreMachine(
    what="door",
    transitions={
        Door.OPEN: frozenset({Door.SHUT}),
        Door.SHUT: frozenset({Door.OPEN, Door.LOCKED, Door.BRICKED_UP}),
        Door.LOCKED: frozenset({Door.SHUT}),
        Door.BRICKED_UP: frozenset(),
    },
    outputs={Door.OPEN: ("draught",), Door.LOCKED: ("click",)},
)
MEALY = MealyMachine(
    what="door",
    table={
        Door.OPEN: {"push": Move(to=Door.SHUT, outputs=("bang",))},
        Door.SHUT: {
            "pull": Move(to=Door.OPEN, outputs=("creak",)),
            "kick": Move(to=Door.OPEN, outputs=("crash",)),
            "turn": Move(to=Door.LOCKED, guard=has_key),
            "wall": Move(to=Door.BRICKED_UP),
        },
        Door.LOCKED: {"turn": Move(to=Door.SHUT, outputs=("click",), guard=has_key)},
        Door.BRICKED_UP: {},
    },
)


@pytest.mark.parametrize(("machine", "before", "after"), LEGAL, ids=lambda one: getattr(one, "what", str(one)))
def test_every_declared_move_is_legal(machine: StateMachine[Any], before: StrEnum, after: StrEnum) -> None:
    machine.check(before, after)

    assert after in machine.valid_transitions(before)


@pytest.mark.parametrize(("machine", "before", "after"), ILLEGAL, ids=lambda one: getattr(one, "what", str(one)))
def test_every_other_move_is_refused_with_both_states(machine: StateMachine[Any], before: StrEnum, after: StrEnum) -> None:
    with pytest.raises(InvalidStateTransition) as refused:
        machine.check(before, after)

    assert (refused.value.from_state, refused.value.to_state) == (before, after)
    assert after not in machine.valid_transitions(before)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.what)
def test_final_states_lead_nowhere_and_all_others_somewhere(machine: StateMachine[Any]) -> None:
    final = {state for state in machine.transitions if machine.is_final(state)}

    assert final == {state for state in machine.transitions if machine.valid_transitions(state) == ()}
    assert machine.initial not in final


def test_machine_that_leads_to_a_state_it_does_not_hold_cannot_be_declared() -> None:
    with pytest.raises(InvalidInput, match="The machine of the door leads to locked, which its table does not hold"):
        StateMachine(what="door", transitions={Door.OPEN: frozenset({Door.LOCKED})})


def test_moore_output_is_that_of_the_state_entered_from_wherever() -> None:
    assert (MOORE.enter(Door.SHUT, Door.OPEN), MOORE.enter(Door.SHUT, Door.LOCKED)) == (("draught",), ("click",))
    assert MOORE.enter(Door.OPEN, Door.SHUT) == MOORE.enter(Door.LOCKED, Door.SHUT) == ()


def test_mealy_output_is_that_of_state_and_input() -> None:
    assert MEALY.move(Door.SHUT, "pull").outputs == ("creak",)
    assert MEALY.move(Door.SHUT, "kick").outputs == ("crash",)
    assert MEALY.move(Door.LOCKED, "turn", {"key": True}).outputs == ("click",)


def test_mealy_guard_refuses_in_words() -> None:
    with pytest.raises(InvalidState, match="cannot be locked without its key"):
        MEALY.move(Door.SHUT, "turn", {"key": False})


@pytest.mark.parametrize(
    ("state", "given"),
    [(state, given) for state in Door for given in ("push", "pull", "kick", "turn", "wall") if given not in MEALY.table[state]],
)
def test_mealy_refuses_an_input_that_its_state_does_not_take(state: Door, given: str) -> None:
    with pytest.raises(InvalidStateTransition, match=f"is {state} and does not take {given}") as refused:
        MEALY.move(state, given)

    assert refused.value.from_state == state


def test_mealy_says_what_may_follow_by_an_input() -> None:
    assert MEALY.valid_transitions(Door.SHUT) == (Door.OPEN, Door.LOCKED, Door.BRICKED_UP)
    assert MEALY.valid_transitions(Door.SHUT, "turn") == (Door.LOCKED,)
    assert MEALY.valid_inputs(Door.BRICKED_UP) == ()


def test_walk_keeps_its_history_and_leaves_the_walk_before_as_it_was() -> None:
    began = Walk(machine=MEALY, state=Door.OPEN)

    ended = began.take("push", at=NOON).take("turn", {"key": True}, at=NOON)

    assert [(step.from_state, step.given, step.to_state, step.outputs, step.at) for step in ended.history] == [
        ("open", "push", "shut", ("bang",), NOON),
        ("shut", "turn", "locked", (), NOON),
    ]
    assert (began.state, began.history) == (Door.OPEN, ())


def test_walk_that_is_refused_stays_where_it_is() -> None:
    walk = Walk(machine=MOORE, state=Door.BRICKED_UP)

    with pytest.raises(InvalidStateTransition, match="bricked up is final"):
        walk.enter(Door.OPEN)

    assert walk.state is Door.BRICKED_UP


def test_walk_is_told_which_of_its_two_ways_to_move() -> None:
    with pytest.raises(InvalidInput, match="is moved by inputs; give one of push"):
        Walk(machine=MEALY, state=Door.OPEN).enter(Door.SHUT)
    with pytest.raises(InvalidInput, match="has no inputs; say which state to enter"):
        Walk(machine=MOORE, state=Door.OPEN).take("push")
