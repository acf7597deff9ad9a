"""This module is the queries over people and organizations. Names of others are looked up when they are asked for, by their ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from apps.persistence.encoding import Value
from apps.persistence.read_models import Filter, Model, QueryOptions, ReadModels

from ..declared.ids import EntityId, LocationId, OrganizationId, PersonId
from ..declared.records import Record

MAX_DEPTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView(Record):
    """A person as others see them. Names are None where there is no such place or organization."""

    person_id: PersonId
    legal_name: str
    preferred_name: str | None
    email: str | None
    location_name: str | None
    organization_name: str | None
    roles: tuple[str, ...]
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationView(Record):
    """An organization with what belongs to it."""

    organization_id: OrganizationId
    name: str
    org_type: str
    parent_name: str | None
    member_count: int
    location_count: int
    child_units: tuple[OrganizationId, ...]
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationNode(Record):
    """An organization and the units below it; `is_cut` where there are more below than was asked for."""

    organization: OrganizationView
    units: tuple[OrganizationNode, ...]
    is_cut: bool = False


async def get_person_by_id(models: ReadModels, person_id: PersonId) -> PersonView | None:
    """GetPersonById: the person, or None."""
    person = await _load(models, person_id)
    return await _person_view(models, person) if person else None


async def find_people_by_organization(models: ReadModels, organization_id: OrganizationId, *, limit: int = 100) -> tuple[PersonView, ...]:
    """FindPeopleByOrganization: those whose employment names it, in the order of their ids."""
    wanted = Filter(field="organization_id", value=organization_id.text)
    found = await models.query(QueryOptions(pattern="person.>", filters=(wanted,), limit=limit))
    return tuple([await _person_view(models, person) for person in found.models])


async def get_organization_hierarchy(models: ReadModels, organization_id: OrganizationId, *, depth: int = 3) -> OrganizationNode | None:
    """GetOrganizationHierarchy: the organization and `depth` levels below it, or None. A unit that is its own ancestor is cut off."""
    return await _node(models, organization_id, min(depth, MAX_DEPTH), frozenset())


async def _node(models: ReadModels, organization_id: OrganizationId, depth: int, above: frozenset[str]) -> OrganizationNode | None:
    found = await _load(models, organization_id)
    if found is None:
        return None
    view, seen = await _organization_view(models, found), above | {organization_id.text}
    below = [unit for unit in view.child_units if unit.text not in seen]
    nodes = [await _node(models, unit, depth - 1, seen) for unit in below] if depth > 0 else []
    is_cut = len(below) < len(view.child_units) or (depth == 0 and bool(below))
    return OrganizationNode(organization=view, units=tuple(node for node in nodes if node is not None), is_cut=is_cut)


async def _person_view(models: ReadModels, person: Model) -> PersonView:
    return PersonView(
        person_id=PersonId(str(person["id"])),
        legal_name=str(person["legal_name"]),
        preferred_name=_text(person["preferred_name"]),
        email=_text(person["email"]),
        location_name=await _name(models, LocationId, person["location_id"]),
        organization_name=await _name(models, OrganizationId, person["organization_id"]),
        roles=tuple(str(role) for role in cast("list[Value]", person["roles"])),
        status=str(person["status"]),
    )


async def _organization_view(models: ReadModels, found: Model) -> OrganizationView:
    return OrganizationView(
        organization_id=OrganizationId(str(found["id"])),
        name=str(found["name"]),
        org_type=str(found["org_type"]),
        parent_name=await _name(models, OrganizationId, found["parent_id"]),
        member_count=cast(int, found["member_count"]),
        location_count=cast(int, found["location_count"]),
        child_units=tuple(OrganizationId(str(unit)) for unit in cast("list[Value]", found["child_units"])),
        status=str(found["status"]),
    )


async def _name(models: ReadModels, kind: type[EntityId], entity_id: Value) -> str | None:
    found = await _load(models, kind(str(entity_id))) if entity_id else None
    return _text(found["name"]) if found else None


async def _load(models: ReadModels, entity_id: EntityId) -> Model | None:
    stored = await models.load(entity_id.type, entity_id.text)
    return stored.model if stored else None


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None
