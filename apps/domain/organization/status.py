"""This module is the life of an organization as a table. The original named these four without saying which may follow which."""

from __future__ import annotations

from enum import StrEnum

from ..machine import StateMachine


class OrganizationStatus(StrEnum):
    """Where an organization stands."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"
    ARCHIVED = "archived"


_S = OrganizationStatus

ORGANIZATION_MACHINE = StateMachine(
    what="organization",
    transitions={
        _S.ACTIVE: frozenset({_S.INACTIVE, _S.PENDING, _S.ARCHIVED}),
        _S.INACTIVE: frozenset({_S.ACTIVE, _S.ARCHIVED}),
        _S.PENDING: frozenset({_S.ACTIVE, _S.ARCHIVED}),
        _S.ARCHIVED: frozenset(),
    },
)
