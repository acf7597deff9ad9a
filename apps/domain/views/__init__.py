"""This package is how the aggregates of the organization are read: what stands in their read models, and the queries over those."""

from .directory import ORGANIZATION_VIEWS
from .people import (
    OrganizationNode,
    OrganizationView,
    PersonView,
    find_people_by_organization,
    get_organization_hierarchy,
    get_person_by_id,
)
from .queries import COMPANY_QUERIES
from .things import (
    find_active_policies,
    find_agents_by_capability,
    find_locations_by_type,
    find_workflows_by_status,
    search_documents,
    workflow_figures,
)

__all__ = [
    "COMPANY_QUERIES",
    "ORGANIZATION_VIEWS",
    "OrganizationNode",
    "OrganizationView",
    "PersonView",
    "find_active_policies",
    "find_agents_by_capability",
    "find_locations_by_type",
    "find_people_by_organization",
    "find_workflows_by_status",
    "get_organization_hierarchy",
    "get_person_by_id",
    "search_documents",
    "workflow_figures",
]
