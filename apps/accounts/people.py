"""This module is what an admin does with people: add them, give them a role, close and reopen their access."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.db import transaction

from .backend import forget_role, role_of
from .roles import Role, highest

FIRST_ADMIN = "admin"


class LastAdmin(Exception):
    """The change would leave the console without anybody who can manage people."""


def ensure_first_admin() -> User:
    """The user `admin` with the admin role, created where absent; a role that somebody changed on purpose stays."""
    person, is_new = User.objects.get_or_create(username=FIRST_ADMIN)
    if is_new:
        person.set_unusable_password()
        person.save()
        _set_group(person, Role.ADMIN)
    return person


@transaction.atomic
def add_person(username: str, *, role: Role, full_name: str = "") -> User:
    """A person without a password yet: a sign-in link lets them in to choose one."""
    first, _, last = full_name.partition(" ")
    person = User(username=username, first_name=first, last_name=last)
    person.set_unusable_password()
    person.save()
    _set_group(person, role)
    return person


@transaction.atomic
def set_role(person: User, role: Role) -> None:
    """Raises LastAdmin where nobody else could manage people any more."""
    if role is not Role.ADMIN:
        _check_other_admins(person)
    _set_group(person, role)


@transaction.atomic
def set_active(person: User, *, active: bool) -> None:
    """Close or reopen a person's access; a closed one is signed out at the next request. Raises LastAdmin."""
    if not active:
        _check_other_admins(person)
    person.is_active = active
    person.save(update_fields=["is_active"])


def list_people() -> list[tuple[User, Role | None]]:
    """Everybody with their role, active people first, by name."""
    people = User.objects.prefetch_related("groups").order_by("-is_active", "username")
    return [(person, Role.ADMIN if person.is_superuser else highest(group.name for group in person.groups.all())) for person in people]


def _set_group(person: User, role: Role) -> None:
    person.groups.set([Group.objects.get(name=role.value)])
    forget_role(person)


def _check_other_admins(person: User) -> None:
    if role_of(person) is not Role.ADMIN:
        return
    others = User.objects.filter(is_active=True, groups__name=Role.ADMIN.value).exclude(pk=person.pk)
    if not others.exists():
        raise LastAdmin(f"{person.username} is the only active admin; make somebody else an admin first.")
