"""This module is the customer: registered, reached under an address that may change, and at some time no longer a customer."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateDefinition, Event, NewEvent, State

from .cqrs import CommandSet, command
from .rules import folding
from .stored import text
from .values import EmailAddress, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Someone becomes a customer."""

    name: Text
    email: EmailAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEmail:
    """They are reached under another address."""

    email: EmailAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Deactivate:
    """They are no customer any more."""

    reason: Text


def register(state: State, command: Register) -> list[NewEvent]:
    """The first event of a customer."""
    return [NewEvent(type="registered", payload={"name": command.name.text, "email": command.email.text})]


def change_email(state: State, command: ChangeEmail) -> list[NewEvent]:
    """Nothing happens if it is the address they have. Raises InvalidState unless they are active."""
    _check_active(state)
    if state["email"] == command.email.text:
        return []
    return [NewEvent(type="email_changed", payload={"email": command.email.text, "before": state["email"]})]


def deactivate(state: State, command: Deactivate) -> list[NewEvent]:
    """Raises InvalidState unless they are active."""
    _check_active(state)
    return [NewEvent(type="deactivated", payload={"reason": command.reason.text})]


def _check_active(state: State) -> None:
    if not state["is_active"]:
        raise InvalidState("The customer was deactivated and cannot be changed any more.")


def _named(event: Event) -> State:
    return {"name": text(event.payload, "name"), "email": text(event.payload, "email")}


def _summarise(event: Event) -> str:
    said = event.payload
    match event.type:
        case "registered":
            return f"{text(said, 'name')}, {text(said, 'email')}"
        case "email_changed":
            return f"{text(said, 'before')} → {text(said, 'email')}"
        case "deactivated":
            return text(said, "reason")
    return ""


CUSTOMER = AggregateDefinition(
    context="people",
    type="customer",
    title="Customer",
    apply=folding(
        "customer",
        {
            "registered": lambda state, event: {**_named(event), "is_active": True},
            "email_changed": lambda state, event: {**state, "email": text(event.payload, "email")},
            "deactivated": lambda state, event: {**state, "is_active": False},
        },
    ),
    summarise=_summarise,
    demo=True,
    label=("name",),
)

CUSTOMER_COMMANDS = CommandSet(
    definition=CUSTOMER,
    commands=(command(Register, register, creates=True), command(ChangeEmail, change_email), command(Deactivate, deactivate)),
)
decide_customer = CUSTOMER_COMMANDS.decided
