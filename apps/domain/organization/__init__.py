"""This package is the organization: its units, its members with their roles, and where it is, all by their ids."""

from .aggregate import ORGANIZATION
from .status import ORGANIZATION_MACHINE, OrganizationStatus

__all__ = ["ORGANIZATION", "ORGANIZATION_MACHINE", "OrganizationStatus"]
