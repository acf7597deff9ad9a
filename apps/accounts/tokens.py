"""This module is access tokens: a person's keys for programs, shown once, kept as a hash, with at most the person's own rights."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.persistence.operations import OPERATIONS

from .backend import role_of
from .models import AccessToken
from .roles import Role, allows
from .trail import note

PREFIX = "cim_"
NAME_LETTERS = 60
GREATEST_DAYS = 366
USED_SECONDS = 60
"""A token's last use is written down at most once in so many seconds."""
_SECRET_BYTES = 32


class TokenRefused(Exception):
    """The token lets nobody in; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRights:
    """What a token may do of what its person may: all, no more than a role, or some permissions."""

    role: Role | None = None
    permissions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join(self.permissions) or (f"no more than {self.role}" if self.role else "all rights of the person")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token just made. Its secret can never be shown again."""

    token: AccessToken
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token that is good now, with the person whose it is."""

    person: User
    token: AccessToken

    def has_perm(self, permission: str) -> bool:
        """Whether the person holds the permission and the token passes it on."""
        token = self.token
        if token.permissions and permission not in token.permissions:
            return False
        return self.person.has_perm(permission) and (not token.role or allows(Role(token.role), permission))


@transaction.atomic
def create_token(person: User, name: str, *, days: int, rights: TokenRights | None = None, by: str = "") -> NewToken:
    """A new token of this person, good for so many days; `by` is who makes it where that is not the person."""
    given, secret = rights or TokenRights(), PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    token = AccessToken.objects.create(
        person=person,
        name=name,
        secret_digest=_digest(secret),
        role=given.role.value if given.role else "",
        permissions=sorted(given.permissions),
        expires_at=timezone.now() + timedelta(days=days),
    )
    until = token.expires_at.isoformat(timespec="seconds")
    note(by or person.username, "token_created", person, token=name, until=until, rights=str(given))
    return NewToken(token=token, secret=secret)


@transaction.atomic
def revoke_token(token: AccessToken, *, by: str = "") -> None:
    """From now on the token is refused; the first time counts."""
    if AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        note(by or token.person.username, "token_revoked", token.person, token=token.name)


def find_grant(secret: str) -> Grant:
    """What a secret allows. Raises TokenRefused."""
    token = AccessToken.objects.select_related("person").filter(secret_digest=_digest(secret)).first()
    if token is None:
        raise TokenRefused("This console knows no such token; make one on the page Tokens.")
    if token.revoked_at is not None:
        raise TokenRefused(f"The token {token.name} was revoked at {token.revoked_at.isoformat(timespec='seconds')}; make a new one.")
    if token.expires_at <= timezone.now():
        raise TokenRefused(f"The token {token.name} expired at {token.expires_at.isoformat(timespec='seconds')}; make a new one.")
    if not token.person.is_active:
        raise TokenRefused(f"The access of {token.person.username} is closed, and with it every token; ask an admin to open it.")
    _note_use(token)
    return Grant(person=token.person, token=token)


def list_tokens(person: User) -> list[AccessToken]:
    """The person's tokens, the newest first."""
    return list(AccessToken.objects.filter(person=person).order_by("-created_at", "-pk"))


def has_token_named(person: User, name: str) -> bool:
    """Whether a token of this name is still good."""
    good = AccessToken.objects.filter(person=person, revoked_at=None, expires_at__gt=timezone.now())
    return good.filter(name__iexact=name).exists()


def grantable(person: User) -> tuple[str, ...]:
    """The permissions that a token of this person can have one by one: those that the API asks for."""
    asked = ("audit.view", "runs.view", "runs.control", *sorted({operation.permission for operation in OPERATIONS.values()}))
    return tuple(permission for permission in asked if person.has_perm(permission))


def lesser_roles(person: User) -> tuple[Role, ...]:
    """The roles below the person's own."""
    held = role_of(person)
    return tuple(role for role in Role if held is not None and held.includes(role) and role is not held)


def unknown_permissions(person: User, wanted: Iterable[str]) -> tuple[str, ...]:
    """Those of the wanted permissions that a token of this person cannot have."""
    return tuple(sorted(set(wanted) - set(grantable(person))))


def _note_use(token: AccessToken) -> None:
    now = timezone.now()
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(seconds=USED_SECONDS))
    AccessToken.objects.filter(long_ago, pk=token.pk).update(last_used_at=now)


def _digest(secret: str) -> str:
    """A plain hash: 32 random bytes cannot be guessed, so nothing has to slow a guess down."""
    return hashlib.sha256(secret.encode()).hexdigest()
