"""This module is the answer to "who may publish or subscribe this?": each known NATS user, by both named rules, with what decided."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.routing import (
    Act,
    Decision,
    NatsUser,
    Permissions,
    SubjectPermissions,
    ask_own_user,
    by_specificity,
    list_told_users,
)
from apps.persistence.store import Store
from apps.persistence.subjects import check_pattern, check_subject
from apps.registry import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What one user may. `other` is what the other rule would say of the same lists; None where the rule has no such lists."""

    user: str
    source: str
    decision: Decision
    other: Decision | None = None

    @property
    def why(self) -> str:
        return reason(self.decision)

    @property
    def differs(self) -> str:
        """Why the other rule would decide differently; empty where it would not."""
        if self.other is None or self.other.is_allowed == self.decision.is_allowed:
            return ""
        return f"{self.other.rule} would {'allow' if self.other.is_allowed else 'deny'} it: {reason(self.other)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """The answer for every user that is known; `own_is_silent` where the server does not say what this console's user may."""

    act: Act
    subject: str
    permits: tuple[Permit, ...]
    own_is_silent: bool


async def who_may(store: Store, act: Act, subject: str) -> Permits:
    """Who may do it. Raises InvalidSubject (a wildcard can only be subscribed to), Unavailable."""
    if act is Act.PUBLISH:
        check_subject(subject)
    else:
        check_pattern(subject)
    own = await ask_own_user(store.connection)
    told = [user for user in await list_told_users(store.connection) if own is None or user.name != own.name]
    found = [
        *([_permit(own, act, subject, "the server, asked just now, of this console's user")] if own else []),
        *(_permit(user, act, subject, "the server, as a worker was told") for user in told),
        *(_declared(name, permissions, act, subject) for name, permissions in registry().permissions.items()),
    ]
    return Permits(act=act, subject=subject, permits=tuple(found), own_is_silent=own is None)


def reason(decision: Decision) -> str:
    """The pattern that decided, in words."""
    if decision.pattern is None:
        return "no pattern speaks of it, and what is not allowed is denied" if not decision.is_allowed else "nothing speaks against it"
    return f"{decision.pattern} {'allows' if decision.is_allowed else 'denies'} it"


def _permit(user: NatsUser, act: Act, subject: str, source: str) -> Permit:
    rights = user.permissions
    return Permit(
        user=f"{user.name} ({user.account})",
        source=source,
        decision=rights.decide(act, subject),
        other=by_specificity(rights).decide(act, subject),
    )


def _declared(name: str, permissions: Permissions, act: Act, subject: str) -> Permit:
    other = by_specificity(permissions).decide(act, subject) if isinstance(permissions, SubjectPermissions) else None
    return Permit(user=name, source="declared by a domain", decision=permissions.decide(act, subject), other=other)
