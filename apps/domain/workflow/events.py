"""This module is what happens to a workflow, and what each event changes in its state."""

from __future__ import annotations

from typing import Any

from apps.persistence.encoding import Value
from apps.persistence.events import Event, State

from ..declared.changes import Change, items, keeps
from ..declared.kinds import EventKind
from ..stored import inner, text
from .commands import (
    AddComponent,
    Completed,
    Failed,
    RemoveComponent,
    Resumed,
    Retried,
    Started,
    Stopped,
    Transitioned,
    TransitionExecuted,
    UpdateContext,
)
from .status import WorkflowStatus

MAX_HISTORY = 1_000
"""So many transitions are kept in the state; the events have them all."""


def _started(state: State, event: Event) -> State:
    return {**keeps("definition_id", "started_at")(state, event), "current_state": event.payload["initial_state"]}


def _executed(state: State, event: Event) -> State:
    names = ("from_state", "to_state", "input", "output", "executed_at")
    entry: State = {name: event.payload[name] for name in names}
    return {**state, "history": [*items(state, "history"), entry][-MAX_HISTORY:]}


def _goes_to(field: str) -> Change:
    return lambda state, event: {**state, "current_state": event.payload[field]}


def _notes(name: str, field: str) -> Change:
    """A reason stands in the context, where guards and people find it."""
    return lambda state, event: _with_context(state, {name: event.payload[field]})


def _context_set(state: State, event: Event) -> State:
    return _with_context(state, inner(event.payload, "updates"))


def _with_context(state: State, updates: dict[str, Value]) -> State:
    return {**state, "context": {**inner(state, "context"), **updates}}


def _component_added(state: State, event: Event) -> State:
    added = {text(event.payload, "component_type"): event.payload["component_data"]}
    return {**state, "components": {**inner(state, "components"), **added}}


def _component_removed(state: State, event: Event) -> State:
    gone = text(event.payload, "component_type")
    return {**state, "components": {name: one for name, one in inner(state, "components").items() if name != gone}}


STARTED = EventKind(name="WorkflowStarted", payload=Started, change=_started, becomes=WorkflowStatus.ACTIVE)
EXECUTED = EventKind(name="WorkflowTransitionExecuted", payload=TransitionExecuted, at="executed_at", change=_executed)
TRANSITIONED = EventKind(name="WorkflowTransitioned", payload=Transitioned, at="transitioned_at", change=_goes_to("to_state"))
COMPLETED = EventKind(
    name="WorkflowCompleted",
    payload=Completed,
    at="completed_at",
    change=keeps("completed_at", "total_duration"),
    becomes=WorkflowStatus.COMPLETED,
)
SUSPENDED = EventKind(
    name="WorkflowSuspended",
    payload=Stopped,
    at="suspended_at",
    change=_notes("suspension_reason", "reason"),
    becomes=WorkflowStatus.SUSPENDED,
)
RESUMED = EventKind(name="WorkflowResumed", payload=Resumed, at="resumed_at", becomes=WorkflowStatus.ACTIVE)
CANCELLED = EventKind(
    name="WorkflowCancelled",
    payload=Stopped,
    at="cancelled_at",
    change=_notes("cancellation_reason", "reason"),
    becomes=WorkflowStatus.CANCELLED,
)
FAILED = EventKind(
    name="WorkflowFailed", payload=Failed, at="failed_at", change=_notes("failure_reason", "error"), becomes=WorkflowStatus.FAILED
)
RETRIED = EventKind(name="WorkflowRetried", payload=Retried, at="retried_at", change=_goes_to("to_state"), becomes=WorkflowStatus.ACTIVE)
CONTEXT_SET = EventKind(name="WorkflowContextSet", payload=UpdateContext, at="set_at", change=_context_set)
COMPONENT_ADDED = EventKind(name="WorkflowComponentAdded", payload=AddComponent, at="added_at", change=_component_added)
COMPONENT_REMOVED = EventKind(name="WorkflowComponentRemoved", payload=RemoveComponent, at="removed_at", change=_component_removed)

EVENTS: tuple[EventKind[Any], ...] = (
    STARTED, EXECUTED, TRANSITIONED, COMPLETED, SUSPENDED, RESUMED, CANCELLED, FAILED, RETRIED, CONTEXT_SET, COMPONENT_ADDED,
    COMPONENT_REMOVED,
)  # fmt: skip
