"""This module is the one table of rights: which role may do what. A role may do everything that the roles before it may."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType
from typing import Final

OPERATIONS_PREFIX: Final = "operations."


class Role(StrEnum):
    """The roles in order: each includes those before. The value is the name of the Django group."""

    VIEWER = "viewer"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def includes(self, other: Role) -> bool:
        return self.rank >= other.rank


DESCRIPTIONS: Final = MappingProxyType({
    Role.VIEWER: "sees streams, aggregates, projections and runs",
    Role.AUDITOR: "also verifies, and takes evidence away",
    Role.OPERATOR: "also starts, pauses and cancels operations",
    Role.ADMIN: "also decides who may do what",
})  # fmt: skip

PERMISSIONS: Final = MappingProxyType({
    "overview.view": Role.VIEWER,
    "search.view": Role.VIEWER,
    "streams.view": Role.VIEWER,
    "aggregates.view": Role.VIEWER,
    "snapshots.view": Role.VIEWER,
    "projections.view": Role.VIEWER,
    "audit.view": Role.VIEWER,
    "evolution.view": Role.VIEWER,
    "routes.view": Role.VIEWER,
    "nodes.view": Role.VIEWER,
    "runs.view": Role.VIEWER,
    "live.view": Role.VIEWER,
    "storage.view": Role.VIEWER,
    "storage.check": Role.AUDITOR,
    "storage.index": Role.OPERATOR,
    "storage.download": Role.AUDITOR,
    "files.view": Role.VIEWER,
    "files.download": Role.AUDITOR,
    "files.upload": Role.OPERATOR,
    "audit.verify": Role.AUDITOR,
    "audit.export": Role.AUDITOR,
    "streams.export": Role.AUDITOR,
    "operations.verify": Role.AUDITOR,
    "operations.check_log": Role.AUDITOR,
    "operations.compare_replicas": Role.AUDITOR,
    "operations.record_heads": Role.AUDITOR,
    "operations.prove": Role.AUDITOR,
    "operations.export": Role.AUDITOR,
    "operations.evidence": Role.AUDITOR,
    "operations.replay": Role.OPERATOR,
    "operations.pause": Role.OPERATOR,
    "operations.resume": Role.OPERATOR,
    "operations.snapshot": Role.OPERATOR,
    "operations.destroy_keys": Role.ADMIN,
    "projections.pause": Role.OPERATOR,
    "projections.resume": Role.OPERATOR,
    "projections.retry": Role.OPERATOR,
    "projections.skip": Role.OPERATOR,
    "projections.rebuild": Role.OPERATOR,
    "projections.switch": Role.OPERATOR,
    "snapshots.take": Role.OPERATOR,
    "commands.send": Role.OPERATOR,
    "runs.control": Role.OPERATOR,
    "runs.approve": Role.ADMIN,
    "people.view": Role.ADMIN,
    "people.change": Role.ADMIN,
})  # fmt: skip


def is_permission(name: str) -> bool:
    return name in PERMISSIONS or name.startswith(OPERATIONS_PREFIX)


def least_role(permission: str) -> Role:
    """The first role that holds it. An operation that the table does not name needs an operator.

    Raises LookupError for a name that is no permission: a slip of the programmer, not of the person.
    """
    if permission in PERMISSIONS:
        return PERMISSIONS[permission]
    if permission.startswith(OPERATIONS_PREFIX):
        return Role.OPERATOR
    raise LookupError(f"{permission!r} is no permission; add it to apps/accounts/roles.py.")


def highest(names: Iterable[str]) -> Role | None:
    """The highest role among names of groups."""
    held = set(names)
    return max((role for role in Role if role.value in held), key=lambda role: role.rank, default=None)


def allows(role: Role | None, permission: str) -> bool:
    needed = least_role(permission)
    return role is not None and role.includes(needed)
