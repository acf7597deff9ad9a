"""This module is what can be asked of an organization, and the records that its events hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from apps.persistence.errors import InvalidInput

from ..declared.ids import LocationId, OrganizationId, PersonId
from ..declared.records import Record
from ..values import Text
from .status import OrganizationStatus


class OrganizationType(StrEnum):
    """What kind of an organization it is."""

    COMPANY = "company"
    DIVISION = "division"
    DEPARTMENT = "department"
    TEAM = "team"
    PROJECT = "project"
    PARTNER = "partner"
    CUSTOMER = "customer"
    VENDOR = "vendor"
    CUSTOM = "custom"


class RoleLevel(StrEnum):
    """How far up a role stands."""

    EXECUTIVE = "executive"
    DIRECTOR = "director"
    MANAGER = "manager"
    LEAD = "lead"
    SENIOR = "senior"
    MID = "mid"
    JUNIOR = "junior"
    INTERN = "intern"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role(Record):
    """What a member does."""

    role_id: Text
    title: Text
    level: RoleLevel
    permissions: tuple[Text, ...] = ()
    attributes: Mapping[str, Text] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOrganization(Record):
    """An organization comes to be."""

    name: Text
    org_type: OrganizationType
    parent_id: OrganizationId | None = None
    primary_location_id: LocationId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOrganizationMember(Record):
    """A person joins."""

    person_id: PersonId
    role: Role
    reports_to: PersonId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOrganizationMember(Record):
    """A person leaves; nobody reports to them any more."""

    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMemberRole(Record):
    """A member does something else."""

    person_id: PersonId
    new_role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOrganizationStructure(Record):
    """It belongs to another, or others to it. Without `parent_id` its parent stays."""

    parent_id: OrganizationId | None = None
    add_child_units: tuple[OrganizationId, ...] = ()
    remove_child_units: tuple[OrganizationId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignOrganizationLocations(Record):
    """Where it is and where not any more. The first place is the primary one until another is named."""

    add_locations: tuple[LocationId, ...] = ()
    remove_locations: tuple[LocationId, ...] = ()
    primary_location_id: LocationId | None = None

    def check(self) -> None:
        both = sorted({one.text for one in self.add_locations} & {one.text for one in self.remove_locations})
        if both:
            raise InvalidInput(f"{', '.join(both)} is to be added and removed at once; leave it out of one of them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOrganizationStatus(Record):
    """It becomes inactive, active again, pending or archived."""

    new_status: OrganizationStatus
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRole(Record):
    """A member's role, which was removed or assigned."""

    person_id: PersonId
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent(Record):
    """The organization to which it belongs, or belonged."""

    parent_id: OrganizationId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildUnits(Record):
    """Units that came, or left."""

    child_units: tuple[OrganizationId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locations(Record):
    """Places that came, or left."""

    locations: tuple[LocationId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryLocation(Record):
    """The place where it is first of all, or was."""

    location_id: LocationId


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(Record):
    """From where to where it went."""

    old_status: OrganizationStatus
    new_status: OrganizationStatus
    reason: Text | None = None
