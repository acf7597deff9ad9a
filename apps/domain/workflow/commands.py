"""This module is what can be asked of a workflow, and the records that its events hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..declared.records import Record
from ..values import FreeForm, Prose, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Record):
    """What goes into a transition, or comes out of it."""

    name: Text
    data: FreeForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorkflow(Record):
    """Begin to walk a definition's graph, at its state Start."""

    definition_id: Text
    initial_context: FreeForm | None = None
    start_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteTransition(Record):
    """Go on by an input; the context is updated first, so that guards see it."""

    input: Step
    context_updates: FreeForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendWorkflow(Record):
    """Rest for a time."""

    reason: Text
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeWorkflow(Record):
    """Go on after a rest."""

    context_updates: FreeForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelWorkflow(Record):
    """Give it up. One that failed and may be retried is given up only with `force`."""

    reason: Text
    force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FailWorkflow(Record):
    """It cannot go on because of an error."""

    error: Prose


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryWorkflow(Record):
    """Go on after a failure, from the state where it stands or from another of its graph."""

    from_state: Text | None = None
    context_updates: FreeForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateContext(Record):
    """Names in the context get these values."""

    updates: FreeForm


@dataclass(frozen=True, slots=True, kw_only=True)
class AddComponent(Record):
    """Attach a component of a type that it does not have."""

    component_type: Text
    component_data: FreeForm


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveComponent(Record):
    """Take a component away."""

    component_type: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Record):
    """Which graph is walked, and from where."""

    definition_id: Text
    initial_state: Text
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionExecuted(Record):
    """What went into a transition, and what came out."""

    from_state: Text
    to_state: Text
    input: Step
    output: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitioned(Record):
    """It stands somewhere else."""

    from_state: Text
    to_state: Text
    transition_id: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(Record):
    """It came to a terminal state; `total_duration` is in seconds."""

    final_state: Text
    total_duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Record):
    """Where it stood, and why it rests or was given up."""

    current_state: Text
    reason: Text
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Record):
    """Where it goes on."""

    current_state: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Record):
    """Where it stood, and what went wrong."""

    current_state: Text
    error: Prose


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(Record):
    """Where it stood, and where it goes on."""

    from_state: Text
    to_state: Text
