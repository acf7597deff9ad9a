"""This module is the policy as its events make it, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, InvalidState
from apps.persistence.events import Event, State

from ..declared.changes import Change, clears, items, keeps
from ..declared.ids import PolicyId
from ..declared.kinds import AggregateKind, Asked, CommandKind, EventKind, Happened
from ..stored import inner, text
from ..values import Text
from .commands import (
    ApprovePolicy,
    ArchivePolicy,
    EnactPolicy,
    PolicyRulesRemoved,
    ReactivatePolicy,
    RecordPolicyExternalApproval,
    RejectPolicy,
    RequestPolicyExternalApproval,
    SubmitPolicyForApproval,
    SupersedePolicy,
    SuspendPolicy,
    UpdatePolicyRules,
)
from .status import POLICY_MACHINE, PolicyStatus


def _collects(name: str, *fields: str) -> Change:
    """These fields of the event become one more item of the list of that name."""

    def change(state: State, event: Event) -> State:
        item: State = {field: event.payload.get(field) for field in fields}
        more: list[Value] = [*items(state, name), item]
        return {**state, name: more}

    return change


def _received(state: State, event: Event) -> State:
    """The request is not pending any more."""
    left: list[Value] = [
        one for one in items(state, "pending_external") if isinstance(one, dict) and one["request_id"] != event.payload["request_id"]
    ]
    return {**_collects("external_approvals", "request_id", "verification", "received_at")(state, event), "pending_external": left}


ENACTED = EventKind(
    name="PolicyEnacted",
    payload=EnactPolicy,
    at="enacted_at",
    change=keeps("policy_type", "scope", "owner_id", "metadata"),
    becomes=PolicyStatus.DRAFT,
)
RULES_REMOVED = EventKind(name="PolicyRulesRemoved", payload=PolicyRulesRemoved, at="removed_at", change=clears("rules"))
RULES_SET = EventKind(
    name="PolicyRulesSet",
    payload=UpdatePolicyRules,
    at="set_at",
    change=lambda state, event: {**state, "rules": {name: event.payload[name] for name in ("rules", "engine", "version")}},
)
SUBMITTED = EventKind(
    name="PolicySubmittedForApproval",
    payload=SubmitPolicyForApproval,
    at="submitted_at",
    change=keeps("submitted_by"),
    becomes=PolicyStatus.PENDING_APPROVAL,
)
APPROVED = EventKind(
    name="PolicyApproved",
    payload=ApprovePolicy,
    at="approved_at",
    change=_collects("approvals", "approved_by", "approved_at", "approval_details"),
    becomes=PolicyStatus.ACTIVE,
)
REJECTED = EventKind(
    name="PolicyRejected",
    payload=RejectPolicy,
    at="rejected_at",
    change=_collects("rejections", "rejected_by", "rejected_at", "reason"),
    becomes=PolicyStatus.DRAFT,
)
SUSPENDED = EventKind(name="PolicySuspended", payload=SuspendPolicy, at="suspended_at", becomes=PolicyStatus.SUSPENDED)
REACTIVATED = EventKind(name="PolicyReactivated", payload=ReactivatePolicy, at="reactivated_at", becomes=PolicyStatus.ACTIVE)
SUPERSEDED = EventKind(
    name="PolicySuperseded",
    payload=SupersedePolicy,
    at="superseded_at",
    change=keeps("superseded_by_policy_id"),
    becomes=PolicyStatus.SUPERSEDED,
)
ARCHIVED = EventKind(name="PolicyArchived", payload=ArchivePolicy, at="archived_at", becomes=PolicyStatus.ARCHIVED)
EXTERNAL_REQUESTED = EventKind(
    name="PolicyExternalApprovalRequested",
    payload=RequestPolicyExternalApproval,
    at="requested_at",
    change=_collects("pending_external", "request_id", "approval_type", "requested_from", "requested_at", "expires_at"),
)
EXTERNAL_RECEIVED = EventKind(
    name="PolicyExternalApprovalReceived", payload=RecordPolicyExternalApproval, at="received_at", change=_received
)


def update_rules(state: State, command: UpdatePolicyRules, asked: Asked) -> Sequence[Happened[Any]]:
    """The rules that it has are removed, and the new ones set."""
    before = state["rules"]
    removed = [RULES_REMOVED.of(PolicyRulesRemoved(version=Text(text(inner(state, "rules"), "version"))))] if before else []
    return [*removed, RULES_SET.of(command)]


def supersede(state: State, command: SupersedePolicy, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidInput where it would take its own place."""
    if command.superseded_by_policy_id.text == asked.id:
        raise InvalidInput(f"The policy {asked.id} cannot supersede itself; give the id of another.")
    return [SUPERSEDED.of(command)]


def request_external(state: State, command: RequestPolicyExternalApproval, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for a request that was made."""
    if command.request_id.text in _pending(state):
        raise InvalidState(f"The external approval {command.request_id.text} was requested already; give another request_id.")
    return [EXTERNAL_REQUESTED.of(command)]


def record_external(state: State, command: RecordPolicyExternalApproval, asked: Asked) -> Sequence[Happened[Any]]:
    """Raises InvalidState for an answer that nobody asked for."""
    if command.request_id.text not in _pending(state):
        raise InvalidState(f"No external approval {command.request_id.text} is pending; {', '.join(_pending(state)) or 'none'} is.")
    return [EXTERNAL_RECEIVED.of(command)]


def _pending(state: State) -> list[str]:
    return [str(one["request_id"]) for one in items(state, "pending_external") if isinstance(one, dict)]


_DRAFT = frozenset({PolicyStatus.DRAFT})
_PENDING = frozenset({PolicyStatus.PENDING_APPROVAL})
_SUSPENDED = frozenset({PolicyStatus.SUSPENDED})

POLICY = AggregateKind(
    id=PolicyId,
    title="Policy",
    machine=POLICY_MACHINE,
    label=("metadata", "name"),
    empty={"rules": None, "approvals": [], "rejections": [], "pending_external": [], "external_approvals": []},
    events=(
        ENACTED, RULES_REMOVED, RULES_SET, SUBMITTED, APPROVED, REJECTED, SUSPENDED, REACTIVATED, SUPERSEDED, ARCHIVED,
        EXTERNAL_REQUESTED, EXTERNAL_RECEIVED,
    ),
    commands=(
        CommandKind(payload=EnactPolicy, causes=ENACTED, begins=True),
        CommandKind(payload=UpdatePolicyRules, decide=update_rules, only_from=_DRAFT),
        CommandKind(payload=SubmitPolicyForApproval, causes=SUBMITTED),
        CommandKind(payload=RequestPolicyExternalApproval, decide=request_external, only_from=_PENDING),
        CommandKind(payload=RecordPolicyExternalApproval, decide=record_external, only_from=_PENDING),
        CommandKind(payload=ApprovePolicy, causes=APPROVED, only_from=_PENDING),
        CommandKind(payload=RejectPolicy, causes=REJECTED),
        CommandKind(payload=SuspendPolicy, causes=SUSPENDED),
        CommandKind(payload=ReactivatePolicy, causes=REACTIVATED, only_from=_SUSPENDED),
        CommandKind(payload=SupersedePolicy, decide=supersede, leads_to=PolicyStatus.SUPERSEDED),
        CommandKind(payload=ArchivePolicy, causes=ARCHIVED),
    ),
)  # fmt: skip
