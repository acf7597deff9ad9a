"""This module is the demo's organization: people, units, places, agents, policies, documents and workflows, the same for the same seed.

Each aggregate is told whole, by the steps that made it what it is; what is stored already is not told again.
"""

from __future__ import annotations

from random import Random

from apps.persistence.encoding import Value, cid_of
from apps.persistence.events import AggregateRef

from ..declared.ids import AgentId, DocumentId, EntityId, LocationId, OrganizationId, PersonId, PolicyId, WorkflowId
from . import catalogue
from .steps import Step

PEOPLE = 40
DOCUMENTS = 16
WORKFLOWS = 20
COMPANY = OrganizationId("oak-and-sons")
HEADQUARTERS = LocationId("headquarters")
UNITS = (("sales", "Sales"), ("workshop", "Workshop"), ("logistics", "Logistics"), ("it", "Information technology"), ("people", "People"))
LEVELS = ("executive", "director", "manager", "lead", "senior", "mid", "junior", "intern")

_PLACES: tuple[tuple[str, dict[str, Value]], ...] = (
    (HEADQUARTERS.text, {"name": "Headquarters", "location_type": "physical", "coordinates": {"latitude": 53.5511, "longitude": 9.9937},
     "address": {"street1": "Harbour Street 12", "locality": "Hamburg", "region": "Hamburg", "country": "DE", "postal_code": "20095"}}),
    ("workshop-hall", {"name": "Workshop hall", "location_type": "physical", "parent_id": HEADQUARTERS.text,
     "coordinates": {"latitude": 53.5498, "longitude": 9.9921}}),
    ("warehouse", {"name": "Warehouse", "location_type": "physical", "metadata": {"gates": "four"},
     "address": {"street1": "Station Road 7", "locality": "Lübeck", "region": "Holstein", "country": "DE", "postal_code": "23552"}}),
    ("morning-round", {"name": "Morning round", "location_type": "virtual",
     "virtual_location": {"platform": "Meet", "platform_id": "oak-0815", "url": "https://meet.example.org/oak-0815"}}),
    ("northern-region", {"name": "Northern region", "location_type": "logical"}),
)  # fmt: skip
_AGENTS = (
    ("letter-clerk", "ai", "Letter clerk", "Answers letters of customers.", ("read-mail", "write-mail"), "active"),
    ("stock-counter", "system", "Stock counter", "Counts what lies in the warehouse.", ("count-stock",), "active"),
    ("price-watch", "ai", "Price watch", "Compares prices of others.", ("read-web",), "suspended"),
    ("night-guard", "external", "Night guard", "Looks after the halls at night.", ("open-gates",), "offline"),
    ("old-fax", "system", "Fax machine", "Received orders by fax.", ("receive-fax",), "decommissioned"),
    ("route-planner", "ai", "Route planner", "Plans the ways of the vans.", ("read-map", "plan-routes"), "initializing"),
)
_POLICIES = (
    ("keys", "security", "Who holds which key", "active"),
    ("returns", "operational", "How returned goods are taken back", "active"),
    ("customer-letters", "data_governance", "For how long letters are kept", "pending_approval"),
    ("discounts", "approval_workflow", "Who may give which discount", "active"),
    ("fire", "compliance", "What is done when it burns", "suspended"),
    ("fax", "operational", "How faxes are filed", "superseded"),
    ("travel", "custom", "Who travels how", "draft"),
)
_TITLES = (
    "Handbook of saws",
    "Price list",
    "Floor plan",
    "Safety at the workbench",
    "Contract of carriage",
    "Care of oak",
    "Letter to customers",
)
_STATUSES = ("draft", "under_review", "approved", "published", "published", "published", "archived", "marked_for_deletion")


def company_aggregates(seed: int) -> list[list[Step]]:
    """Every aggregate of the organization as the steps that made it, those that others refer to first."""
    rng = Random(f"{seed}:company")
    told = [*_places(), *_units(), *(person(rng, number) for number in range(1, PEOPLE + 1)), *_agents(rng), *_policies(rng)]
    told += [_document(rng, number) for number in range(1, DOCUMENTS + 1)]
    return told + [_workflow(rng, number) for number in range(1, WORKFLOWS + 1)]


def person_id(number: int) -> PersonId:
    """The id of a demo person, from number 1."""
    return PersonId(f"p-{number:04}")


def registration(number: int, id: PersonId) -> Step:
    """A person becomes known."""
    given, family = catalogue.name_of(number)
    email = f"{given}.{family}@oak.example.org".lower()
    contact: dict[str, Value] = {
        "emails": [{"email": email, "email_type": "work", "is_primary": True, "is_verified": True}],
        "phones": [{"number": f"+4940{1_000_000 + number}", "phone_type": "work", "is_primary": True, "sms_capable": False}],
        "addresses": [],
    }
    payload: dict[str, Value] = {"identity": {"legal_name": f"{given} {family}"}, "contact": contact, "location_id": HEADQUARTERS.text}
    return _step(id, "register", payload)


