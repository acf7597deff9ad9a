"""This module is what can be asked of a person and what then happened: commands, events, and what each event changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from apps.persistence.errors import InvalidState
from apps.persistence.events import Event, State, format_time

from ..declared.changes import becomes_nothing
from ..declared.ids import LocationId, PersonId
from ..declared.kinds import AggregateKind, Asked, CommandKind, EventKind, Happened
from ..declared.records import Record, read_record, written
from ..stored import inner, text
from ..values import FreeForm, Text
from .components import COMPONENTS, Access, Contact, Employment, ExternalIdentifiers, Identity, PersonComponent, Position, Skills
from .status import PERSON_MACHINE, PersonStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPerson(Record):
    """Someone becomes known."""

    identity: Identity
    contact: Contact | None = None
    location_id: LocationId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileComponents(Record):
    """The components to put in the place of those there are."""

    identity: Identity | None = None
    contact: Contact | None = None
    employment: Employment | None = None
    position: Position | None = None
    skills: Skills | None = None
    access: Access | None = None
    external_identifiers: ExternalIdentifiers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePersonProfile(Record):
    """Replace components; those that are not given stay."""

    components: ProfileComponents


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePersonComponent(Record):
    """Take a component away."""

    component_type: PersonComponent
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonComponentAdded(Record):
    """A component came to the person."""

    component_type: PersonComponent
    component: FreeForm

    def check(self) -> None:
        read_record(COMPONENTS[self.component_type], dict(self.component.values), where="component")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPersonVerification(Record):
    """Begin to verify who they are."""

    method: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletePersonVerification(Record):
    """They are who they say."""

    verification_id: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivatePerson(Record):
    """Let a verified person take part."""

    activated_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendPerson(Record):
    """Exclude them for a time."""

    reason: Text
    suspended_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeactivatePerson(Record):
    """They do not take part any more."""

    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivatePerson(Record):
    """They take part again."""

    reactivated_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePerson(Record):
    """Nothing will change any more."""

    archived_by: PersonId


def _registered(state: State, event: Event) -> State:
    given = [name for name in (PersonComponent.IDENTITY, PersonComponent.CONTACT) if name in event.payload]
    after = {**state, "location_id": event.payload.get("location_id")}
    for name in given:
        after = _with_component(after, name, inner(event.payload, name), event)
    return after


def _component_added(state: State, event: Event) -> State:
    return _with_component(state, text(event.payload, "component_type"), inner(event.payload, "component"), event)


def _with_component(state: State, name: str, component: State, event: Event) -> State:
    added: State = {"added_at": format_time(event.time), "added_by": event.actor}
    return {
        **state,
        "components": {**inner(state, "components"), str(name): component},
        "component_metadata": {**inner(state, "component_metadata"), str(name): added},
    }


def _component_removed(state: State, event: Event) -> State:
    name = text(event.payload, "component_type")
    left = {where: {key: one for key, one in inner(state, where).items() if key != name} for where in ("components", "component_metadata")}
    return {**state, **left}


REGISTERED = EventKind(
    name="PersonRegistered", payload=RegisterPerson, at="registered_at", change=_registered, becomes=PersonStatus.REGISTERED
)
COMPONENT_ADDED = EventKind(name="PersonComponentAdded", payload=PersonComponentAdded, at="added_at", change=_component_added)
COMPONENT_REMOVED = EventKind(name="PersonComponentRemoved", payload=RemovePersonComponent, at="removed_at", change=_component_removed)


def _moves(name: str, payload: type[Any], at: str, becomes: PersonStatus) -> EventKind[Any]:
    return EventKind(name=name, payload=payload, at=at, change=becomes_nothing, becomes=becomes)


VERIFICATION_STARTED = _moves("PersonVerificationStarted", StartPersonVerification, "started_at", PersonStatus.PENDING_VERIFICATION)
VERIFIED = _moves("PersonVerified", CompletePersonVerification, "verified_at", PersonStatus.VERIFIED)
ACTIVATED = _moves("PersonActivated", ActivatePerson, "activated_at", PersonStatus.ACTIVE)
SUSPENDED = _moves("PersonSuspended", SuspendPerson, "suspended_at", PersonStatus.SUSPENDED)
DEACTIVATED = _moves("PersonDeactivated", DeactivatePerson, "deactivated_at", PersonStatus.DEACTIVATED)
REACTIVATED = _moves("PersonReactivated", ReactivatePerson, "reactivated_at", PersonStatus.ACTIVE)
ARCHIVED = _moves("PersonArchived", ArchivePerson, "archived_at", PersonStatus.ARCHIVED)


def update_profile(state: State, command: UpdatePersonProfile, asked: Asked) -> Sequence[Happened[Any]]:
    """Each component that differs is removed, if it is there, and added."""
    held, found = inner(state, "components"), list[Happened[Any]]()
    for name in (PersonComponent(field.name) for field in fields(command.components)):
        component: Record | None = getattr(command.components, name)
        if component is None or held.get(name) == written(component):
            continue
        if name in held:
            found.append(COMPONENT_REMOVED.of(RemovePersonComponent(component_type=name)))
        found.append(COMPONENT_ADDED.of(PersonComponentAdded(component_type=name, component=FreeForm(written(component)))))
    return found


def remove_component(state: State, command: RemovePersonComponent, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for one that is not there, and for the identity, which everybody has."""
    if command.component_type is PersonComponent.IDENTITY:
        raise InvalidState("A person has an identity always; replace it by updating the profile.")
    if command.component_type not in inner(state, "components"):
        raise InvalidState(f"The person has no component {command.component_type}; they have {', '.join(inner(state, 'components'))}.")
    return [COMPONENT_REMOVED.of(command)]


PERSON = AggregateKind(
    id=PersonId,
    title="Person",
    machine=PERSON_MACHINE,
    label=("components", "identity", "legal_name"),
    empty={"components": {}, "component_metadata": {}},
    events=(
        REGISTERED, COMPONENT_ADDED, COMPONENT_REMOVED,
        VERIFICATION_STARTED, VERIFIED, ACTIVATED, SUSPENDED, DEACTIVATED, REACTIVATED, ARCHIVED,
    ),
    commands=(
        CommandKind(payload=RegisterPerson, causes=REGISTERED, begins=True),
        CommandKind(payload=UpdatePersonProfile, decide=update_profile),
        CommandKind(payload=RemovePersonComponent, decide=remove_component),
        CommandKind(payload=StartPersonVerification, causes=VERIFICATION_STARTED),
        CommandKind(payload=CompletePersonVerification, causes=VERIFIED),
        CommandKind(payload=ActivatePerson, causes=ACTIVATED, only_from=frozenset({PersonStatus.VERIFIED})),
        CommandKind(payload=SuspendPerson, causes=SUSPENDED),
        CommandKind(payload=DeactivatePerson, causes=DEACTIVATED),
        CommandKind(payload=ReactivatePerson, causes=REACTIVATED, only_from=frozenset({PersonStatus.SUSPENDED, PersonStatus.DEACTIVATED})),
        CommandKind(payload=ArchivePerson, causes=ARCHIVED),
    ),
)  # fmt: skip
