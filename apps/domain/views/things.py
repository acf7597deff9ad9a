"""This module is the queries over places, policies, documents, agents and workflows: each returns models in the order of their ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from apps.persistence.encoding import Value
from apps.persistence.read_models import Filter, Model, Op, QueryOptions, ReadModels

from ..agent import AgentStatus
from ..location import LocationType
from ..policy import PolicyStatus, PolicyType, ScopeKind
from ..workflow import WorkflowStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFigures:
    """How many workflows stand where, and how long those that were completed took, in seconds (None: none was)."""

    count_by_status: dict[str, int]
    average_completion_seconds: float | None


async def find_locations_by_type(models: ReadModels, location_type: LocationType, *, limit: int = 100) -> list[Model]:
    """FindLocationsByType."""
    return await _find(models, "location", [Filter(field="location_type", value=location_type.value)], limit)


async def find_active_policies(
    models: ReadModels, *, scope: ScopeKind | None = None, policy_type: PolicyType | None = None, limit: int = 100
) -> list[Model]:
    """FindActivePolicies: those in force, of a scope and a type if they are given."""
    asked = {"status": PolicyStatus.ACTIVE, "scope": scope, "policy_type": policy_type}
    return await _find(models, "policy", [Filter(field=name, value=word.value) for name, word in asked.items() if word], limit)


async def search_documents(
    models: ReadModels, query: str = "", *, tags: Sequence[str] = (), mime_types: Sequence[str] = (), limit: int = 100
) -> list[Model]:
    """SearchDocuments: every word of `query` in title, description or file name, in any case; all of the tags; one of the types."""
    filters = [Filter(field="text", op=Op.CONTAINS, value=word) for word in query.casefold().split()]
    filters += [Filter(field="tags", op=Op.CONTAINS, value=tag) for tag in tags]
    filters += [Filter(field="mime_type", op=Op.IN, value=list[Value](mime_types))] if mime_types else []
    return await _find(models, "document", filters, limit)


async def find_agents_by_capability(
    models: ReadModels, capability: str, *, status: AgentStatus | None = None, limit: int = 100
) -> list[Model]:
    """FindAgentsByCapability: those that have it, in a status if it is given."""
    asked = [Filter(field="capabilities", op=Op.CONTAINS, value=capability)]
    asked += [Filter(field="status", value=status.value)] if status else []
    return await _find(models, "agent", asked, limit)


async def find_workflows_by_status(models: ReadModels, status: WorkflowStatus, *, limit: int = 100) -> list[Model]:
    """FindWorkflowsByStatus."""
    return await _find(models, "workflow", [Filter(field="status", value=status.value)], limit)


async def workflow_figures(models: ReadModels, *, definition_id: str = "") -> WorkflowFigures:
    """The figures over all workflows, or those of one definition."""
    counts, seconds = Counter[str](), list[float]()
    async for part in models.scan("workflow.>"):
        for model in (stored.model for stored in part):
            if definition_id in ("", model["definition_id"]):
                counts[str(model["status"])] += 1
                seconds += [cast(float, model["total_duration"])] if model["total_duration"] is not None else []
    return WorkflowFigures(count_by_status=dict(counts), average_completion_seconds=sum(seconds) / len(seconds) if seconds else None)


async def _find(models: ReadModels, model_type: str, filters: Sequence[Filter], limit: int) -> list[Model]:
    """Models without the states that lie in them."""
    found = await models.query(QueryOptions(pattern=f"{model_type}.>", filters=tuple(filters), limit=limit))
    return [{name: value for name, value in model.items() if name != "state"} for model in found.models]
