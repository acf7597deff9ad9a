"""What organizations, agents, places, policies, documents and workflows decide: what each command causes, and what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest

from apps.domain.agent import AGENT
from apps.domain.declared.kinds import AggregateKind
from apps.domain.document import DOCUMENT
from apps.domain.location import LOCATION, Coordinates, PostalAddress, distance_in_metres
from apps.domain.organization import ORGANIZATION
from apps.domain.policy import POLICY
from apps.domain.values import Text
from apps.domain.workflow import DEFINITIONS, WORKFLOW, compose, identity
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from tests.domain.samples import A_CID, after, ask

Asked = tuple[str, dict[str, Any]]

ROLE = {"role_id": "r-1", "title": "Joiner", "level": "senior"}
LEAD = {"role_id": "r-2", "title": "Lead of joinery", "level": "lead"}
CREATE: Asked = ("create", {"name": "Joinery", "org_type": "department", "parent_id": "org-0"})
ADA: Asked = ("add_member", {"person_id": "p-1", "role": ROLE})
BRUNO: Asked = ("add_member", {"person_id": "p-2", "role": ROLE, "reports_to": "p-1"})
PLACES: Asked = ("assign_locations", {"add_locations": ["l-1", "l-2"]})
DEPLOY: Asked = ("deploy", {"agent_type": "ai", "owner_id": "p-1", "metadata": {"name": "Clerk", "description": "Answers letters."}})
TOOL = {"name": "mail", "description": "Sends letters.", "version": "1"}
HALL: Asked = ("define", {"name": "Hall", "location_type": "logical", "parent_id": "l-0"})
ENACT: Asked = (
    "enact",
    {
        "policy_type": "security",
        "scope": {"kind": "organization", "organization_id": "org-1"},
        "owner_id": "p-1",
        "metadata": {"name": "Keys", "description": "Who has them."},
    },
)
RULES: Asked = ("update_rules", {"rules": {"keys": 2}, "engine": "plain", "version": "1"})
SUBMIT: Asked = ("submit_for_approval", {"submitted_by": "p-1"})
REQUEST: Asked = ("request_external_approval", {"request_id": "x-1", "approval_type": "audit", "requested_from": "Auditors"})
INFO = {"title": "Handbook", "mime_type": "text/markdown", "size_bytes": 1200}
UPLOAD: Asked = ("upload", {"info": INFO, "content_cid": str(A_CID), "is_chunked": False, "uploaded_by": "p-1"})
RELATE: Asked = ("add_relationship", {"related_document_id": "d-2", "relation_type": "references", "added_by": "p-1"})
ONBOARD: Asked = ("start", {"definition_id": "onboarding", "initial_context": {"person": "p-9"}})
SIGN: Asked = ("execute_transition", {"input": {"name": "sign_contract"}})


def types(kind: AggregateKind, given: list[Asked], asked: Asked) -> list[str]:
    return [event.type for event in ask(kind, after(kind, *given), *asked)]


@pytest.mark.parametrize(
    ("kind", "given", "asked", "caused"),
    [
        (ORGANIZATION, [CREATE], ADA, ["member_added"]),
        (ORGANIZATION, [CREATE, ADA], ("update_member_role", {"person_id": "p-1", "new_role": LEAD}),
         ["member_role_removed", "member_role_assigned"]),
        (ORGANIZATION, [CREATE, ADA], ("update_member_role", {"person_id": "p-1", "new_role": ROLE}), []),
        (ORGANIZATION, [CREATE], ("update_structure", {"parent_id": "org-9", "add_child_units": ["org-2"]}),
         ["parent_removed", "parent_set", "child_units_added"]),
        (ORGANIZATION, [CREATE], PLACES, ["locations_added", "primary_location_set"]),
        (ORGANIZATION, [CREATE, PLACES], ("assign_locations", {"remove_locations": ["l-1"]}),
         ["primary_location_removed", "locations_removed"]),
        (ORGANIZATION, [CREATE, PLACES], ("assign_locations", {"primary_location_id": "l-2"}),
         ["primary_location_removed", "primary_location_set"]),
        (AGENT, [DEPLOY], ("update_capabilities", {"add_capabilities": ["read"], "remove_capabilities": ["fly"]}), ["capabilities_added"]),
        (AGENT, [DEPLOY], ("update_configuration", {"config": {"temperature": 0}, "version": "1"}), ["configuration_set"]),
        (AGENT, [DEPLOY, ("update_configuration", {"config": {"a": 1}, "version": "1"})],
         ("update_configuration", {"config": {"a": 2}, "version": "2"}), ["configuration_removed", "configuration_set"]),
        (LOCATION, [HALL], ("set_parent", {"parent_id": "l-9"}), ["parent_removed", "parent_set"]),
        (LOCATION, [HALL], ("set_parent", {"parent_id": "l-0"}), []),
        (POLICY, [ENACT, RULES], ("update_rules", {"rules": {"keys": 3}, "engine": "plain", "version": "2"}), ["rules_removed",
         "rules_set"]),
        (POLICY, [ENACT, SUBMIT], ("reject", {"rejected_by": "p-2", "reason": "too long"}), ["rejected"]),
        (WORKFLOW, [], ONBOARD, ["started", "context_set"]),
        (WORKFLOW, [ONBOARD], SIGN, ["transition_executed", "transitioned"]),
        (WORKFLOW, [("start", {"definition_id": "reading-notice"})], ("execute_transition", {"input": {"name": "read"}}),
         ["transition_executed", "transitioned", "completed"]),
    ],
)  # fmt: skip
def test_command_causes_these_events(kind: AggregateKind, given: list[Asked], asked: Asked, caused: list[str]) -> None:
    assert types(kind, given, asked) == caused


@pytest.mark.parametrize(
    ("kind", "given", "asked", "reason"),
    [
        (ORGANIZATION, [], ("create", {"name": "Joinery", "org_type": "department", "parent_id": "x-1"}), "x-1 cannot belong to itself"),
        (ORGANIZATION, [], ("create", {"name": "Joinery", "org_type": "club"}), "org_type is 'club'; it must be one of company, division"),
        (ORGANIZATION, [CREATE, ADA], ADA, "p-1 is a member already"),
        (ORGANIZATION, [CREATE], BRUNO, "p-1 is no member of this organization; add them first"),
        (ORGANIZATION, [CREATE], ("add_member", {"person_id": "p-1", "role": ROLE, "reports_to": "p-1"}),
         "p-1 cannot report to themselves"),
        (ORGANIZATION, [CREATE], ("remove_member", {"person_id": "p-1"}), "p-1 is no member of this organization."),
        (ORGANIZATION, [CREATE], ("update_structure", {"add_child_units": ["org-0"]}), "org-0 cannot be the parent and a child unit"),
        (ORGANIZATION, [CREATE], ("assign_locations", {"primary_location_id": "l-9"}), "l-9 is no location of this organization"),
        (ORGANIZATION, [CREATE], ("change_status", {"new_status": "active"}), "is active and cannot become active"),
        (ORGANIZATION, [CREATE], ("add_member", {"person_id": "agents.agent.a-1", "role": ROLE}),
         "is the id of an agent; give the id of a person"),
        (AGENT, [DEPLOY], ("suspend", {"reason": "noise"}),
         "The agent is initializing and cannot become suspended; it can only become active."),
        (AGENT, [DEPLOY], ("decommission", {}), "The agent is initializing and cannot become decommissioned"),
        (AGENT, [DEPLOY], ("disable_tools", {"tool_names": ["mail"]}), "The agent has no tool mail; it has none."),
        (AGENT, [DEPLOY], ("update_capabilities", {"add_capabilities": ["read"], "remove_capabilities": ["read"]}),
         "read is to be added and"),
        (LOCATION, [], ("define", {"name": "Hall", "location_type": "physical"}), "A physical location needs an address or coordinates"),
        (LOCATION, [], ("define", {"name": "Room", "location_type": "virtual"}), "A virtual location needs virtual_location"),
        (LOCATION, [], ("define", {"name": "Room", "location_type": "virtual", "coordinates": {"latitude": 1, "longitude": 1},
                                   "virtual_location": {"platform": "Meet", "platform_id": "7"}}), "has no address and no coordinates"),
        (LOCATION, [], ("define", {"name": "Pole", "location_type": "physical", "coordinates": {"latitude": 91, "longitude": 0}}),
         "The latitude 91 lies off the earth"),
        (LOCATION, [], ("define", {"name": "Hall", "location_type": "logical", "parent_id": "x-1"}), "x-1 cannot lie in itself"),
        (POLICY, [], ("enact", {**ENACT[1], "scope": {"kind": "context"}}), "A scope of kind context needs context."),
        (POLICY, [], ("enact", {**ENACT[1], "scope": {"kind": "global", "context": "sales"}}), "A scope of kind global takes no context."),
        (POLICY, [ENACT], ("approve", {"approved_by": "p-1"}), "The policy is draft; approve is for one that is pending_approval."),
        (POLICY, [ENACT, SUBMIT], RULES, "update_rules is for one that is draft"),
        (POLICY, [ENACT, SUBMIT, REQUEST], REQUEST, "x-1 was requested already"),
        (DOCUMENT, [], ("upload", {**UPLOAD[1], "is_chunked": True}), "is_chunked is True with 0 chunk_cids"),
        (DOCUMENT, [], ("upload", {**UPLOAD[1], "info": {**INFO, "mime_type": "markdown"}}), "'markdown' is no MIME type"),
        (DOCUMENT, [], ("upload", {**UPLOAD[1], "content_cid": "Qm123"}), "content_cid: "),
        (DOCUMENT, [UPLOAD], ("create_version", {"new_version_id": "v3", "version_number": 3, "new_content_cid": str(A_CID),
         "created_by": "p-1"}),
         "The document is at version 1; the next is 2, not 3."),
        (DOCUMENT, [UPLOAD, RELATE], RELATE, "is related to d-2 already"),
        (DOCUMENT, [UPLOAD], ("set_status", {"new_status": "published", "set_by": "p-1"}), "is draft and cannot become published"),
        (WORKFLOW, [], ("start", {"definition_id": "nothing"}), "No workflow 'nothing' is defined; there are reading-notice"),
        (WORKFLOW, [ONBOARD], ("execute_transition", {"input": {"name": "introduce"}}), "stands at Start and does not take 'introduce'"),
        (WORKFLOW, [ONBOARD, SIGN], ("execute_transition", {"input": {"name": "hand_out_equipment"}}),
         "refused: the context lacks equipment."),
        (WORKFLOW, [ONBOARD, ("fail", {"error": "no desk"})], ("cancel", {"reason": "given up", "force": False}), "cancel it with force"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_the_reason(kind: AggregateKind, given: list[Asked], asked: Asked, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(kind, after(kind, *given), *asked)

    assert reason in str(refused.value)


def test_nobody_reports_to_a_member_who_left() -> None:
    state = after(ORGANIZATION, CREATE, ADA, BRUNO, ("remove_member", {"person_id": "p-1"}))

    members: Any = state["members"]
    assert [(member["person_id"], member["reports_to"]) for member in members] == [("p-2", None)]


def test_tool_that_is_disabled_stays_on_the_list() -> None:
    state: Any = after(AGENT, DEPLOY, ("enable_tools", {"tools": [TOOL]}), ("disable_tools", {"tool_names": ["mail"]}))

    assert state["tools"] == {"mail": {**TOOL, "enabled": False}}


def test_external_approval_is_pending_until_its_answer_is_recorded() -> None:
    answer = {"verification_type": "signature", "verification_id": "s-1", "verified_at": "2026-11-21T10:00:00.000000Z"}
    state: Any = after(POLICY, ENACT, SUBMIT, REQUEST, ("record_external_approval", {"request_id": "x-1", "verification": answer}))

    assert (state["pending_external"], [one["request_id"] for one in state["external_approvals"]]) == ([], ["x-1"])


def test_workflow_gathers_its_context_and_history_and_ends_with_its_duration() -> None:
    equipment: Value = {"equipment": "a plane"}
    state: Any = after(
        WORKFLOW,
        ONBOARD,
        SIGN,
        ("execute_transition", {"input": {"name": "hand_out_equipment"}, "context_updates": equipment}),
        ("execute_transition", {"input": {"name": "introduce"}}),
        ("execute_transition", {"input": {"name": "finish_probation"}}),
    )

    assert (state["status"], state["current_state"], state["context"]) == ("completed", "Done", {"person": "p-9", "equipment": "a plane"})
    assert [(one["from_state"], one["to_state"]) for one in state["history"]][:2] == [
        ("Start", "ContractSigned"),
        ("ContractSigned", "EquipmentReady"),
    ]
    assert state["total_duration"] >= 0


def test_transitions_compose_where_one_ends_and_the_other_begins() -> None:
    sign, hand_out, *_ = DEFINITIONS["onboarding"].transitions

    assert compose(sign, hand_out).id == "ContractSigned->EquipmentReady∘Start->ContractSigned"
    assert identity("Start").id == "id_Start"
    with pytest.raises(InvalidInput, match="they cannot be composed"):
        compose(hand_out, sign)


def test_way_between_two_places_goes_over_the_round_earth() -> None:
    hamburg, zurich = Coordinates(latitude=53.5511, longitude=9.9937), Coordinates(latitude=47.3769, longitude=8.5417)

    assert round(distance_in_metres(hamburg, zurich) / 1000) == 694
    assert round(distance_in_metres(Coordinates(latitude=0, longitude=0), Coordinates(latitude=90, longitude=0))) == 10_007_543


def test_address_is_said_in_one_line() -> None:
    address = PostalAddress(
        street1=Text("Mill Lane 4"), locality=Text("Hamburg"), region=Text("Hamburg"), country=Text("DE"), postal_code=Text("20095")
    )

    assert address.in_one_line() == "Mill Lane 4, 20095 Hamburg, Hamburg, DE"
