"""This module is a saga as a domain declares it: steps as data, each with its command, what undoes it, how long it may take, how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, Event, EventType
from apps.persistence.subjects import check_token

Said = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaCommand:
    """What a step asks of which aggregate."""

    aggregate: AggregateRef
    name: str
    payload: dict[str, Value]


MakeCommand = Callable[[Said], SagaCommand]
"""Pure: the command, from what the saga was begun with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a step is tried in all, and how long the pauses between are: each `factor` times the one before, at most `most_seconds`."""

    attempts: int = 3
    first_seconds: float = 1.0
    factor: float = 2.0
    most_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_seconds < 0 or self.factor < 1:
            raise InvalidInput(f"{self} is no policy: at least 1 attempt, pauses from 0 seconds, a factor from 1.")

    def pause_after(self, attempt: int) -> float | None:
        """Seconds until the next attempt; None where that was the last."""
        if attempt >= self.attempts:
            return None
        return min(self.most_seconds, self.first_seconds * self.factor ** (attempt - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. It is done when its command was carried out, or, with `done_on`, when such an event of the commanded aggregate follows.

    An event of `failed_on` ends the saga as a refusal of the command does: what was done is compensated, last step first. So does
    the last of the attempts `retry` allows. An attempt takes at most `timeout_seconds`. The command must be one that does nothing when it
    comes again under the same id; after a time-out it is asked anew, under another.
    """

    name: str
    command: MakeCommand
    compensation: MakeCommand | None = None
    done_on: tuple[str, ...] = ()
    failed_on: tuple[str, ...] = ()
    timeout_seconds: float = 60.0
    retry: Retry = Retry()

    def __post_init__(self) -> None:
        check_token(self.name, "a step's name")
        if self.timeout_seconds <= 0:
            raise InvalidInput(f"The step {self.name} has {self.timeout_seconds} seconds; it needs some.")
        if self.failed_on and not self.done_on:
            raise InvalidInput(f"The step {self.name} can fail on {', '.join(self.failed_on)} and waits for nothing; name done_on too.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Events of this type that were written since `since` begin a saga of their aggregate's id, with what `said_of` takes from them.

    The time keeps a saga that is new from beginning for all that ever happened.
    """

    event: EventType
    since: datetime
    said_of: Callable[[Event], dict[str, Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """A process over several aggregates, itself an aggregate `{context}.{type}.{id}` whose events are its progress.

    It begins by its command `begin`, whose payload is what all steps are told, or by a trigger.
    """

    context: str
    type: str
    title: str
    steps: tuple[Step, ...]
    triggers: tuple[Trigger, ...] = ()
    demo: bool = False

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not names or len(set(names)) != len(names):
            raise InvalidInput(
                f"The saga {self.context}.{self.type} needs steps, each of another name; it has {', '.join(names) or 'none'}."
            )

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it among all aggregate types."""
        return self.context, self.type

    def step(self, name: str) -> Step:
        """The step of this name. Raises InvalidInput."""
        for step in self.steps:
            if step.name == name:
                return step
        raise InvalidInput(
            f"The saga {self.context}.{self.type} has no step {name!r}; it has {', '.join(step.name for step in self.steps)}."
        )
