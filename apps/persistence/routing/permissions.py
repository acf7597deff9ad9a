"""This module is who may publish and subscribe where, by one of two rules that are both in use, each under its name.

*deny-wins* (`SubjectPermissions`): allowed is what some pattern allows and none denies, as a NATS server decides.
*most-specific-wins* (`MostSpecificWins`): of all rules that match, the one that says most decides; of two alike, the first.

A subscription may be a pattern. It is allowed only if all it could receive is; a NATS server would take it and withhold the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from ..subjects import check_pattern, intersect, is_more_specific, overlaps


class Act(StrEnum):
    """What somebody wants to do on a subject."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether it is allowed, and which pattern said so; None where no pattern spoke and the default holds."""

    is_allowed: bool
    pattern: str | None
    rule: str


class Permissions(Protocol):
    """A rule by which it is decided."""

    @property
    def name(self) -> str:
        """The rule's name."""

    def decide(self, act: Act, subject: str) -> Decision:
        """Whether `act` is allowed on a subject, or on a pattern for a subscription. Raises InvalidSubject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectPermissions:
    """Deny wins: allowed is what is on the list of the act and on no denied pattern. Empty lists allow nothing. Raises InvalidSubject.

    `deny` holds for both acts, the other two for one.
    """

    name: ClassVar[str] = "deny-wins"
    publish_allow: Sequence[str] = ()
    subscribe_allow: Sequence[str] = ()
    deny: Sequence[str] = ()
    publish_deny: Sequence[str] = ()
    subscribe_deny: Sequence[str] = ()

    def __post_init__(self) -> None:
        for pattern in (*self.publish_allow, *self.subscribe_allow, *self.deny, *self.publish_deny, *self.subscribe_deny):
            check_pattern(pattern)

    def can_publish(self, subject: str) -> bool:
        """Whether a message may be published to this subject."""
        return self.decide(Act.PUBLISH, subject).is_allowed

    def can_subscribe(self, subject: str) -> bool:
        """Whether a subject or pattern may be subscribed to."""
        return self.decide(Act.SUBSCRIBE, subject).is_allowed

    def decide(self, act: Act, subject: str) -> Decision:
        """See Permissions."""
        check_pattern(subject)
        allow, deny = (self.publish_allow, self.publish_deny) if act is Act.PUBLISH else (self.subscribe_allow, self.subscribe_deny)
        denied = next((pattern for pattern in (*self.deny, *deny) if overlaps(pattern, subject)), None)
        if denied is not None:
            return Decision(is_allowed=False, pattern=denied, rule=self.name)
        allowed = next((pattern for pattern in allow if covers(pattern, subject)), None)
        return Decision(is_allowed=allowed is not None, pattern=allowed, rule=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRule:
    """What a pattern allows or denies. Raises InvalidSubject."""

    pattern: str
    is_allowed: bool
    acts: frozenset[Act] = frozenset(Act)
    description: str = ""

    def __post_init__(self) -> None:
        check_pattern(self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class MostSpecificWins:
    """The most specific rule that matches decides: no `>` before `>`, then fewer `*`, then the first wildcard further right."""

    name: ClassVar[str] = "most-specific-wins"
    rules: Sequence[PermissionRule] = ()
    default_is_allowed: bool = False

    def decide(self, act: Act, subject: str) -> Decision:
        """See Permissions. A pattern is also refused for a rule that denies a part of it and is more specific than what allows it."""
        check_pattern(subject)
        rules = [rule for rule in self.rules if act in rule.acts]
        deciding = _most_specific([rule for rule in rules if covers(rule.pattern, subject)])
        is_allowed = deciding.is_allowed if deciding else self.default_is_allowed
        parts = [rule for rule in rules if not rule.is_allowed and not covers(rule.pattern, subject) and overlaps(rule.pattern, subject)]
        inside = [rule for rule in parts if deciding is None or not is_more_specific(deciding.pattern, rule.pattern)]
        if is_allowed and inside:
            return Decision(is_allowed=False, pattern=inside[0].pattern, rule=self.name)
        return Decision(is_allowed=is_allowed, pattern=deciding.pattern if deciding else None, rule=self.name)


def by_specificity(permissions: SubjectPermissions) -> MostSpecificWins:
    """The same lists under the other rule, to see where the two would decide differently; of two alike, deny comes first."""
    both, publish, subscribe = frozenset(Act), frozenset({Act.PUBLISH}), frozenset({Act.SUBSCRIBE})
    lists = (
        (permissions.deny, False, both),
        (permissions.publish_deny, False, publish),
        (permissions.subscribe_deny, False, subscribe),
        (permissions.publish_allow, True, publish),
        (permissions.subscribe_allow, True, subscribe),
    )
    rules = [
        PermissionRule(pattern=pattern, is_allowed=is_allowed, acts=acts) for patterns, is_allowed, acts in lists for pattern in patterns
    ]
    return MostSpecificWins(rules=rules)


def covers(pattern: str, subject: str) -> bool:
    """Whether `pattern` matches all that `subject`, which may be a pattern too, can match."""
    return intersect(pattern, subject) == subject


def _most_specific(rules: Sequence[PermissionRule]) -> PermissionRule | None:
    found: PermissionRule | None = None
    for rule in rules:
        if found is None or is_more_specific(rule.pattern, found.pattern):
            found = rule
    return found
