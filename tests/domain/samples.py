"""This module is payloads made from what a command declares, and the walk through a kind's states by carrying out its commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, get_args, get_origin

from apps.domain.declared.ids import EntityId
from apps.domain.declared.kinds import AggregateKind, short_name
from apps.domain.declared.records import FieldOf, Record, fields_of, read_record
from apps.domain.values import EmailAddress, FreeForm, MimeType, PhoneNumber, WebAddress
from apps.persistence.encoding import Cid, Value, cid_of
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import AggregateRef, NewEvent, State, fold, new_id
from apps.persistence.registry import Command
from tests.domain.given import event

A_CID = cid_of(b"a sample")
_SIMPLE: dict[Any, Value] = {
    str: "words",
    int: 3,
    float: 1.5,
    bool: False,
    date: "2026-11-21",
    datetime: "2026-11-21T10:40:31.904218Z",
    Cid: str(A_CID),
    EmailAddress: "ada@example.org",
    PhoneNumber: "+49401234567",
    WebAddress: "https://example.org/",
    MimeType: "text/markdown",
    FreeForm: {"words": "of any kind"},
}
SPECIAL: dict[str, Value] = {"definition_id": "reading-notice", "input": {"name": "read"}, "version_number": 2, "force": True}
"""What a field of this name must say, so that it means something."""


def ask(kind: AggregateKind, state: State, name: str, payload: Mapping[str, Value], *, id: str = "x-1") -> list[NewEvent]:
    """What the command causes. Raises as the kind's decider."""
    ref = AggregateRef(kind.id.context, kind.id.type, id)
    return list(
        kind.decider()(state, Command(id=new_id(), aggregate=ref, name=name, payload=dict(payload), actor="ada", correlation=new_id()))
    )


def after(kind: AggregateKind, *asked: tuple[str, Mapping[str, Value]], onto: State | None = None) -> State:
    """The state after these commands."""
    state, definition = dict(onto or {}), kind.definition()
    for name, payload in asked:
        for new in ask(kind, state, name, payload):
            version = int(str(state.get("version", 0))) + 1
            happened = event(new.type, new.payload, of=f"{kind.id.context}.{kind.id.type}.x-1", version=version)
            state = fold(definition, [happened], onto=state)
    return state


def sample(kind: Any, field: FieldOf | None = None) -> Value:
    """A value that a field of this kind takes."""
    if get_origin(kind) is tuple:
        return [sample(get_args(kind)[0])]
    if get_origin(kind) is Mapping:
        return {"one": sample(get_args(kind)[1])}
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if issubclass(kind, Record):
        return next(payloads(kind))
    if issubclass(kind, StrEnum):
        return next(iter(kind)).value
    if issubclass(kind, EntityId):
        return f"{kind.context}.{kind.type}.other-1"
    return "words"


def samples(kind: Any) -> list[Value]:
    """Every word where there are words, else one value."""
    is_word = isinstance(kind, type) and issubclass(kind, StrEnum)
    return [word.value for word in kind] if is_word else [sample(kind)]


def payloads(kind: type[Record]) -> Iterator[dict[str, Value]]:
    """Payloads that a record takes: with what it must have, one for each word where it must have a word."""
    made: list[dict[str, Value]] = [{}]
    for field in fields_of(kind):
        if not field.is_required:
            continue
        values = [SPECIAL[field.name]] if field.name in SPECIAL else samples(field.kind)
        made = [{**payload, field.name: value} for payload in made for value in values]
    yield from (payload for payload in made if _is_taken(kind, payload))


def _is_taken(kind: type[Record], payload: dict[str, Value]) -> bool:
    """Whether what the fields say goes together."""
    try:
        read_record(kind, payload)
    except InvalidInput:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Walk:
    """What was seen: moves that were made, and for each command in which states it was refused."""

    moves: set[tuple[str, str]]
    reached: set[str]
    refused: set[tuple[str, str]]


def walk(kind: AggregateKind) -> Walk:
    """Carry out every command in every state that can be reached so."""
    seen, open_states = Walk(set(), set(), set()), list(_beginnings(kind))
    while open_states:
        state = open_states.pop()
        status = str(state["status"])
        if status in seen.reached:
            continue
        seen.reached.add(status)
        for name, payload in _commands(kind):
            try:
                next_state = after(kind, (name, payload), onto=state)
            except InvalidState:
                seen.refused.add((status, name))
                continue
            if any(new for new in ask(kind, state, name, payload) if _moves(kind, new)):
                seen.moves.add((status, str(next_state["status"])))
            open_states.append(next_state)
    return seen


def _moves(kind: AggregateKind, new: NewEvent) -> bool:
    return kind.event_kinds[new.type].target(new.payload) is not None


def _beginnings(kind: AggregateKind) -> Iterator[State]:
    for command in kind.commands:
        if command.begins:
            for payload in payloads(command.payload):
                yield after(kind, (short_name(command.payload.__name__, kind.id.type), payload))


def _commands(kind: AggregateKind) -> Iterator[tuple[str, dict[str, Value]]]:
    for name, command in kind.command_kinds.items():
        if not command.begins:
            for payload in payloads(command.payload):
                yield name, payload
