"""This module is what a saga does next: a pure function of how far it is and what time it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.persistence.events import State, parse_time

from ..stored import Values, number, text
from .definition import Saga, Step
from .progress import Phase, SagaStatus, status_of, step_of

LOOK_SECONDS = 1.0
"""How often a step that waits for an event looks whether it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Enter that a step, or with `is_undo` its compensation, is tried; `command` is the id to ask under again (None: a new one)."""

    step: Step
    is_undo: bool
    attempt: int
    command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Have the command carried out that was entered."""

    step: Step
    is_undo: bool
    attempt: int
    command: str
    is_certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """See whether the event is there that the step waits for, which has until `deadline`."""

    step: Step
    attempt: int
    command: str
    after: int
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do for so long."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Enter that all is over, by this event."""

    event: str


Move = Start | Ask | Look | Wait | End | None
"""None: the saga has ended, or never began."""


def next_move(saga: Saga, state: State, now: datetime) -> Move:
    """What to do now."""
    match status_of(state):
        case SagaStatus.RUNNING:
            return _forward(saga, state, now)
        case SagaStatus.COMPENSATING:
            return _back(saga, state, now)
    return None


def _forward(saga: Saga, state: State, now: datetime) -> Move:
    for step in saga.steps:
        known = step_of(state, step.name)
        if known is None:
            return Start(step=step, is_undo=False, attempt=1)
        if known["phase"] != Phase.DONE:
            return _at_step(step, known, now)
    return End(event="completed")


def _at_step(step: Step, known: Values, now: datetime) -> Move:
    attempt, command = number(known, "attempt"), text(known, "command")
    match known["phase"]:
        case Phase.WAITING:
            again = None if known["kind"] == "timeout" else command
            return _wait_until(known, now) or Start(step=step, is_undo=False, attempt=attempt + 1, command=again)
        case Phase.ASKED:
            deadline = parse_time(text(known, "at")) + timedelta(seconds=step.timeout_seconds)
            return Look(step=step, attempt=attempt, command=command, after=number(known, "after"), deadline=deadline)
    return Ask(step=step, is_undo=False, attempt=attempt, command=command)


def _back(saga: Saga, state: State, now: datetime) -> Move:
    for step, known in _to_undo(saga, state):
        attempt = number(known, "attempt")
        match known["phase"]:
            case Phase.UNDOING:
                is_certain = bool(known.get("is_certain"))
                return Ask(step=step, is_undo=True, attempt=attempt, command=text(known, "command"), is_certain=is_certain)
            case Phase.UNDO_WAITING:
                same = None if known["kind"] == "refused" else text(known, "command")  # a refusal stands under its id for good
                return _wait_until(known, now) or Start(step=step, is_undo=True, attempt=attempt + 1, command=same)
        return Start(step=step, is_undo=True, attempt=1)
    return End(event="compensated")


def _to_undo(saga: Saga, state: State) -> Iterator[tuple[Step, Values]]:
    """What was done, or may have been, and is not undone yet; the last first."""
    for step in reversed(saga.steps):
        known = step_of(state, step.name)
        if known is not None and step.compensation is not None and known["phase"] not in (Phase.REFUSED, Phase.UNDONE):
            yield step, known


def _wait_until(known: Values, now: datetime) -> Wait | None:
    """None where it is time already, or no time was set."""
    if known["retry_at"] is None:
        return None
    left = (parse_time(text(known, "retry_at")) - now).total_seconds()
    return Wait(seconds=left) if left > 0 else None
