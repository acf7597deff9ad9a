"""This module is commands as a domain declares them: a dataclass each, when they are legal, and the function that decides.

    ORDER_COMMANDS = CommandSet(
        definition=ORDER,
        machine=ORDER_MACHINE,
        commands=(
            command(Create, create, creates=True),
            command(AddItem, add_item, when={OrderStatus.DRAFT}),
            command(Submit, submit, to=OrderStatus.SUBMITTED),
        ),
    )
    DOMAIN = Domain(..., commands={ORDER.key: ORDER_COMMANDS})

From that follow the forms, what may be sent in which state and why not, the drawing of the machine, and the worker's handler.
A domain that decides in another way gives `decide` and declares its commands without handlers: `command(AddItem, when=...)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import AggregateDefinition, NewEvent, State
from apps.persistence.registry import Command
from apps.persistence.store import Store
from apps.persistence.work.decide import Decide, handler_of

from ..machine import MealyMachine, StateMachine
from .acknowledged import once
from .payload import read_payload
from .shape import Shape, shape_of, words_of

C = TypeVar("C")
Handle = Callable[[State, Any], Sequence[NewEvent]]
StatusOf = Callable[[State], str | None]
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredCommand:
    """One command: `type` is the dataclass of its payload, `when` the states in which it is legal, `to` the state that it leads to.

    Without `when`, the machine says from where `to` can be reached. `creates` makes an aggregate; all others need one that exists.
    `may_lead_to` are states that it leads to in some cases only. `hidden` names fields that no form asks for.
    """

    name: str
    type: type[Any]
    handle: Handle | None = None
    creates: bool = False
    when: frozenset[str] | None = None
    to: str | None = None
    may_lead_to: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """The name as people read it."""
        return words_of(self.name)

    @property
    def shape(self) -> Shape:
        """Its fields, as forms show them; `help` is the docstring of its type."""
        return shape_of(self.type)


def command(
    type: type[C],
    handle: Callable[[State, C], Sequence[NewEvent]] | None = None,
    *,
    name: str = "",
    creates: bool = False,
    when: Collection[StrEnum] | None = None,
    to: StrEnum | None = None,
    may_lead_to: Collection[StrEnum] = (),
    hidden: Collection[str] = (),
) -> DeclaredCommand:
    """Declare a command. `handle` is pure: from the state and the command to the events. The name is the type's: AddItem is add_item."""
    return DeclaredCommand(
        name=name or name_of(type),
        type=type,
        handle=handle,
        creates=creates,
        when=None if when is None else frozenset(when),
        to=to,
        may_lead_to=frozenset(may_lead_to),
        hidden=frozenset(hidden),
    )


def name_of(declared: type[Any]) -> str:
    """`AddItem` as `add_item`."""
    return _CAPITAL.sub("_", declared.__name__).lower()


def status_in_state(state: State) -> str | None:
    """Where an aggregate stands if its state says so under `status`; None before it was created."""
    status = state.get("status")
    return status if isinstance(status, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSet:
    """All commands of one aggregate type; it is the handler that a domain registers under `definition.key`.

    `decide` takes the place of the commands' own handlers.
    """

    definition: AggregateDefinition
    commands: Sequence[DeclaredCommand]
    machine: StateMachine[Any] | MealyMachine[Any] | None = None
    status_of: StatusOf = status_in_state
    decide: Decide | None = None
    by_name: dict[str, DeclaredCommand] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {one.name: one for one in self.commands})
        without = [one.name for one in self.commands if one.handle is None]
        if self.decide is None and without:
            raise InvalidInput(f"Nothing decides {', '.join(without)} of {self.what}; give it a handler, or the set a `decide`.")

    @property
    def what(self) -> str:
        """The aggregate type as errors say it."""
        return self.definition.type.replace("_", " ")

    @property
    def states(self) -> StateMachine[Any] | None:
        """The life of the aggregate as a table, if it declares one."""
        return self.machine.states() if isinstance(self.machine, MealyMachine) else self.machine

    @property
    def creations(self) -> tuple[DeclaredCommand, ...]:
        """The commands that make an aggregate."""
        return tuple(one for one in self.commands if one.creates)

    def find(self, name: str) -> DeclaredCommand:
        """The command of this name. Raises InvalidInput."""
        if name not in self.by_name:
            raise InvalidInput(f"The {self.what} knows no command {name!r}; it knows {', '.join(self.by_name)}.")
        return self.by_name[name]

    def sources_of(self, declared: DeclaredCommand) -> frozenset[str] | None:
        """The states in which the command is legal by its declaration; None: in any."""
        states = self.states
        if states is None or declared.creates:
            return None
        if declared.when is not None:
            return declared.when
        if declared.to is None:
            return frozenset(state for state in states.transitions if not states.is_final(state))
        return frozenset(state for state in states.transitions if states.allows(state, declared.to))

    def field_of_target(self, declared: DeclaredCommand) -> str:
        """The field in which the command says to which state of the machine it leads; empty where it has none."""
        states = self.states
        if states is None or declared.creates:
            return ""
        return next((one.name for one in declared.shape.fields if one.type is type(states.initial)), "")

    def targets_of(self, declared: DeclaredCommand) -> frozenset[str]:
        """The states that the command can lead to, where the machine allows it."""
        states = self.states
        if states is None:
            return frozenset()
        if self.field_of_target(declared):
            return frozenset(states.transitions)
        return declared.may_lead_to | ({declared.to} if declared.to else set())

    def check(self, declared: DeclaredCommand, state: State) -> None:
        """Raises InvalidState where the command is not legal in this state by its declaration."""
        exists = state != dict(self.definition.initial)
        if declared.creates and exists:
            raise InvalidState(f"The {self.what} exists already; give a new one another id.")
        if declared.creates or not self.creations:
            return
        if not exists:
            raise InvalidState(f"There is no such {self.what}; {self.creations[0].name.replace('_', ' ')} it first.")
        self._check_status(declared, self.status_of(state))

    def refusal_of(self, declared: DeclaredCommand, state: State) -> str:
        """Why the command cannot be sent now, empty where it can. One without fields is tried: its own decision is the reason."""
        try:
            self.check(declared, state)
            if not declared.shape.fields and declared.handle is not None:
                declared.handle(state, declared.type())
        except InvalidInput as error:
            return str(error)
        return ""

    def decided(self, state: State, sent: Command) -> Sequence[NewEvent]:
        """Pure: the events that a command causes. Raises InvalidFields with what is wrong in its payload, InvalidState, InvalidInput."""
        declared = self.find(sent.name)
        if self.decide is not None:
            return self.decide(state, sent)
        assert declared.handle is not None, declared.name
        read = read_payload(declared.type, dict(sent.payload))
        self.check(declared, state)
        return declared.handle(state, read)

    async def __call__(self, store: Store, sent: Command) -> None:
        """Carry out a command, once, and note its acknowledgement. Raises InvalidInput to refuse it, Unavailable to be called again."""
        await once(store, sent, handler_of(self.definition, self.decided))

    def _check_status(self, declared: DeclaredCommand, status: str | None) -> None:
        sources = self.sources_of(declared)
        if sources is None or status is None or status in sources:
            return
        states = self.states
        if declared.when is None and declared.to is not None and states is not None:
            states.check(status, declared.to)
        legal = ", ".join(sorted(sources)) or "no state"
        raise InvalidState(f"The {self.what} is {status}; {declared.name.replace('_', ' ')} is only legal when it is {legal}.")
