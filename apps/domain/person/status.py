"""This module is the life of a person as a table; some moves to active differ in where they begin, which the commands say."""

from __future__ import annotations

from enum import StrEnum

from ..machine import StateMachine


class PersonStatus(StrEnum):
    """Where a person stands."""

    REGISTERED = "registered"
    PENDING_VERIFICATION = "pending_verification"
    VERIFIED = "verified"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    ARCHIVED = "archived"


_S = PersonStatus

PERSON_MACHINE = StateMachine(
    what="person",
    transitions={
        _S.REGISTERED: frozenset({_S.PENDING_VERIFICATION, _S.ARCHIVED}),
        _S.PENDING_VERIFICATION: frozenset({_S.VERIFIED, _S.ARCHIVED}),
        _S.VERIFIED: frozenset({_S.ACTIVE, _S.ARCHIVED}),
        _S.ACTIVE: frozenset({_S.SUSPENDED, _S.DEACTIVATED, _S.ARCHIVED}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.DEACTIVATED, _S.ARCHIVED}),
        _S.DEACTIVATED: frozenset({_S.ACTIVE, _S.ARCHIVED}),
        _S.ARCHIVED: frozenset(),
    },
)
