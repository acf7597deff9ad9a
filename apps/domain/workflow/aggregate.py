"""This module is the workflow as one declaration, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import State, parse_time

from ..declared.ids import WorkflowId
from ..declared.kinds import AggregateKind, Asked, CommandKind, Happened
from ..stored import inner, text
from ..values import FreeForm, Text
from . import events
from .commands import (
    AddComponent,
    CancelWorkflow,
    Completed,
    ExecuteTransition,
    Failed,
    FailWorkflow,
    RemoveComponent,
    Resumed,
    ResumeWorkflow,
    Retried,
    RetryWorkflow,
    Started,
    StartWorkflow,
    Step,
    Stopped,
    SuspendWorkflow,
    Transitioned,
    TransitionExecuted,
    UpdateContext,
)
from .definitions import DEFINITIONS, START, Transition, WorkflowDefinition
from .status import WORKFLOW_MACHINE, WorkflowStatus


def start(state: State, command: StartWorkflow, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidInput for a definition that nobody declared."""
    if command.definition_id.text not in DEFINITIONS:
        raise InvalidInput(f"No workflow {command.definition_id.text!r} is defined; there are {', '.join(DEFINITIONS)}.")
    began = Started(definition_id=command.definition_id, initial_state=Text(START), started_at=command.start_time or asked.at)
    return [events.STARTED.of(began), *_context(command.initial_context)]


def execute_transition(state: State, command: ExecuteTransition, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState where the state it stands in takes no such input, or the guard refuses."""
    current, definition = text(state, "current_state"), definition_of(state)
    context = {**inner(state, "context"), **(command.context_updates.values if command.context_updates else {})}
    transition = _find(definition, current, command.input.name.text)
    refusal = transition.guard.refusal(context)
    if refusal:
        raise InvalidState(f"{transition.id} is refused: {refusal}.")
    source, target = Text(current), Text(transition.target)
    happened = [
        *_context(command.context_updates),
        events.EXECUTED.of(
            TransitionExecuted(from_state=source, to_state=target, input=command.input, output=Step(name=Text(transition.target)))
        ),
        events.TRANSITIONED.of(Transitioned(from_state=source, to_state=target, transition_id=Text(transition.id))),
    ]
    if definition.is_terminal(transition.target):
        seconds = (asked.at - parse_time(text(state, "started_at"))).total_seconds()
        happened.append(events.COMPLETED.of(Completed(final_state=target, total_duration=max(0.0, seconds))))
    return happened


def suspend(state: State, command: SuspendWorkflow, asked: Asked) -> Sequence[Happened[Any]]:
    """Whether it may rest is said by the machine."""
    return [events.SUSPENDED.of(Stopped(current_state=_current(state), reason=command.reason, expires_at=command.expires_at))]


def resume(state: State, command: ResumeWorkflow, asked: Asked) -> Sequence[Happened[Any]]:
    """It goes on where it stood."""
    return [events.RESUMED.of(Resumed(current_state=_current(state))), *_context(command.context_updates)]


def cancel(state: State, command: CancelWorkflow, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for one that failed, without force."""
    if state["status"] == WorkflowStatus.FAILED and not command.force:
        raise InvalidState("The workflow failed and may be retried; cancel it with force if it is to be given up.")
    return [events.CANCELLED.of(Stopped(current_state=_current(state), reason=command.reason))]


def fail(state: State, command: FailWorkflow, asked: Asked) -> Sequence[Happened[Any]]:
    """Whether it may fail is said by the machine."""
    return [events.FAILED.of(Failed(current_state=_current(state), error=command.error))]


def retry(state: State, command: RetryWorkflow, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidInput for a state that its graph does not have."""
    definition, wanted = definition_of(state), command.from_state or _current(state)
    if wanted.text not in definition.states:
        raise InvalidInput(f"{definition.id} has no state {wanted.text!r}; it has {', '.join(definition.states)}.")
    return [events.RETRIED.of(Retried(from_state=_current(state), to_state=wanted)), *_context(command.context_updates)]


def add_component(state: State, command: AddComponent, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for a type that it has."""
    if command.component_type.text in inner(state, "components"):
        raise InvalidState(f"The workflow has a component {command.component_type.text}; remove it first.")
    return [events.COMPONENT_ADDED.of(command)]


def remove_component(state: State, command: RemoveComponent, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for a type that it does not have."""
    held = inner(state, "components")
    if command.component_type.text not in held:
        raise InvalidState(f"The workflow has no component {command.component_type.text}; it has {', '.join(held) or 'none'}.")
    return [events.COMPONENT_REMOVED.of(command)]


def definition_of(state: State) -> WorkflowDefinition:
    """The graph that it walks. Raises InvalidState where nobody declares it any more."""
    name = text(state, "definition_id")
    if name not in DEFINITIONS:
        raise InvalidState(f"The workflow walks {name}, which is not defined any more; there are {', '.join(DEFINITIONS)}.")
    return DEFINITIONS[name]


def _find(definition: WorkflowDefinition, current: str, wanted: str) -> Transition:
    leading_on = definition.from_state(current)
    for transition in leading_on:
        if transition.input == wanted:
            return transition
    takes = ", ".join(one.input for one in leading_on) or "nothing"
    raise InvalidState(f"{definition.id} stands at {current} and does not take {wanted!r}; it takes {takes}.")


def _current(state: State) -> Text:
    return Text(text(state, "current_state"))


def _context(updates: FreeForm | None) -> list[Happened[Any]]:
    return [events.CONTEXT_SET.of(UpdateContext(updates=updates))] if updates and updates.values else []


_ACTIVE, _COMPLETED = frozenset({WorkflowStatus.ACTIVE}), frozenset({WorkflowStatus.COMPLETED})

WORKFLOW = AggregateKind(
    id=WorkflowId,
    title="Workflow",
    machine=WORKFLOW_MACHINE,
    label=("definition_id",),
    empty={"context": {}, "components": {}, "history": [], "completed_at": None, "total_duration": None},
    events=events.EVENTS,
    commands=(
        CommandKind(payload=StartWorkflow, decide=start, begins=True),
        CommandKind(payload=ExecuteTransition, decide=execute_transition, only_from=_ACTIVE, may_lead_to=_COMPLETED),
        CommandKind(payload=SuspendWorkflow, decide=suspend, leads_to=WorkflowStatus.SUSPENDED),
        CommandKind(payload=ResumeWorkflow, decide=resume, leads_to=WorkflowStatus.ACTIVE, only_from=frozenset({WorkflowStatus.SUSPENDED})),
        CommandKind(payload=CancelWorkflow, decide=cancel, leads_to=WorkflowStatus.CANCELLED),
        CommandKind(payload=FailWorkflow, decide=fail, leads_to=WorkflowStatus.FAILED),
        CommandKind(payload=RetryWorkflow, decide=retry, leads_to=WorkflowStatus.ACTIVE, only_from=frozenset({WorkflowStatus.FAILED})),
        CommandKind(payload=UpdateContext, causes=events.CONTEXT_SET),
        CommandKind(payload=AddComponent, decide=add_component),
        CommandKind(payload=RemoveComponent, decide=remove_component),
    ),
)
