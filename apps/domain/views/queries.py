"""This module is the queries over the organization as they are asked: each by its parameters, answered from the read model that serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.projections import serving_bucket
from apps.persistence.read_models import Model, ReadModels, ReadModelStore
from apps.persistence.store import Store

from ..agent import AgentStatus
from ..cqrs import QuerySet, query
from ..declared.ids import EntityId, OrganizationId, PersonId
from ..declared.kinds import AggregateKind
from ..declared.records import Record, write
from ..location import LocationType
from ..policy import PolicyType, ScopeKind
from ..workflow import WorkflowStatus
from . import people, things
from .directory import ORGANIZATION_VIEWS
from .fields import VIEWS

MOST = 500
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Several(Record):
    """A query with many answers, of which `limit` are given."""

    limit: int = 100

    def check(self) -> None:
        if not 1 <= self.limit <= MOST:
            raise InvalidInput(f"{self.limit} answers cannot be given; ask for 1 to {MOST}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPersonById(Record):
    """A person, with the names of their place and organization."""

    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class FindPeopleByOrganization(_Several):
    """The people who work for an organization."""

    organization_id: OrganizationId


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOrganizationHierarchy(Record):
    """An organization, with the units below it."""

    organization_id: OrganizationId
    depth: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLocationsByType(_Several):
    """Places of a kind."""

    location_type: LocationType


@dataclass(frozen=True, slots=True, kw_only=True)
class FindActivePolicies(_Several):
    """Policies in force, of a scope and a type if they are given."""

    scope: ScopeKind | None = None
    policy_type: PolicyType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchDocuments(_Several):
    """Documents by words in title, description or file name, by all of the tags, by one of the MIME types."""

    query: str = ""
    tags: tuple[str, ...] = ()
    mime_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FindAgentsByCapability(_Several):
    """Agents that can do something, in a status if it is given."""

    capability: str
    status: AgentStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindWorkflowsByStatus(_Several):
    """Workflows that go like this."""

    status: WorkflowStatus


async def _person(models: ReadModels, asked: GetPersonById) -> Value:
    found = await people.get_person_by_id(models, asked.person_id)
    return write(_there(found, asked.person_id))


async def _people(models: ReadModels, asked: FindPeopleByOrganization) -> Value:
    return write(await people.find_people_by_organization(models, asked.organization_id, limit=asked.limit))


async def _hierarchy(models: ReadModels, asked: GetOrganizationHierarchy) -> Value:
    found = await people.get_organization_hierarchy(models, asked.organization_id, depth=asked.depth)
    return write(_there(found, asked.organization_id))


async def _locations(models: ReadModels, asked: FindLocationsByType) -> Value:
    return _listed(await things.find_locations_by_type(models, asked.location_type, limit=asked.limit))


async def _policies(models: ReadModels, asked: FindActivePolicies) -> Value:
    found = await things.find_active_policies(models, scope=asked.scope, policy_type=asked.policy_type, limit=asked.limit)
    return _listed(found)


async def _documents(models: ReadModels, asked: SearchDocuments) -> Value:
    found = await things.search_documents(models, asked.query, tags=asked.tags, mime_types=asked.mime_types, limit=asked.limit)
    return _listed(found)


async def _agents(models: ReadModels, asked: FindAgentsByCapability) -> Value:
    return _listed(await things.find_agents_by_capability(models, asked.capability, status=asked.status, limit=asked.limit))


async def _workflows(models: ReadModels, asked: FindWorkflowsByStatus) -> Value:
    return _listed(await things.find_workflows_by_status(models, asked.status, limit=asked.limit))


def _there(found: Record | None, asked: EntityId) -> Record:
    if found is None:
        raise KeyNotFound(f"The read model holds no {asked.type} {asked}; it may not have come to their events yet.")
    return found


def _listed(found: list[Model]) -> Value:
    return list[Value](found)


def _from_the_read_model(answer: Callable[[ReadModels, Q], Awaitable[Value]]) -> Callable[[Store, Q], Awaitable[Value]]:
    """The same from the build that serves at that moment."""

    async def answered(store: Store, asked: Q) -> Value:
        bucket = await serving_bucket(store.connection, ORGANIZATION_VIEWS.name)
        return await answer(ReadModelStore(connection=store.connection, bucket=bucket), asked)

    return answered


_DECLARED = {
    "person": (
        query(GetPersonById, _from_the_read_model(_person)),
        query(FindPeopleByOrganization, _from_the_read_model(_people)),
    ),
    "organization": (query(GetOrganizationHierarchy, _from_the_read_model(_hierarchy)),),
    "location": (query(FindLocationsByType, _from_the_read_model(_locations)),),
    "policy": (query(FindActivePolicies, _from_the_read_model(_policies)),),
    "document": (query(SearchDocuments, _from_the_read_model(_documents)),),
    "agent": (query(FindAgentsByCapability, _from_the_read_model(_agents)),),
    "workflow": (query(FindWorkflowsByStatus, _from_the_read_model(_workflows)),),
}


def _key(kind: AggregateKind) -> tuple[str, str]:
    return kind.id.context, kind.id.type


COMPANY_QUERIES: Mapping[tuple[str, str], QuerySet] = {
    _key(kind): QuerySet(context=kind.id.context, type=name, queries=_DECLARED[name]) for name, (kind, _) in VIEWS.items()
}
