"""The read model of the organization and its queries: purely, in memory, and once by the runner on a real server."""

from __future__ import annotations

from typing import Any

import pytest

from apps.domain.agent import AgentStatus
from apps.domain.company import KINDS
from apps.domain.cqrs import new_query, read_payload
from apps.domain.declared.ids import OrganizationId, PersonId
from apps.domain.location import LocationType
from apps.domain.policy import PolicyType, ScopeKind
from apps.domain.views import (
    COMPANY_QUERIES,
    ORGANIZATION_VIEWS,
    find_active_policies,
    find_agents_by_capability,
    find_locations_by_type,
    find_people_by_organization,
    find_workflows_by_status,
    get_organization_hierarchy,
    get_person_by_id,
    search_documents,
    workflow_figures,
)
from apps.domain.views.fields import VIEWS
from apps.domain.views.queries import FindLocationsByType, GetOrganizationHierarchy, GetPersonById
from apps.domain.workflow import WorkflowStatus
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, NewEvent, State, StoredEvent, fold
from apps.persistence.projections.definition import Model
from apps.persistence.projections.runner import Orders, run_projection
from apps.persistence.read_models import MemoryReadModelStore, ReadModels, ReadModelStore
from apps.persistence.store import EVENTS, append, ensure_home, get_stream, head_of, open_store
from apps.persistence.store.embedded import EmbeddedServer
from tests.domain.given import event, stored
from tests.domain.samples import A_CID, ask, payloads

EMPLOYED = {"organization_id": "org-2", "employee_id": "7", "title": "Joiner", "status": "full time", "start_date": "2026-01-01"}
ROLE = {"role_id": "r-1", "title": "Joiner", "level": "senior"}
Asked = tuple[str, dict[str, Any]]

COMPANY: dict[str, list[Asked]] = {
    "location.l-1": [("define", {"name": "Hall", "location_type": "physical", "coordinates": {"latitude": 53.5, "longitude": 10}})],
    "location.l-2": [
        ("define", {"name": "Standup", "location_type": "virtual", "virtual_location": {"platform": "Meet", "platform_id": "7"}}),
    ],
    "organization.org-1": [
        ("create", {"name": "Oak and Sons", "org_type": "company", "primary_location_id": "l-1"}),
        ("update_structure", {"add_child_units": ["org-2"]}),
    ],
    "organization.org-2": [
        ("create", {"name": "Joinery", "org_type": "department", "parent_id": "org-1"}),
        ("add_member", {"person_id": "p-1", "role": ROLE}),
        ("update_structure", {"add_child_units": ["org-3"]}),
    ],
    "organization.org-3": [("create", {"name": "Saws", "org_type": "team", "parent_id": "org-2"})],
    "person.p-1": [
        ("register", {"identity": {"legal_name": "Ada Abel"}, "contact": {"emails": [{"email": "ada@example.org", "email_type": "work"}]},
                      "location_id": "l-1"}),
        ("update_profile", {"components": {"employment": EMPLOYED, "access": {"roles": ["joiner"]}}}),
    ],
    "person.p-2": [("register", {"identity": {"legal_name": "Bruno Brandt"}})],
    "agent.a-1": [
        ("deploy", {"agent_type": "ai", "owner_id": "p-1", "metadata": {"name": "Clerk", "description": "Answers letters."}}),
        ("update_capabilities", {"add_capabilities": ["read", "write"]}),
        ("activate", {}),
    ],
    "policy.pol-1": [
        ("enact", {"policy_type": "security", "scope": {"kind": "global"}, "owner_id": "p-1",
                   "metadata": {"name": "Keys", "description": "Who has them."}}),
        ("submit_for_approval", {"submitted_by": "p-1"}),
        ("approve", {"approved_by": "p-2"}),
    ],
    "document.d-1": [
        ("upload", {"info": {"title": "Handbook of saws", "mime_type": "text/markdown", "size_bytes": 1200}, "content_cid": str(A_CID),
                    "is_chunked": False, "uploaded_by": "p-1"}),
        ("classify", {"classification": {"document_type": "manual", "category": "safety", "tags": ["saws"], "confidentiality": "internal"},
                      "classified_by": "p-1"}),
    ],
    "workflow.w-1": [("start", {"definition_id": "reading-notice"}), ("execute_transition", {"input": {"name": "read"}})],
    "workflow.w-2": [("start", {"definition_id": "onboarding"})],
}  # fmt: skip