def person(rng: Random, number: int) -> list[Step]:
    """A person from their registration to where they stand: most are active, the newest are not verified yet."""
    id, boss = person_id(number), person_id(1).text
    steps = [registration(number, id)]
    if number > PEOPLE - 3:
        return steps
    steps.append(_step(id, "start_verification", {"method": "video call"}))
    if number > PEOPLE - 5:
        return steps
    steps += [
        _step(id, "complete_verification", {"verification_id": f"v-{number:04}"}),
        _step(id, "update_profile", {"components": _employed(rng, number)}),
        _step(id, "activate", {"activated_by": boss}),
    ]
    if number % 13 == 0:
        steps.append(_step(id, "suspend", {"reason": "on leave", "suspended_by": boss}))
    if number % 17 == 0:
        steps.append(_step(id, "deactivate", {"reason": "left the company"}))
    return steps


def upload(rng: Random, id: DocumentId, number: int) -> Step:
    """A document comes to be."""
    title, owner = f"{_TITLES[number % len(_TITLES)]} {number}", person_id(rng.randint(1, 30)).text
    info: dict[str, Value] = {
        "title": title,
        "mime_type": "text/markdown",
        "filename": f"document-{number}.md",
        "size_bytes": rng.randint(900, 90_000),
    }
    cid = str(cid_of(title.encode()))
    return _step(id, "upload", {"info": info, "content_cid": cid, "is_chunked": False, "uploaded_by": owner})


