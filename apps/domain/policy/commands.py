"""This module is what can be asked of a policy, and the records that its events hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from apps.persistence.errors import InvalidInput

from ..declared.ids import OrganizationId, PersonId, PolicyId
from ..declared.records import Record
from ..values import FreeForm, Prose, Text


class PolicyType(StrEnum):
    """What a policy is about."""

    ACCESS_CONTROL = "access_control"
    DATA_GOVERNANCE = "data_governance"
    COMPLIANCE = "compliance"
    OPERATIONAL = "operational"
    SECURITY = "security"
    APPROVAL_WORKFLOW = "approval_workflow"
    CUSTOM = "custom"


class ScopeKind(StrEnum):
    """For what a policy holds."""

    GLOBAL = "global"
    ORGANIZATION = "organization"
    CONTEXT = "context"
    RESOURCE_TYPE = "resource_type"
    ENTITIES = "entities"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScope(Record):
    """For what a policy holds; all but `global` say in the field of their kind for which."""

    kind: ScopeKind
    organization_id: OrganizationId | None = None
    context: Text | None = None
    resource_type: Text | None = None
    entities: tuple[Text, ...] | None = None
    custom: FreeForm | None = None

    def check(self) -> None:
        said = {
            ScopeKind.ORGANIZATION: ("organization_id", self.organization_id),
            ScopeKind.CONTEXT: ("context", self.context),
            ScopeKind.RESOURCE_TYPE: ("resource_type", self.resource_type),
            ScopeKind.ENTITIES: ("entities", self.entities),
            ScopeKind.CUSTOM: ("custom", self.custom),
        }
        for kind, (name, value) in said.items():
            if (value is None) == (kind is self.kind):
                raise InvalidInput(f"A scope of kind {self.kind} {'needs' if kind is self.kind else 'takes no'} {name}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMetadata(Record):
    """How a policy is called and described, and for how long it holds."""

    name: Text
    description: Prose
    tags: tuple[Text, ...] = ()
    effective_date: date | None = None
    expiration_date: date | None = None
    compliance_frameworks: tuple[Text, ...] = ()

    def check(self) -> None:
        if self.effective_date and self.expiration_date and self.expiration_date < self.effective_date:
            raise InvalidInput(f"expiration_date is {self.expiration_date}, before effective_date, which is {self.effective_date}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnactPolicy(Record):
    """A policy is drafted."""

    policy_type: PolicyType
    scope: PolicyScope
    owner_id: PersonId
    metadata: PolicyMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePolicyRules(Record):
    """The rules that take the place of those of a draft."""

    rules: FreeForm
    engine: Text
    version: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRulesRemoved(Record):
    """The version of the rules that it had."""

    version: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitPolicyForApproval(Record):
    """The draft is done; somebody decides on it."""

    submitted_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovePolicy(Record):
    """It comes into force."""

    approved_by: PersonId
    approval_details: Prose | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectPolicy(Record):
    """It is a draft again."""

    rejected_by: PersonId
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendPolicy(Record):
    """It does not hold for a time."""

    suspended_by: PersonId
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivatePolicy(Record):
    """It holds again."""

    reactivated_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersedePolicy(Record):
    """Another policy takes its place."""

    superseded_by_policy_id: PolicyId


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePolicy(Record):
    """Nothing of it will change any more."""

    archived_by: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPolicyExternalApproval(Record):
    """Somebody outside is asked to approve, too."""

    request_id: Text
    approval_type: Text
    requested_from: Text
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Record):
    """How somebody outside said yes."""

    verification_type: Text
    verification_id: Text
    verified_at: datetime
    metadata: FreeForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPolicyExternalApproval(Record):
    """The answer to a request."""

    request_id: Text
    verification: Verification
