"""This module is the organization as one declaration."""

from __future__ import annotations

from ..declared.ids import OrganizationId
from ..declared.kinds import AggregateKind, CommandKind
from . import decisions
from .commands import (
    AddOrganizationMember,
    AssignOrganizationLocations,
    ChangeOrganizationStatus,
    CreateOrganization,
    RemoveOrganizationMember,
    UpdateMemberRole,
    UpdateOrganizationStructure,
)
from .events import EVENTS
from .status import ORGANIZATION_MACHINE

ORGANIZATION = AggregateKind(
    id=OrganizationId,
    title="Organization",
    machine=ORGANIZATION_MACHINE,
    label=("name",),
    empty={"parent_id": None, "child_units": [], "members": [], "locations": [], "primary_location_id": None},
    events=EVENTS,
    commands=(
        CommandKind(payload=CreateOrganization, decide=decisions.create, begins=True),
        CommandKind(payload=AddOrganizationMember, decide=decisions.add_member),
        CommandKind(payload=RemoveOrganizationMember, decide=decisions.remove_member),
        CommandKind(payload=UpdateMemberRole, decide=decisions.update_member_role),
        CommandKind(payload=UpdateOrganizationStructure, decide=decisions.update_structure),
        CommandKind(payload=AssignOrganizationLocations, decide=decisions.assign_locations),
        CommandKind(payload=ChangeOrganizationStatus, decide=decisions.change_status),
    ),
)