def _employed(rng: Random, number: int) -> dict[str, Value]:
    unit, title = _unit_of(number)
    since = f"20{10 + number % 16}-03-01"
    level = LEVELS[min(number // 5, len(LEVELS) - 1)]
    return {
        "employment": {
            "organization_id": unit, "employee_id": f"{number:04}", "title": title, "status": "full time", "start_date": since,
        },
        "position": {"position_id": f"pos-{number:04}", "title": title, "level": level, "start_date": since},
        "access": {"roles": [title.casefold().replace(" ", "-")], "access_level": rng.choice(("standard", "elevated"))},
    }  # fmt: skip


def _unit_of(number: int) -> tuple[str, str]:
    """The unit in which a person works, and what they do there."""
    unit, name = UNITS[number % len(UNITS)]
    return f"oak-{unit}", f"{name.split()[0]} {'lead' if number <= len(UNITS) else 'clerk'}"


def _places() -> list[list[Step]]:
    return [[_step(LocationId(name), "define", payload)] for name, payload in _PLACES]


def _units() -> list[list[Step]]:
    """The company and its units, with those who work there; who was first leads the others."""
    units: list[Value] = [f"oak-{unit}" for unit, _ in UNITS]
    whole = [
        _step(COMPANY, "create", {"name": "Oak and Sons", "org_type": "company", "primary_location_id": HEADQUARTERS.text}),
        _step(COMPANY, "update_structure", {"add_child_units": units}),
        _step(COMPANY, "assign_locations", {"add_locations": ["workshop-hall", "warehouse"]}),
    ]
    return [whole, *(_unit(OrganizationId(f"oak-{unit}"), name) for unit, name in UNITS)]


def _unit(id: OrganizationId, name: str) -> list[Step]:
    created: dict[str, Value] = {
        "name": name,
        "org_type": "department",
        "parent_id": COMPANY.text,
        "primary_location_id": HEADQUARTERS.text,
    }
    steps, lead = [_step(id, "create", created)], ""
    for number in range(1, PEOPLE - 4):
        unit, title = _unit_of(number)
        if unit == id.text:
            role: dict[str, Value] = {"role_id": f"r-{number:04}", "title": title, "level": "senior" if lead else "lead"}
            reports: dict[str, Value] = {"reports_to": lead} if lead else {}
            steps.append(_step(id, "add_member", {"person_id": person_id(number).text, "role": role, **reports}))
            lead = lead or person_id(number).text
    return steps


def _agents(rng: Random) -> list[list[Step]]:
    return [_agent(rng, AgentId(id), kind, name, about, can, status) for id, kind, name, about, can, status in _AGENTS]


def _agent(rng: Random, id: AgentId, kind: str, name: str, about: str, can: tuple[str, ...], status: str) -> list[Step]:
    tool: dict[str, Value] = {"name": can[0], "description": f"Lets it {can[0].replace('-', ' ')}.", "version": "1.2"}
    deploy: dict[str, Value] = {
        "agent_type": kind,
        "owner_id": person_id(rng.randint(1, 20)).text,
        "metadata": {"name": name, "description": about},
    }
    endings: dict[str, list[tuple[str, dict[str, Value]]]] = {
        "suspended": [("suspend", {"reason": "under review"})],
        "offline": [("set_offline", {})],
        "decommissioned": [("decommission", {})],
    }
    steps = [_step(id, "deploy", deploy), _step(id, "update_capabilities", {"add_capabilities": list[Value](can)})]
    if status == "initializing":
        return steps
    steps += [_step(id, "grant_permissions", {"permissions": ["orders.read"]}), _step(id, "enable_tools", {"tools": [tool]})]
    steps += [_step(id, "update_configuration", {"config": {"patience": rng.randint(1, 9)}, "version": "1"}), _step(id, "activate", {})]
    return steps + [_step(id, ending, payload) for ending, payload in endings.get(status, [])]


def _policies(rng: Random) -> list[list[Step]]:
    return [_policy(rng, PolicyId(id), kind, name, status) for id, kind, name, status in _POLICIES]


def _policy(rng: Random, id: PolicyId, kind: str, name: str, status: str) -> list[Step]:
    owner, approver = person_id(rng.randint(1, 10)).text, person_id(1).text
    scope: dict[str, Value] = {"kind": "organization", "organization_id": COMPANY.text}
    enacted: dict[str, Value] = {
        "policy_type": kind,
        "scope": scope,
        "owner_id": owner,
        "metadata": {"name": name, "description": f"{name}."},
    }
    steps = [_step(id, "enact", enacted), _step(id, "update_rules", {"rules": {"asks": approver}, "engine": "plain", "version": "1"})]
    ways: dict[str, list[tuple[str, dict[str, Value]]]] = {
        "draft": [],
        "pending_approval": [("submit_for_approval", {"submitted_by": owner})],
        "active": [("submit_for_approval", {"submitted_by": owner}), ("approve", {"approved_by": approver})],
    }
    ways["suspended"] = [*ways["active"], ("suspend", {"suspended_by": approver, "reason": "the law has changed"})]
    ways["superseded"] = [*ways["active"], ("supersede", {"superseded_by_policy_id": "customer-letters"})]
    return steps + [_step(id, way, payload) for way, payload in ways[status]]


def _document(rng: Random, number: int) -> list[Step]:
    id, by = DocumentId(f"d-{number:04}"), person_id(rng.randint(1, 30)).text
    classification: dict[str, Value] = {
        "document_type": "manual", "category": "work", "tags": [rng.choice(("oak", "saws", "prices"))],
        "confidentiality": rng.choice(("public", "internal", "confidential")),
    }  # fmt: skip
    steps = [upload(rng, id, number), _step(id, "classify", {"classification": classification, "classified_by": by})]
    steps.append(_step(id, "assign_ownership", {"ownership": {"owner_id": by, "authors": [by]}}))
    if number > 1:
        relation: dict[str, Value] = {"related_document_id": f"d-{number - 1:04}", "relation_type": "references", "added_by": by}
        steps.append(_step(id, "add_relationship", relation))
    return steps + [_step(id, "set_status", {"new_status": status, "set_by": by}) for status in way_to(_STATUSES[number % len(_STATUSES)])]


def way_to(status: str) -> tuple[str, ...]:
    """The statuses through which a draft comes to this one."""
    straight = ("under_review", "approved", "published", "archived")
    if status in straight:
        return straight[: straight.index(status) + 1]
    return (status,) if status == "marked_for_deletion" else ()


def _workflow(rng: Random, number: int) -> list[Step]:
    id, kind = WorkflowId(f"w-{number:04}"), ("onboarding", "document-approval", "reading-notice")[number % 3]
    inputs: dict[str, tuple[str, ...]] = {
        "onboarding": ("sign_contract", "hand_out_equipment", "introduce", "finish_probation"),
        "document-approval": ("request_review", "ask_for_changes", "request_review", "approve"),
        "reading-notice": ("read",),
    }
    context: dict[str, Value] = {"person": person_id(number).text, "equipment": "a workbench", "reviewer": person_id(1).text}
    steps = [_step(id, "start", {"definition_id": kind, "initial_context": context})]
    taken = inputs[kind][: rng.randint(0, len(inputs[kind]))]
    steps += [_step(id, "execute_transition", {"input": {"name": name}}) for name in taken]
    ending = rng.random() if len(taken) < len(inputs[kind]) else 1.0
    if ending < 0.15:
        steps.append(_step(id, "suspend", {"reason": "waits for a signature"}))
    elif ending < 0.3:
        steps.append(_step(id, "fail", {"error": "The form was lost."}))
    elif ending < 0.4:
        steps.append(_step(id, "cancel", {"reason": "not needed any more", "force": False}))
    return steps


def _step(id: EntityId, name: str, payload: dict[str, Value]) -> Step:
    return Step(AggregateRef(id.context, id.type, id.text), name, payload)
