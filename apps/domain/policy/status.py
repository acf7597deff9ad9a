"""This module is the life of a policy as a table; which command makes which move, the commands say."""

from __future__ import annotations

from enum import StrEnum

from ..machine import StateMachine


class PolicyStatus(StrEnum):
    """Where a policy stands."""

    DRAFT = "draft"
    PENDING_APPROVAL = "pending_approval"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    SUPERSEDED = "superseded"
    ARCHIVED = "archived"


_S = PolicyStatus

POLICY_MACHINE = StateMachine(
    what="policy",
    transitions={
        _S.DRAFT: frozenset({_S.PENDING_APPROVAL}),
        _S.PENDING_APPROVAL: frozenset({_S.ACTIVE, _S.DRAFT}),
        _S.ACTIVE: frozenset({_S.SUSPENDED, _S.SUPERSEDED}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.SUPERSEDED, _S.ARCHIVED}),
        _S.SUPERSEDED: frozenset({_S.ARCHIVED}),
        _S.ARCHIVED: frozenset(),
    },
)
