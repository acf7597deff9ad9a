"""This module is how an aggregate's two tables become its two functions: commands to events, and events to the next state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import Event, NewEvent, State
from apps.persistence.registry import Command
from apps.persistence.work.decide import Decide

from .fields import Fields

C = TypeVar("C")
Rule = Callable[[State, Mapping[str, Value]], Sequence[NewEvent]]
Change = Callable[[State, Event], State]


def rule(parse: Callable[[Fields], C], handle: Callable[[State, C], Sequence[NewEvent]]) -> Rule:
    """One command: `parse` reads its payload into a typed value, `handle` decides. A payload with more fields is refused."""

    def decide(state: State, payload: Mapping[str, Value]) -> Sequence[NewEvent]:
        fields = Fields(payload)
        command = parse(fields)
        fields.finish()
        return handle(state, command)

    return decide


def nothing(fields: Fields) -> None:
    """The payload of a command that says all by its name."""


def deciding(what: str, rules: Mapping[str, Rule]) -> Decide:
    """The pure function that decides every command of one aggregate type."""

    def decide(state: State, command: Command) -> Sequence[NewEvent]:
        if command.name not in rules:
            raise InvalidInput(f"The {what} knows no command {command.name!r}; it knows {', '.join(rules)}.")
        return rules[command.name](state, command.payload)

    return decide


def folding(what: str, changes: Mapping[str, Change]) -> Change:
    """The pure function that applies every event of one aggregate type. Raises InvalidState at an event that cannot be applied."""

    def apply(state: State, event: Event) -> State:
        if event.type not in changes:
            raise InvalidState(f"The {what} knows no event {event.type!r} (version {event.version}).")
        try:
            return changes[event.type](state, event)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidState(f"The {what} cannot apply {event.type} (version {event.version}): {error!r} in its payload.") from error

    return apply
