"""This module is the trail of access: who let whom in, with which role, by which token; events of `account` aggregates in CIM-CONSOLE.

People themselves are not kept here, and no decision rests on it: a web process has changed something, and asks that it be written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from blake3 import blake3

from ..encoding import Value
from ..errors import InvalidInput
from ..events import AggregateDefinition, AggregateRef, Event, NewEvent, State
from ..registry import Command
from ..store import CONSOLE, Store
from ..subjects import is_token
from .decide import handler_of

ACCOUNT_TYPE = "account"
NOTE = "note"
"""The one command there is: its payload names the event, the person, when it was, and what belongs to that event."""
LETTERS = 300
_ALWAYS = frozenset({"event", "person", "at"})
_MORE: Mapping[str, frozenset[str]] = {
    "added": frozenset({"role"}),
    "role_changed": frozenset({"role", "before"}),
    "access_closed": frozenset(),
    "access_opened": frozenset(),
    "link_given": frozenset(),
    "token_created": frozenset({"token", "until", "rights"}),
    "token_revoked": frozenset({"token"}),
}
_WORDS: Mapping[str, str] = {
    "added": "{person} added as {role}",
    "role_changed": "{person} is {role}, was {before}",
    "access_closed": "{person} can no longer sign in",
    "access_opened": "{person} can sign in again",
    "link_given": "a sign-in link for {person}",
    "token_created": "token {token} of {person} until {until}, {rights}",
    "token_revoked": "token {token} of {person} revoked",
}


def account_ref(person: str) -> AggregateRef:
    """The aggregate of a person's access; a name that cannot stand in a subject is there by its hash."""
    return AggregateRef("console", ACCOUNT_TYPE, person if is_token(person) else f"hash-{blake3(person.encode()).hexdigest()[:32]}")


async def note_account(store: Store, command: Command) -> None:
    """The handler of commands to an `account`. Raises InvalidInput for what is no such note, or Unavailable to be called again."""
    await _note(store.on(CONSOLE), command)


def _decide(state: State, command: Command) -> list[NewEvent]:
    noted = command.payload
    event, person = noted.get("event"), noted.get("person")
    if command.name != NOTE or not isinstance(event, str) or event not in _MORE:
        raise InvalidInput(f"An account knows only the command {NOTE} of one of {', '.join(sorted(_MORE))}, not {str(event)[:60]!r}.")
    if noted.keys() != _ALWAYS | _MORE[event]:
        raise InvalidInput(f"The note of {event} has {', '.join(sorted(noted))}; it must have {', '.join(sorted(_ALWAYS | _MORE[event]))}.")
    if not all(isinstance(value, str) and 0 < len(value) <= LETTERS for value in noted.values()):
        raise InvalidInput(f"Each part of the note of {event} must be a text of 1 to {LETTERS} letters.")
    if not isinstance(person, str) or account_ref(person) != command.aggregate:
        raise InvalidInput(f"The note is of {str(person)[:60]}, and was sent to {command.aggregate}.")
    return [NewEvent(type=event, payload={name: value for name, value in noted.items() if name != "event"})]


def _apply(state: State, event: Event) -> State:
    tokens = cast("list[Value]", state["tokens"])
    match event.type:
        case "added" | "role_changed":
            return {**state, "person": event.payload["person"], "role": event.payload["role"]}
        case "access_closed" | "access_opened":
            return {**state, "person": event.payload["person"], "is_open": event.type == "access_opened"}
        case "token_created":
            return {**state, "tokens": [*tokens, event.payload["token"]]}
        case "token_revoked":
            return {**state, "tokens": [token for token in tokens if token != event.payload["token"]]}
    return state


def _summarise(event: Event) -> str:
    facts = {name: str(value) for name, value in event.payload.items()}
    return _WORDS[event.type].format_map(facts) if event.type in _WORDS else ""


ACCOUNT_DEFINITION = AggregateDefinition(
    context="console",
    type=ACCOUNT_TYPE,
    title="Account",
    apply=_apply,
    initial={"person": "", "role": "", "is_open": True, "tokens": []},
    summarise=_summarise,
)
_note = handler_of(ACCOUNT_DEFINITION, _decide)
