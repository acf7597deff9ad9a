"""This module is state machines as tables: from each state, the states that may follow; everything else is refused.

A `StateMachine` says which state may follow which. A `MooreMachine` has an output for each state that is entered, a `MealyMachine` one
for each state and input, and guards by input. A `Walk` is one life through such a table, with its history. All of it is immutable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import now

S = TypeVar("S", bound=StrEnum)
Guard = Callable[[Mapping[str, Any]], str]
"""Pure: why an input is refused although the table takes it, from the facts given with it; empty where it may pass."""


class InvalidStateTransition(InvalidState):
    """A state cannot follow another, or takes no such input."""

    def __init__(self, sentence: str, *, from_state: str, to_state: str) -> None:
        super().__init__(sentence)
        self.from_state = from_state
        self.to_state = to_state


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachine(Generic[S]):
    """`what` is said in errors. Every state is a key of `transitions`, the first the one that begins; one that nothing follows is final."""

    what: str
    transitions: Mapping[S, frozenset[S]]

    def __post_init__(self) -> None:
        unknown = sorted({state for following in self.transitions.values() for state in following} - self.transitions.keys())
        if unknown or not self.transitions:
            raise InvalidInput(f"The machine of the {self.what} leads to {', '.join(unknown) or 'nothing'}, which its table does not hold.")

    @property
    def initial(self) -> S:
        """Where a life begins."""
        return next(iter(self.transitions))

    def allows(self, current: S, wanted: S) -> bool:
        """Whether `wanted` may follow `current`."""
        return wanted in self.transitions[current]

    def valid_transitions(self, current: S) -> tuple[S, ...]:
        """What may follow `current`, in the order of the table."""
        return tuple(state for state in self.transitions if state in self.transitions[current])

    def is_final(self, state: S) -> bool:
        """Whether nothing follows `state`."""
        return not self.transitions[state]

    def check(self, current: S, wanted: S) -> None:
        """Raises InvalidStateTransition unless `wanted` may follow `current`."""
        if not self.allows(current, wanted):
            following = ", ".join(self.valid_transitions(current))
            rest = f"it can only become {following}" if following else f"{current} is final"
            sentence = f"The {self.what} is {current} and cannot become {wanted}; {rest}."
            raise InvalidStateTransition(sentence, from_state=current, to_state=wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class MooreMachine(StateMachine[S]):
    """`outputs` is what each state puts out whenever it is entered, such as the types of the events to append."""

    outputs: Mapping[S, tuple[str, ...]]

    def enter(self, current: S, wanted: S) -> tuple[str, ...]:
        """The output of entering `wanted`. Raises InvalidStateTransition."""
        self.check(current, wanted)
        return self.outputs.get(wanted, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Generic[S]):
    """What an input does in a state: the state that follows, what is put out, and what must hold for it."""

    to: S
    outputs: tuple[str, ...] = ()
    guard: Guard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MealyMachine(Generic[S]):
    """`table` maps each state to the inputs that it takes, such as the names of commands; a state that takes none is final."""

    what: str
    table: Mapping[S, Mapping[str, Move[S]]]

    def __post_init__(self) -> None:
        self.states()

    def states(self) -> StateMachine[S]:
        """The same machine without its inputs. Raises InvalidInput where it leads to a state that the table does not hold."""
        transitions = {state: frozenset(move.to for move in moves.values()) for state, moves in self.table.items()}
        return StateMachine(what=self.what, transitions=transitions)

    def valid_inputs(self, current: S) -> tuple[str, ...]:
        """The inputs that the table takes in this state, whatever their guards say."""
        return tuple(self.table[current])

    def valid_transitions(self, current: S, given: str | None = None) -> tuple[S, ...]:
        """What may follow `current`, by this input or by any."""
        moves = self.table[current]
        wanted = {moves[name].to for name in moves if given in (None, name)}
        return tuple(state for state in self.table if state in wanted)

    def is_final(self, state: S) -> bool:
        """Whether nothing follows `state`."""
        return not self.table[state]

    def move(self, current: S, given: str, facts: Mapping[str, Any] | None = None) -> Move[S]:
        """What the input does. Raises InvalidStateTransition where the state does not take it, InvalidState where its guard refuses."""
        moves = self.table[current]
        if given not in moves:
            rest = f"it takes only {', '.join(moves)}" if moves else f"{current} is final"
            raise InvalidStateTransition(
                f"The {self.what} is {current} and does not take {given}; {rest}.", from_state=current, to_state=self._leads_to(given)
            )
        move = moves[given]
        refusal = move.guard(facts or {}) if move.guard else ""
        if refusal:
            raise InvalidState(refusal)
        return move

    def _leads_to(self, given: str) -> str:
        """Where the input leads from the states that take it."""
        return ", ".join(sorted({moves[given].to for moves in self.table.values() if given in moves})) or given


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition(Generic[S]):
    """One step of a walk; `given` is its input, None for a Moore machine."""

    from_state: S
    to_state: S
    given: str | None
    outputs: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk(Generic[S]):
    """One life through a machine. Each step gives another walk; this one stays as it is."""

    machine: MooreMachine[S] | MealyMachine[S]
    state: S
    history: tuple[Transition[S], ...] = field(default=())

    def enter(self, wanted: S, *, at: datetime | None = None) -> Walk[S]:
        """Go to a state of a Moore machine. Raises InvalidStateTransition."""
        if not isinstance(self.machine, MooreMachine):
            raise InvalidInput(
                f"The {self.machine.what} is moved by inputs; give one of {', '.join(self.machine.valid_inputs(self.state))}."
            )
        return self._gone(wanted, None, self.machine.enter(self.state, wanted), at)

    def take(self, given: str, facts: Mapping[str, Any] | None = None, *, at: datetime | None = None) -> Walk[S]:
        """Take an input of a Mealy machine. Raises InvalidStateTransition, or InvalidState where its guard refuses."""
        if not isinstance(self.machine, MealyMachine):
            raise InvalidInput(f"The {self.machine.what} has no inputs; say which state to enter.")
        move = self.machine.move(self.state, given, facts)
        return self._gone(move.to, given, move.outputs, at)

    def _gone(self, to: S, given: str | None, outputs: tuple[str, ...], at: datetime | None) -> Walk[S]:
        step = Transition(from_state=self.state, to_state=to, given=given, outputs=outputs, at=at or now())
        return replace(self, state=to, history=(*self.history, step))
