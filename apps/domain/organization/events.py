"""This module is what happens to an organization, and what each event changes in its state."""

from __future__ import annotations

from typing import Any, cast

from apps.persistence.events import Event, State

from ..declared.changes import adds, clears, items, keeps, removes
from ..declared.kinds import EventKind
from ..stored import Values
from .commands import (
    AddOrganizationMember,
    ChildUnits,
    CreateOrganization,
    Locations,
    MemberRole,
    Parent,
    PrimaryLocation,
    RemoveOrganizationMember,
    StatusChanged,
)
from .status import OrganizationStatus


def members_of(state: Values) -> list[dict[str, Any]]:
    """The members with their roles, in the order in which they joined."""
    return cast("list[dict[str, Any]]", items(dict(state), "members"))


def _created(state: State, event: Event) -> State:
    primary = event.payload.get("primary_location_id")
    kept = keeps("name", "org_type", "parent_id")(state, event)
    return {**kept, "primary_location_id": primary, "locations": [primary] if primary else []}


def _member_added(state: State, event: Event) -> State:
    said = event.payload
    member = {"person_id": said["person_id"], "role": said["role"], "reports_to": said.get("reports_to"), "joined_at": said["joined_at"]}
    return {**state, "members": [*members_of(state), member]}


def _member_removed(state: State, event: Event) -> State:
    gone = event.payload["person_id"]
    left = [member for member in members_of(state) if member["person_id"] != gone]
    freed = [{**member, "reports_to": None} if member["reports_to"] == gone else member for member in left]
    return {**state, "members": list(freed)}


def _role_assigned(state: State, event: Event) -> State:
    return _with_role(state, event, event.payload["role"])


def _role_removed(state: State, event: Event) -> State:
    return _with_role(state, event, None)


def _with_role(state: State, event: Event, role: Any) -> State:
    person = event.payload["person_id"]
    return {**state, "members": [{**one, "role": role} if one["person_id"] == person else one for one in members_of(state)]}


def _primary_set(state: State, event: Event) -> State:
    return {**state, "primary_location_id": event.payload["location_id"]}


CREATED = EventKind(
    name="OrganizationCreated", payload=CreateOrganization, at="created_at", change=_created, becomes=OrganizationStatus.ACTIVE
)
MEMBER_ADDED = EventKind(name="OrganizationMemberAdded", payload=AddOrganizationMember, at="joined_at", change=_member_added)
MEMBER_REMOVED = EventKind(name="OrganizationMemberRemoved", payload=RemoveOrganizationMember, at="removed_at", change=_member_removed)
ROLE_REMOVED = EventKind(name="MemberRoleRemoved", payload=MemberRole, at="removed_at", change=_role_removed)
ROLE_ASSIGNED = EventKind(name="MemberRoleAssigned", payload=MemberRole, at="assigned_at", change=_role_assigned)
PARENT_REMOVED = EventKind(name="OrganizationParentRemoved", payload=Parent, at="removed_at", change=clears("parent_id"))
PARENT_SET = EventKind(name="OrganizationParentSet", payload=Parent, at="set_at", change=keeps("parent_id"))
CHILD_UNITS_ADDED = EventKind(name="OrganizationChildUnitsAdded", payload=ChildUnits, at="added_at", change=adds("child_units"))
CHILD_UNITS_REMOVED = EventKind(name="OrganizationChildUnitsRemoved", payload=ChildUnits, at="removed_at", change=removes("child_units"))
LOCATIONS_ADDED = EventKind(name="OrganizationLocationsAdded", payload=Locations, at="added_at", change=adds("locations"))
LOCATIONS_REMOVED = EventKind(name="OrganizationLocationsRemoved", payload=Locations, at="removed_at", change=removes("locations"))
PRIMARY_REMOVED = EventKind(
    name="OrganizationPrimaryLocationRemoved", payload=PrimaryLocation, at="removed_at", change=clears("primary_location_id")
)
PRIMARY_SET = EventKind(name="OrganizationPrimaryLocationSet", payload=PrimaryLocation, at="set_at", change=_primary_set)
STATUS_CHANGED = EventKind(name="OrganizationStatusChanged", payload=StatusChanged, at="changed_at", leads_by="new_status")

EVENTS: tuple[EventKind[Any], ...] = (
    CREATED, MEMBER_ADDED, MEMBER_REMOVED, ROLE_REMOVED, ROLE_ASSIGNED, PARENT_REMOVED, PARENT_SET, CHILD_UNITS_ADDED,
    CHILD_UNITS_REMOVED, LOCATIONS_ADDED, LOCATIONS_REMOVED, PRIMARY_REMOVED, PRIMARY_SET, STATUS_CHANGED,
)  # fmt: skip