def decided(name: str, asked: list[Asked]) -> tuple[AggregateRef, list[NewEvent]]:
    """What the commands to one aggregate cause, one upon the other."""
    type_, _, entity = name.partition(".")
    kind, _ = VIEWS[type_]
    ref, state, events = AggregateRef(kind.id.context, type_, entity), State(), list[NewEvent]()
    for command, payload in asked:
        for new in ask(kind, state, command, payload, id=entity):
            events.append(new)
            happened = event(new.type, new.payload, of=str(ref), version=len(events))
            state = fold(kind.definition(), [happened], onto=state)
    return ref, events


def all_stored() -> list[StoredEvent]:
    """Every event of the company."""
    return [stored(new.type, new.payload, of=str(ref)) for ref, events in (decided(*one) for one in COMPANY.items()) for new in events]


PERSON_KEY = ("people", "person")


async def company() -> MemoryReadModelStore:
    """The models of the company, as the runner would have made them."""
    store, models = MemoryReadModelStore(), dict[str, Model | None]()
    for one in all_stored():
        (key,) = ORGANIZATION_VIEWS.keys(one)
        models.update(ORGANIZATION_VIEWS.apply(one, {key: models.get(key)}))
    for key, model in models.items():
        assert model is not None
        await store.save(*key.split(".", 1), model)  # type: ignore[misc]
    return store


async def test_person_is_seen_with_the_names_of_place_and_organization() -> None:
    view = await get_person_by_id(await company(), PersonId("p-1"))

    assert view is not None
    assert (view.legal_name, view.email, view.roles, view.status) == ("Ada Abel", "ada@example.org", ("joiner",), "registered")
    assert (view.location_name, view.organization_name) == ("Hall", "Joinery")
    assert await get_person_by_id(await company(), PersonId("p-9")) is None


async def test_people_are_found_by_their_organization() -> None:
    found = await find_people_by_organization(await company(), OrganizationId("org-2"))

    assert [view.person_id for view in found] == [PersonId("p-1")]


async def test_hierarchy_has_the_units_below_as_far_as_was_asked() -> None:
    whole = await get_organization_hierarchy(await company(), OrganizationId("org-1"))
    cut = await get_organization_hierarchy(await company(), OrganizationId("org-1"), depth=1)

    assert whole is not None
    (joinery,) = whole.units
    assert (joinery.organization.name, joinery.organization.parent_name) == ("Joinery", "Oak and Sons")
    assert [below.organization.name for below in joinery.units] == ["Saws"]
    assert cut is not None
    assert [(node.organization.member_count, node.units, node.is_cut) for node in cut.units] == [(1, (), True)]


async def test_hierarchy_that_leads_into_itself_is_cut_off() -> None:
    store = await company()
    looped = await store.load("organization", "org-3")
    assert looped is not None
    await store.save("organization", "org-3", {**looped.model, "child_units": ["org-1"]})

    whole = await get_organization_hierarchy(store, OrganizationId("org-1"))

    assert whole is not None
    assert (whole.units[0].units[0].units, whole.units[0].units[0].is_cut) == ((), True)


