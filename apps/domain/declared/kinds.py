"""This module is a kind of aggregate as data: its events, commands and machine, and the two pure functions that follow from them.

Names follow from the reference's: `SuspendAgent` of the agent is the command `suspend`, `AgentSuspended` the event `suspended`. Every
event holds the aggregate's own id (`agent_id`) and, under the name that it gives, when its command was issued (`suspended_at`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import AggregateDefinition, Event, NewEvent, SnapshotPolicy, State, format_time, now
from apps.persistence.registry import Command

from ..cqrs import CommandSet, command
from ..machine import StateMachine
from .changes import Change, becomes_nothing
from .ids import EntityId
from .records import Record, fields_of, ids_in, read_record, written

P = TypeVar("P", bound=Record)
C = TypeVar("C", bound=Record)
_WORDS = re.compile(r"[A-Z][a-z]*")


@dataclass(frozen=True, slots=True)
class Happened(Generic[P]):
    """An event that a command causes, before it has an id and a time."""

    kind: EventKind[P]
    payload: P


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind(Generic[P]):
    """`payload` is its schema. `at` names the field of its time. It leads to the status `becomes`, or to that in its field `leads_by`."""

    name: str
    payload: type[P]
    at: str = ""
    change: Change = becomes_nothing
    becomes: StrEnum | None = None
    leads_by: str = ""

    def of(self, payload: P) -> Happened[P]:
        """This event with this payload."""
        return Happened(self, payload)

    def target(self, payload: Mapping[str, Value]) -> str | None:
        """The status that the event leads to, if it leads to one."""
        return str(payload[self.leads_by]) if self.leads_by else self.becomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Of which aggregate something is asked, when, and by whom."""

    id: str
    at: datetime
    actor: str


