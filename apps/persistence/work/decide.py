"""This module is the usual command handler: load the aggregate, let a pure function decide, append the events that it names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import InvalidInput, VersionConflict
from ..events import AggregateDefinition, Head, NewEvent, State, fold
from ..registry import Command, CommandHandler
from ..store import Store, append, head_of, load

Decide = Callable[[State, Command], Sequence[NewEvent]]
"""Pure: the events that a command causes in this state. Raises InvalidInput or InvalidState to refuse it."""


def handler_of(definition: AggregateDefinition, decide: Decide) -> CommandHandler:
    """A handler for all commands of one aggregate type; a domain registers it under `definition.key`.

    The events get the command's id as `causation`, and its actor and correlation. A command that has already caused events of its
    aggregate does nothing, so one that is delivered twice is carried out once.
    """

    async def handle(store: Store, command: Command) -> None:
        history = await load(store, command.aggregate)
        if any(stored.event.causation == command.id for stored in history.events):
            return
        state = fold(definition, (stored.event for stored in history.events))
        try:
            events = [_caused_by(command, event) for event in decide(state, command)]
        except InvalidInput:
            await _check_newest(store, history.head)
            raise
        if events:
            await append(store, history.head, events)

    return handle


async def _check_newest(store: Store, head: Head) -> None:
    """A refusal is final, so it must not rest on what a lagging replica said. Raises VersionConflict where there is more."""
    newest = await head_of(store, head.aggregate, leader=True)
    if newest.version != head.version:
        raise VersionConflict(head.aggregate, expected=head.version, actual=newest.version)


def _caused_by(command: Command, event: NewEvent) -> NewEvent:
    return replace(event, actor=command.actor, correlation=command.correlation, causation=command.id)