async def test_places_policies_documents_agents_and_workflows_are_found_by_what_they_are() -> None:
    models = await company()

    assert ids(await find_locations_by_type(models, LocationType.VIRTUAL)) == ["l-2"]
    assert ids(await find_active_policies(models, scope=ScopeKind.GLOBAL, policy_type=PolicyType.SECURITY)) == ["pol-1"]
    assert ids(await find_active_policies(models, policy_type=PolicyType.COMPLIANCE)) == []
    assert ids(await search_documents(models, "SAWS hand", tags=["saws"], mime_types=["text/markdown"])) == ["d-1"]
    assert ids(await search_documents(models, "planes")) == []
    assert ids(await find_agents_by_capability(models, "write", status=AgentStatus.ACTIVE)) == ["a-1"]
    assert ids(await find_agents_by_capability(models, "write", status=AgentStatus.OFFLINE)) == []
    assert ids(await find_workflows_by_status(models, WorkflowStatus.COMPLETED)) == ["w-1"]


async def test_workflows_are_counted_and_timed() -> None:
    figures = await workflow_figures(await company())

    assert figures.count_by_status == {"completed": 1, "active": 1}
    assert figures.average_completion_seconds is not None
    assert (await workflow_figures(await company(), definition_id="onboarding")).average_completion_seconds is None


def ids(found: list[Model]) -> list[Value]:
    return [model["id"] for model in found]


async def test_runner_makes_the_models_on_a_server_and_queries_read_them_there(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        for name, asked in COMPANY.items():
            ref, events = decided(name, asked)
            await append(store, await head_of(store, ref), events)
        last = (await get_stream(store.connection, EVENTS.stream)).last_sequence

        await run_projection(store, ORGANIZATION_VIEWS, 1, Orders(until=last))

        models: ReadModels = ReadModelStore(connection=store.connection, bucket="cim-organization-1")
        view = await get_person_by_id(models, PersonId("p-1"))
        counts = {kind.id.type: (await models.list(kind.id.type)).total_count for kind in KINDS}
        workflows = await workflow_figures(models)
        answered: Any = await COMPANY_QUERIES["people", "person"].answer(
            store, new_query(GetPersonById(person_id=PersonId("p-1")), PERSON_KEY, actor="ada")
        )
        tree: Any = await COMPANY_QUERIES["organizations", "organization"].answer(
            store,
            new_query(GetOrganizationHierarchy(organization_id=OrganizationId("org-1")), ("organizations", "organization"), actor="ada"),
        )
    assert view is not None
    assert (view.organization_name, workflows.count_by_status["completed"]) == ("Joinery", 1)
    assert (answered["legal_name"], answered["location_name"]) == ("Ada Abel", "Hall")
    assert tree["units"][0]["units"][0]["organization"]["name"] == "Saws"
    assert counts == {"person": 2, "organization": 3, "agent": 1, "location": 2, "policy": 1, "document": 1, "workflow": 2}


def test_forms_read_every_command_as_it_is_declared() -> None:
    for kind in KINDS:
        commands = kind.command_set(kind.definition())
        for declared in commands.commands:
            assert declared.shape.help
            payload: Any = {**next(payloads(declared.type)), **({"content_cid": A_CID} if declared.name == "upload" else {})}
            payload = {**payload, **({"new_content_cid": A_CID} if declared.name == "create_version" else {})}
            assert isinstance(read_payload(declared.type, payload), declared.type)


def test_eight_queries_are_declared_by_their_names_of_the_reference() -> None:
    names = [one.type.__name__ for asked in COMPANY_QUERIES.values() for one in asked.queries]

    assert sorted(names) == [
        "FindActivePolicies",
        "FindAgentsByCapability",
        "FindLocationsByType",
        "FindPeopleByOrganization",
        "FindWorkflowsByStatus",
        "GetOrganizationHierarchy",
        "GetPersonById",
        "SearchDocuments",
    ]
    with pytest.raises(InvalidInput, match="501 answers cannot be given; ask for 1 to 500"):
        FindLocationsByType(location_type=LocationType.VIRTUAL, limit=501)
