"""The names of what can be asked of each aggregate and of what happens to it, as the reference writes them, and their tables."""

from __future__ import annotations

import pytest

from apps.domain.agent import AGENT, AGENT_MACHINE
from apps.domain.company import KINDS
from apps.domain.declared.kinds import AggregateKind
from apps.domain.document import DOCUMENT, DOCUMENT_MACHINE
from apps.domain.location import LOCATION
from apps.domain.organization import ORGANIZATION
from apps.domain.policy import POLICY, POLICY_MACHINE
from apps.domain.workflow import WORKFLOW, WORKFLOW_MACHINE

COMMANDS = {
    "Person": "register update_profile remove_component start_verification complete_verification activate suspend deactivate reactivate"
    " archive",
    "Organization": "create add_member remove_member update_member_role update_structure assign_locations change_status",
    "Agent": "deploy activate suspend set_offline decommission update_capabilities grant_permissions revoke_permissions enable_tools"
    " disable_tools update_configuration",
    "Location": "define set_parent remove_parent add_metadata archive",
    "Policy": "enact update_rules submit_for_approval request_external_approval record_external_approval approve reject suspend reactivate"
    " supersede archive",
    "Document": "upload classify assign_ownership set_access_control set_status process add_relationship remove_relationship"
    " create_version archive",
    "Workflow": "start execute_transition suspend resume cancel fail retry update_context add_component remove_component",
}
EVENTS = {
    ORGANIZATION.title: "OrganizationCreated OrganizationMemberAdded OrganizationMemberRemoved MemberRoleRemoved MemberRoleAssigned"
    " OrganizationParentRemoved OrganizationParentSet OrganizationChildUnitsAdded OrganizationChildUnitsRemoved OrganizationLocationsAdded"
    " OrganizationLocationsRemoved OrganizationPrimaryLocationRemoved OrganizationPrimaryLocationSet OrganizationStatusChanged",
    AGENT.title: "AgentDeployed AgentActivated AgentSuspended AgentWentOffline AgentDecommissioned AgentCapabilitiesAdded"
    " AgentCapabilitiesRemoved AgentPermissionsGranted AgentPermissionsRevoked AgentToolsEnabled AgentToolsDisabled"
    " AgentConfigurationRemoved AgentConfigurationSet",
    LOCATION.title: "LocationDefined ParentLocationSet ParentLocationRemoved LocationMetadataAdded LocationArchived",
    POLICY.title: "PolicyEnacted PolicyRulesRemoved PolicyRulesSet PolicySubmittedForApproval PolicyApproved PolicyRejected PolicySuspended"
    " PolicyReactivated PolicySuperseded PolicyArchived PolicyExternalApprovalRequested PolicyExternalApprovalReceived",
    DOCUMENT.title: "DocumentUploaded DocumentClassified DocumentOwnershipAssigned DocumentAccessControlSet DocumentStatusSet"
    " DocumentProcessed DocumentRelationshipAdded DocumentRelationshipRemoved DocumentVersionCreated DocumentArchived",
    WORKFLOW.title: "WorkflowStarted WorkflowTransitionExecuted WorkflowTransitioned WorkflowCompleted WorkflowSuspended WorkflowResumed"
    " WorkflowCancelled WorkflowFailed WorkflowRetried WorkflowContextSet WorkflowComponentAdded WorkflowComponentRemoved",
}


def table(machine: object) -> dict[str, str]:
    return {str(state): " ".join(sorted(following)) for state, following in machine.transitions.items()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_what_can_be_asked_is_what_the_reference_names(kind: AggregateKind) -> None:
    assert " ".join(kind.command_kinds) == COMMANDS[kind.title]


@pytest.mark.parametrize("kind", KINDS[1:], ids=lambda kind: kind.title)
def test_what_happens_is_what_the_reference_names(kind: AggregateKind) -> None:
    assert " ".join(event.name for event in kind.events) == EVENTS[kind.title]


def test_event_types_are_the_third_word_of_the_subjects_of_the_reference() -> None:
    assert list(ORGANIZATION.event_kinds)[:5] == [
        "created",
        "member_added",
        "member_removed",
        "member_role_removed",
        "member_role_assigned",
    ]
    assert list(AGENT.event_kinds)[:6] == ["deployed", "activated", "suspended", "went_offline", "decommissioned", "capabilities_added"]
    assert list(WORKFLOW.event_kinds)[:4] == ["started", "transition_executed", "transitioned", "completed"]


def test_life_of_an_agent_is_the_table_of_the_design_patterns() -> None:
    assert table(AGENT_MACHINE) == {
        "initializing": "active",
        "active": "decommissioned offline suspended",
        "suspended": "active decommissioned",
        "offline": "active decommissioned",
        "decommissioned": "",
    }


def test_lives_of_policies_documents_and_workflows_are_those_of_the_reference() -> None:
    assert table(POLICY_MACHINE) == {
        "draft": "pending_approval",
        "pending_approval": "active draft",
        "active": "superseded suspended",
        "suspended": "active archived superseded",
        "superseded": "archived",
        "archived": "",
    }
    assert table(DOCUMENT_MACHINE) == {
        "draft": "marked_for_deletion under_review",
        "under_review": "approved draft",
        "approved": "published under_review",
        "published": "archived superseded",
        "superseded": "archived",
        "archived": "",
        "marked_for_deletion": "",
    }
    assert table(WORKFLOW_MACHINE) == {
        "active": "cancelled completed failed suspended",
        "suspended": "active cancelled failed",
        "completed": "",
        "cancelled": "",
        "failed": "active cancelled failed",
    }
