"""This module is somebody of whom only the role is known: what live fragments are rendered for, once for all people who hold it."""

from __future__ import annotations

from dataclasses import dataclass

from .roles import Role, allows


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """Stands for `user` in the template of a fragment. What a button then asks for is checked again when it is pressed."""

    role: Role | None

    @property
    def is_authenticated(self) -> bool:
        return True

    def has_perm(self, permission: str) -> bool:
        return allows(self.role, permission)


def holder_of(name: str) -> RoleHolder:
    """The holder of the role of this name; of none, where there is no such role."""
    return RoleHolder(Role(name) if name in set(Role) else None)
