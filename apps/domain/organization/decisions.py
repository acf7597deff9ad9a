"""This module is what an organization decides: who may report to whom, what may belong to what, and where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import State

from ..declared.changes import items
from ..declared.ids import LocationId, OrganizationId, PersonId
from ..declared.kinds import Asked, Happened
from ..declared.records import read_record
from . import events
from .commands import (
    AddOrganizationMember,
    AssignOrganizationLocations,
    ChangeOrganizationStatus,
    ChildUnits,
    CreateOrganization,
    Locations,
    MemberRole,
    Parent,
    PrimaryLocation,
    RemoveOrganizationMember,
    Role,
    StatusChanged,
    UpdateMemberRole,
    UpdateOrganizationStructure,
)
from .status import OrganizationStatus

MAX_MEMBERS = 500
"""An organization with more is divided into units, each an aggregate of its own."""


def create(state: State, command: CreateOrganization, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidInput where it would belong to itself."""
    _check_other(command.parent_id, asked)
    return [events.CREATED.of(command)]


def add_member(state: State, command: AddOrganizationMember, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for one who is a member, for a report to nobody here, and for more than 500 members."""
    members = {member["person_id"] for member in events.members_of(state)}
    person = command.person_id.text
    if person in members:
        raise InvalidState(f"{person} is a member already; change their role instead.")
    if len(members) >= MAX_MEMBERS:
        raise InvalidState(f"The organization has {MAX_MEMBERS} members, which is the limit; make a unit of it and add them there.")
    if command.reports_to == command.person_id:
        raise InvalidInput(f"{person} cannot report to themselves; give another member as reports_to.")
    if command.reports_to is not None and command.reports_to.text not in members:
        raise InvalidState(f"{command.reports_to} is no member of this organization; add them first, or leave reports_to out.")
    return [events.MEMBER_ADDED.of(command)]


def remove_member(state: State, command: RemoveOrganizationMember, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for one who is no member."""
    _member(state, command.person_id)
    return [events.MEMBER_REMOVED.of(command)]


def update_member_role(state: State, command: UpdateMemberRole, asked: Asked) -> Sequence[Happened[Any]]:
    """The role that they have is removed, and the new one assigned. Nothing happens where it is the same."""
    before = read_record(Role, _member(state, command.person_id)["role"], where="role", tolerant=True)
    if before == command.new_role:
        return []
    removed = events.ROLE_REMOVED.of(MemberRole(person_id=command.person_id, role=before))
    return [removed, events.ROLE_ASSIGNED.of(MemberRole(person_id=command.person_id, role=command.new_role))]


def update_structure(state: State, command: UpdateOrganizationStructure, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidInput where it would belong to itself, or be parent and child of another at once."""
    for unit in (command.parent_id, *command.add_child_units):
        _check_other(unit, asked)
    held, parent = items(state, "child_units"), command.parent_id.text if command.parent_id else state["parent_id"]
    gone = tuple(unit for unit in command.remove_child_units if unit.text in held)
    new = tuple(unit for unit in command.add_child_units if unit.text not in held)
    children = {str(unit) for unit in held} - {unit.text for unit in gone} | {unit.text for unit in new}
    if parent in children:
        raise InvalidInput(f"{parent} cannot be the parent and a child unit of the organization; decide on one.")
    happened: list[Happened[Any]] = []
    if command.parent_id is not None and state["parent_id"] != command.parent_id.text:
        if state["parent_id"]:
            happened.append(events.PARENT_REMOVED.of(Parent(parent_id=OrganizationId(str(state["parent_id"])))))
        happened.append(events.PARENT_SET.of(Parent(parent_id=command.parent_id)))
    if gone:
        happened.append(events.CHILD_UNITS_REMOVED.of(ChildUnits(child_units=gone)))
    if new:
        happened.append(events.CHILD_UNITS_ADDED.of(ChildUnits(child_units=new)))
    return happened


def assign_locations(state: State, command: AssignOrganizationLocations, asked: Asked) -> Sequence[Happened[Any]]:
    """Places leave and come, and the primary one follows. Raises InvalidState for a primary one that is none of them."""
    held, primary = [str(one) for one in items(state, "locations")], state["primary_location_id"]
    gone = tuple(one for one in command.remove_locations if one.text in held)
    new = tuple(one for one in command.add_locations if one.text not in held)
    left = [one for one in held if one not in {place.text for place in gone}] + [one.text for one in new]
    wanted = _primary(left, primary, command.primary_location_id)
    happened: list[Happened[Any]] = []
    if primary and wanted != primary:
        happened.append(events.PRIMARY_REMOVED.of(PrimaryLocation(location_id=LocationId(str(primary)))))
    if gone:
        happened.append(events.LOCATIONS_REMOVED.of(Locations(locations=gone)))
    if new:
        happened.append(events.LOCATIONS_ADDED.of(Locations(locations=new)))
    if wanted and wanted != primary:
        happened.append(events.PRIMARY_SET.of(PrimaryLocation(location_id=LocationId(wanted))))
    return happened


def change_status(state: State, command: ChangeOrganizationStatus, asked: Asked) -> Sequence[Happened[Any]]:
    """Whether it may go there is said by the machine."""
    before = OrganizationStatus(str(state["status"]))
    return [events.STATUS_CHANGED.of(StatusChanged(old_status=before, new_status=command.new_status, reason=command.reason))]


def _primary(places: list[str], primary: Any, named: LocationId | None) -> str | None:
    """The primary place among these: the one that is named, the one that was, or the first that there ever was."""
    if named is not None:
        if named.text not in places:
            raise InvalidState(f"{named} is no location of this organization; add it first.")
        return named.text
    if primary is None:
        return places[0] if places else None
    return str(primary) if primary in places else None


def _member(state: State, person: PersonId) -> dict[str, Any]:
    for member in events.members_of(state):
        if member["person_id"] == person.text:
            return member
    raise InvalidState(f"{person} is no member of this organization.")


def _check_other(unit: OrganizationId | None, asked: Asked) -> None:
    if unit is not None and unit.text == asked.id:
        raise InvalidInput(f"The organization {asked.id} cannot belong to itself; give another id.")
