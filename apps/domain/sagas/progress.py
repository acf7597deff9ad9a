"""This module is how far a saga is: the fold of its events, what each says in a few words, and the commands it takes itself."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import AggregateDefinition, Event, NewEvent, State, format_time
from apps.persistence.registry import Command, CommandHandler
from apps.persistence.work.decide import handler_of

from ..rules import Change, folding
from ..stored import Values, inner, number, text
from .definition import Saga


class SagaStatus(StrEnum):
    """Where a saga stands; `stuck` needs a person: something that was done could not be undone."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    STUCK = "stuck"


class Phase(StrEnum):
    """Where one step stands."""

    STARTED = "started"
    ASKED = "asked"
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDO_WAITING = "undo_waiting"
    UNDONE = "undone"


def status_of(state: State) -> SagaStatus | None:
    """Where the saga stands; None before it was begun."""
    return SagaStatus(text(state, "status")) if state else None


def step_of(state: State, name: str) -> Values | None:
    """What is known of a step; None before it was started."""
    steps = inner(state, "steps")
    return inner(steps, name) if name in steps else None


def aggregate_of(saga: Saga) -> AggregateDefinition:
    """The saga as an aggregate type, so that it is stored, folded and shown like any other."""
    return AggregateDefinition(
        context=saga.context, type=saga.type, title=saga.title, apply=folding("saga", _CHANGES), summarise=_summarise, demo=saga.demo
    )


def handler_of_saga(saga: Saga) -> CommandHandler:
    """Its own commands: `begin` with what the steps are told, and `retry` for one that is stuck."""
    return handler_of(aggregate_of(saga), _decide)


def _decide(state: State, command: Command) -> Sequence[NewEvent]:
    match command.name:
        case "begin":
            if state:
                raise InvalidState("The saga was begun already; give a new one another id.")
            return [NewEvent(type="begun", payload={"said": command.payload})]
        case "retry":
            if status_of(state) is not SagaStatus.STUCK:
                raise InvalidState(f"The saga is {status_of(state) or 'not begun'}; only one that is stuck can be tried again.")
            return [NewEvent(type="retried")]
    raise InvalidInput(f"A saga knows no command {command.name!r}; it knows begin and retry.")


def _begun(state: State, event: Event) -> State:
    return {"status": SagaStatus.RUNNING.value, "said": event.payload["said"], "steps": {}, "reason": ""}


def _becomes(status: SagaStatus) -> Change:
    return lambda state, event: {**state, "status": status.value, "reason": event.payload.get("reason", state["reason"])}


def _step_becomes(phase: Phase) -> Change:
    """Everything that the event says of its step is noted there."""

    def apply(state: State, event: Event) -> State:
        name = text(event.payload, "step")
        told = {key: value for key, value in event.payload.items() if key != "step"}
        step: dict[str, Value] = {**(step_of(state, name) or {}), **told, "phase": phase.value, "at": format_time(event.time)}
        return {**state, "steps": {**inner(state, "steps"), name: step}}

    return apply


def _failed(state: State, event: Event) -> State:
    """It waits for the next attempt, or was refused (nothing happened), or failed (something may have)."""
    if event.payload["retry_at"] is not None:
        return _step_becomes(Phase.WAITING)(state, event)
    return _step_becomes(Phase.REFUSED if event.payload["kind"] == "refused" else Phase.FAILED)(state, event)


def _done(state: State, event: Event) -> State:
    after = _step_becomes(Phase.DONE)(state, event)
    name = text(event.payload, "step")
    return {**after, "steps": {**inner(after, "steps"), name: {**inner(inner(after, "steps"), name), "is_certain": True}}}


def _retried(state: State, event: Event) -> State:
    """Compensations that were given up begin again."""
    steps = inner(state, "steps")
    again: dict[str, Value] = {name: _afresh(inner(steps, name)) for name in steps}
    return {**state, "status": SagaStatus.COMPENSATING.value, "steps": again}


def _afresh(step: Values) -> Value:
    return {**step, "attempt": 0} if step["phase"] == Phase.UNDO_WAITING else dict(step)


_CHANGES: dict[str, Change] = {
    "begun": _begun,
    "step_started": _step_becomes(Phase.STARTED),
    "step_asked": _step_becomes(Phase.ASKED),
    "step_done": _done,
    "step_failed": _failed,
    "turned_back": _becomes(SagaStatus.COMPENSATING),
    "compensation_started": _step_becomes(Phase.UNDOING),
    "compensation_done": _step_becomes(Phase.UNDONE),
    "compensation_failed": _step_becomes(Phase.UNDO_WAITING),
    "completed": _becomes(SagaStatus.COMPLETED),
    "compensated": _becomes(SagaStatus.COMPENSATED),
    "stuck": _becomes(SagaStatus.STUCK),
    "retried": _retried,
}


def _summarise(event: Event) -> str:
    said = event.payload
    match event.type:
        case "step_started" | "compensation_started":
            again = f", attempt {number(said, 'attempt')}" if said["attempt"] != 1 else ""
            return f"{text(said, 'step')}: {text(said, 'name')} of {text(said, 'aggregate')}{again}"
        case "step_failed" | "compensation_failed":
            return f"{text(said, 'step')}: {text(said, 'reason')}"
        case "turned_back" | "stuck":
            return text(said, "reason")
        case "step_asked" | "step_done" | "compensation_done":
            return f"{text(said, 'step')}{': ' + text(said, 'note') if said.get('note') else ''}"
    return ""
