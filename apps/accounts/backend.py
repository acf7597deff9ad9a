"""This module is the sign-in backend: passwords as Django keeps them, rights from the table of roles."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, User

from .roles import Role, allows, highest, is_permission

_KEPT_AS = "_cim_role"


def role_of(person: User | AnonymousUser) -> Role | None:
    """The highest role a person holds, remembered on the object for the length of a request."""
    if not person.is_authenticated or not person.is_active:
        return None
    kept = vars(person)
    if _KEPT_AS not in kept:
        kept[_KEPT_AS] = Role.ADMIN if person.is_superuser else highest(person.groups.values_list("name", flat=True))
    role: Role | None = kept[_KEPT_AS]
    return role


def forget_role(person: User) -> None:
    """After the role of a person changed."""
    vars(person).pop(_KEPT_AS, None)


class RoleBackend(ModelBackend):
    """`user.has_perm("streams.view")` answers from `roles.PERMISSIONS`; rows of Django's own permissions do not count."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return is_permission(perm) and allows(role_of(user_obj), perm)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return role_of(user_obj) is Role.ADMIN
