"""This module is a domain of the tests whose one command has every kind of field: somebody is hired, and given further skills."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from apps.domain.cqrs import CommandSet, command, to_payload
from apps.domain.machine import MealyMachine, Move
from apps.domain.values import EmailAddress, Money, Text
from apps.persistence.events import AggregateDefinition, Event, NewEvent, State
from apps.persistence.registry import Domain


class Standing(StrEnum):
    EMPLOYED = "employed"
    ON_LEAVE = "on leave"
    GONE = "gone"


class Level(StrEnum):
    JUNIOR = "junior"
    SENIOR = "senior"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """What somebody can do."""

    name: Text
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Hire:
    """Somebody begins to work here."""

    name: Text
    email: EmailAddress
    begins: date
    salary: Money
    skills: tuple[Skill, ...] = ()
    tags: tuple[str, ...] = ()
    phones: dict[str, str] = field(default_factory=dict)
    hours: float | None = None
    is_remote: bool = False
    note: str | None = field(default=None, metadata={"help": "For the file.", "lines": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """They are away for some time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """They are back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismiss:
    """They do not work here any more."""

    reason: Text


def apply(state: State, event: Event) -> State:
    statuses = {"hired": Standing.EMPLOYED, "left": Standing.ON_LEAVE, "returned": Standing.EMPLOYED, "dismissed": Standing.GONE}
    return {**state, **event.payload, "status": statuses[event.type].value}


CLERK = AggregateDefinition(context="staff", type="clerk", title="Clerk", apply=apply)
MACHINE = MealyMachine(
    what="clerk",
    table={
        Standing.EMPLOYED: {"leave": Move(to=Standing.ON_LEAVE), "dismiss": Move(to=Standing.GONE)},
        Standing.ON_LEAVE: {"return": Move(to=Standing.EMPLOYED)},
        Standing.GONE: {},
    },
)
DOMAIN = Domain(
    name="staff",
    title="Staff",
    aggregates=[CLERK],
    commands={
        CLERK.key: CommandSet(
            definition=CLERK,
            machine=MACHINE,
            commands=[
                command(Hire, lambda state, hire: [NewEvent(type="hired", payload=to_payload(hire))], creates=True),
                command(Leave, lambda state, leave: [NewEvent(type="left")], to=Standing.ON_LEAVE),
                command(Return, lambda state, back: [NewEvent(type="returned")], when={Standing.ON_LEAVE}, to=Standing.EMPLOYED),
                command(Dismiss, lambda state, dismiss: [NewEvent(type="dismissed", payload=to_payload(dismiss))], to=Standing.GONE),
            ],
        )
    },
)