Decision = Callable[[State, C, Asked], Sequence[Happened[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandKind(Generic[C]):
    """`payload` is its schema. It causes the event `causes`, which has the same fields, or what `decide` says.

    `only_from` narrows in which states it is legal, beyond what the machine says of its event. `leads_to` is the status that what
    `decide` says leads to, where it is always the same; `may_lead_to` are those that it leads to in some cases.
    """

    payload: type[C]
    causes: EventKind[C] | None = None
    decide: Decision[C] | None = None
    begins: bool = False
    only_from: frozenset[StrEnum] = frozenset()
    leads_to: StrEnum | None = None
    may_lead_to: frozenset[StrEnum] = frozenset()

    def events(self, state: State, command: C, asked: Asked) -> Sequence[Happened[Any]]:
        """What it causes in this state. Raises InvalidInput or InvalidState."""
        if self.decide is not None:
            return self.decide(state, command, asked)
        assert self.causes is not None, self.payload
        return [self.causes.of(command)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateKind:
    """Everything there is to know of a kind of aggregates. `empty` is what its state holds before its first event fills it.

    `label` is the way to the field of its state that says to people which one it is.
    """

    id: type[EntityId]
    title: str
    machine: StateMachine[Any]
    events: Sequence[EventKind[Any]]
    commands: Sequence[CommandKind[Any]]
    label: tuple[str, ...]
    empty: Mapping[str, Value] = field(default_factory=dict)

    @property
    def event_kinds(self) -> dict[str, EventKind[Any]]:
        """The events by their type."""
        return {short_name(kind.name, self.id.type): kind for kind in self.events}

    @property
    def command_kinds(self) -> dict[str, CommandKind[Any]]:
        """The commands by their name."""
        return {short_name(kind.payload.__name__, self.id.type): kind for kind in self.commands}

    def status(self, word: object) -> StrEnum:
        """A word as a status of the machine. Raises InvalidState for one it does not have."""
        for status in self.machine.transitions:
            if status == word:
                return cast(StrEnum, status)
        raise InvalidState(f"The {self.id.type} has no status {word!r}; it has {', '.join(self.machine.transitions)}.")

    def status_of(self, state: State) -> StrEnum:
        """Where it stands. Raises InvalidState where its state does not say."""
        return self.status(state.get("status"))

    def definition(self) -> AggregateDefinition:
        """The aggregate as the store knows it."""
        return AggregateDefinition(
            context=self.id.context,
            type=self.id.type,
            title=self.title,
            apply=_folding(self),
            summarise=_summarise(self),
            demo=True,
            snapshots=SnapshotPolicy(every_events=100),
            status="status",
            label=self.label,
            references=_references(self),
        )

    def command_set(self, definition: AggregateDefinition) -> CommandSet:
        """The commands as workers, forms and the drawing of the machine take them."""
        declared = tuple(
            command(
                one.payload,
                name=name,
                creates=one.begins,
                when=one.only_from or None,
                to=one.causes.becomes if one.causes else one.leads_to,
                may_lead_to=one.may_lead_to,
            )
            for name, one in self.command_kinds.items()
        )
        return CommandSet(definition=definition, machine=self.machine, commands=declared, decide=self.decider())

    def decider(self) -> Callable[[State, Command], Sequence[NewEvent]]:
        """The function that decides every command: pure but for the time, which it takes from the command's id."""
        return _deciding(self)


def short_name(name: str, aggregate: str) -> str:
    """`SubmitPolicyForApproval` of the policy is `submit_for_approval`."""
    return "_".join(word for word in (found.lower() for found in _WORDS.findall(name)) if word != aggregate)


def _references(kind: AggregateKind) -> dict[str, tuple[str, str]]:
    """The fields of events and commands that hold ids, by their names."""
    records = (*(event.payload for event in kind.events), *(asked.payload for asked in kind.commands))
    named = [pair for record in records for pair in ids_in(record)]
    return {name: (id.context, id.type) for name, id in named}


def issued_at(command: Command) -> datetime:
    """When the command was issued: a UUIDv7 says it; for another id, now."""
    uuid = UUID(command.id)
    return datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC) if uuid.version == 7 else now()


def _deciding(kind: AggregateKind) -> Callable[[State, Command], Sequence[NewEvent]]:
    commands = kind.command_kinds

    def decide(state: State, command: Command) -> list[NewEvent]:
        if command.name not in commands:
            raise InvalidInput(f"The {kind.id.type} knows no command {command.name!r}; it knows {', '.join(commands)}.")
        wanted = commands[command.name]
        read = read_record(wanted.payload, _without_own_id(kind, command))
        _check_legal(kind, wanted, state, command.name)
        asked = Asked(id=command.aggregate.id, at=issued_at(command), actor=command.actor)
        status, events = state.get("status"), list[NewEvent]()
        for happened in wanted.events(state or dict(kind.empty), read, asked):
            new = _stamped(kind, happened, asked)
            status = _moved(kind, happened.kind.target(new.payload), status)
            events.append(new)
        return events

    return decide


def _without_own_id(kind: AggregateKind, command: Command) -> dict[str, Value]:
    """The payload without the aggregate's own id, which it may repeat."""
    own = f"{kind.id.type}_id"
    given = command.payload.get(own)
    if given is not None and given != command.aggregate.id:
        raise InvalidInput(f"{own} is {given!r}, and the command is to {command.aggregate}; leave it out or give {command.aggregate.id}.")
    return {name: value for name, value in command.payload.items() if name != own}


def _check_legal(kind: AggregateKind, wanted: CommandKind[Any], state: State, name: str) -> None:
    what = kind.id.type
    if wanted.begins:
        if state:
            raise InvalidState(f"The {what} exists already; give a new one another id.")
        return
    if not state:
        raise InvalidState(f"There is no such {what}; begin it first.")
    status = kind.status_of(state)
    if kind.machine.is_final(status):
        raise InvalidState(f"The {what} is {status}, which is final; nothing of it can be changed any more.")
    if wanted.only_from and status not in wanted.only_from:
        raise InvalidState(f"The {what} is {status}; {name} is for one that is {' or '.join(sorted(wanted.only_from))}.")


def _moved(kind: AggregateKind, wanted: str | None, status: Value) -> Value:
    """The status after an event. Raises InvalidState where the machine does not allow it."""
    if wanted is None:
        return status
    if status is not None:
        kind.machine.check(kind.status(status), kind.status(wanted))
    return str(wanted)


def _stamped(kind: AggregateKind, happened: Happened[Any], asked: Asked) -> NewEvent:
    payload = {f"{kind.id.type}_id": asked.id, **written(happened.payload)}
    if happened.kind.at:
        payload[happened.kind.at] = format_time(asked.at)
    return NewEvent(type=short_name(happened.kind.name, kind.id.type), payload=payload)


def _folding(kind: AggregateKind) -> Change:
    """An event of a type that nobody knows leaves all but the version as it is, so that a later version's events stay readable."""
    known = kind.event_kinds

    def apply(state: State, event: Event) -> State:
        before = state or {**kind.empty, "created_at": format_time(event.time)}
        if event.type in known:
            before = _applied(known[event.type], before, event)
        return {**before, "version": event.version, "updated_at": format_time(event.time)}

    return apply


def _applied(known: EventKind[Any], state: State, event: Event) -> State:
    try:
        read_record(known.payload, event.payload, what=f"The event {event.type}", tolerant=True)
        after = known.change(state, event)
    except (InvalidInput, KeyError, TypeError, ValueError) as error:
        raise InvalidState(f"{event.aggregate} cannot apply {event.type} (version {event.version}): {error}") from error
    target = known.target(event.payload)
    return after if target is None else {**after, "status": str(target)}


def _summarise(kind: AggregateKind) -> Callable[[Event], str]:
    known = kind.event_kinds

    def summarise(event: Event) -> str:
        """What the event says in its short fields, but for its own id and time."""
        if event.type not in known:
            return ""
        names = [field.name for field in fields_of(known[event.type].payload)]
        said = [_said(event.payload.get(name)) for name in names]
        return ", ".join([one for one in said if one][:3])

    return summarise


def _said(value: Value) -> str:
    if isinstance(value, str):
        return value if len(value) <= 60 else f"{value[:60]}…"
    if isinstance(value, list):
        return ", ".join(one for one in value[:3] if isinstance(one, str)) + (" …" if len(value) > 3 else "")
    if isinstance(value, dict):
        return next((_said(one) for one in value.values() if isinstance(one, str)), "")
    return ""
