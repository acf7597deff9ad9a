"""This module is the usual changes of a state by an event, as data: fields that are kept, lists that grow and shrink."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from apps.persistence.encoding import Value
from apps.persistence.events import Event, State

Change = Callable[[State, Event], State]


def becomes_nothing(state: State, event: Event) -> State:
    """The event is a fact that changes no field, or only the status."""
    return state


def keeps(*names: str) -> Change:
    """These fields of the event take the place of those in the state; one that the event lacks becomes None."""
    return lambda state, event: {**state, **{name: event.payload.get(name) for name in names}}


def clears(*names: str) -> Change:
    """These fields of the state become None."""
    return lambda state, event: {**state, **dict.fromkeys(names)}


def adds(name: str) -> Change:
    """What the event lists comes to the list of that name, each once."""

    def change(state: State, event: Event) -> State:
        before = items(state, name)
        return {**state, name: before + [one for one in items(event.payload, name) if one not in before]}

    return change


def removes(name: str) -> Change:
    """What the event lists leaves the list of that name."""

    def change(state: State, event: Event) -> State:
        gone = items(event.payload, name)
        return {**state, name: [one for one in items(state, name) if one not in gone]}

    return change


def items(values: State, name: str) -> list[Value]:
    """The list under `name`; empty where there is none."""
    return list(cast("list[Value]", values.get(name) or []))
