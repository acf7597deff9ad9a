"""This module is tests of an aggregate in three steps, without any server: given events, when a command, then events or a refusal.

    given(ORDER_COMMANDS, NewEvent(type="created", payload={"customer": "c-1", "currency": "EUR"})) \\
        .when(Submit()) \\
        .then_refused("The order has nothing on it")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from apps.persistence.encoding import Cid, cid_of
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, Event, NewEvent, Scope, State, new_id

from .commands import CommandSet
from .sending import new_command

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An aggregate after some events. `refused` is why the last command was refused, `caused` what it caused."""

    commands: CommandSet
    ref: AggregateRef
    history: tuple[NewEvent, ...] = ()
    caused: tuple[NewEvent, ...] | None = None
    refused: str = ""

    @property
    def state(self) -> State:
        """The state after the history. Raises InvalidState where it cannot be folded."""
        return _folded(self.commands, self.ref, self.history)

    def when(self, command: Any, *, name: str = "", actor: str = "tester") -> Given:
        """Have a command decided; what it causes becomes part of the history."""
        declared = next((one.name for one in self.commands.commands if one.type is type(command)), "")
        sent = new_command(command, self.ref, actor=actor, name=name or declared)
        try:
            caused = tuple(self.commands.decided(self.state, sent))
        except InvalidInput as error:
            return replace(self, caused=(), refused=str(error))
        _folded(self.commands, self.ref, (*self.history, *caused))
        return replace(self, history=(*self.history, *caused), caused=caused, refused="")

    def then(self, *events: NewEvent) -> Given:
        """Exactly these events were caused, by type and payload."""
        assert not self.refused, f"the command was refused: {self.refused}"
        found = [(one.type, dict(one.payload)) for one in self.caused or ()]
        wanted = [(one.type, dict(one.payload)) for one in events]
        assert found == wanted, f"caused {found}, not {wanted}"
        return self

    def then_refused(self, reason: str = "") -> Given:
        """The command was refused, and its reason holds these words."""
        assert self.refused, f"the command was not refused; it caused {[one.type for one in self.caused or ()]}"
        assert reason in self.refused, f"refused because {self.refused!r}, not {reason!r}"
        return self

    def then_status(self, status: str) -> Given:
        """The aggregate stands so now."""
        found = self.commands.status_of(self.state)
        assert found == status, f"it is {found}, not {status}"
        return self


def given(commands: CommandSet, *events: NewEvent, id: str = "a-1") -> Given:
    """An aggregate of this kind after these events; none: it does not exist."""
    context, type_ = commands.definition.key
    begun = Given(commands=commands, ref=AggregateRef(context, type_, id), history=events)
    assert begun.state is not None
    return begun


def _folded(commands: CommandSet, ref: AggregateRef, history: Sequence[NewEvent]) -> State:
    state, previous = dict(commands.definition.initial), None
    for version, new in enumerate(history, start=1):
        event = _event(ref, new, version, previous)
        state, previous = commands.definition.apply(state, event), cid_of(event.to_block())
    return state


def _event(ref: AggregateRef, new: NewEvent, version: int, previous: Cid | None) -> Event:
    event_id = new_id()
    return Event(
        aggregate=ref,
        version=version,
        type=new.type,
        schema=new.schema,
        id=event_id,
        time=new.time or WHEN,
        actor=new.actor or "tester",
        correlation=new.correlation or event_id,
        causation=None,
        scope=Scope.CLUSTER,
        previous=previous,
        payload=dict(new.payload),
        metadata={},
    )
