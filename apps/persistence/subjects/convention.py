"""This module is the short convention `<context>.<aggregate>.<event>.<version>`, as older parts of a system may publish it.

It names a kind of event, not one event: `people.person.registered.v1`. Its version is the schema's. The long form, in which every
event has a subject of its own, also needs the entity and the aggregate's version; `to_long` takes them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidSubject
from .grammar import check_token


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortSubject:
    """The four tokens, taken apart."""

    context: str
    aggregate: str
    event: str
    schema: int

    @classmethod
    def parse(cls, text: str) -> ShortSubject:
        """Take `people.person.registered.v1` apart. Raises InvalidSubject."""
        tokens = text.split(".")
        if len(tokens) != 4:
            raise InvalidSubject(f"{text[:80]!r} has {len(tokens)} tokens; the convention is <context>.<aggregate>.<event>.<version>.")
        context, aggregate, event, version = tokens
        return cls(
            context=check_token(context, "a context"),
            aggregate=check_token(aggregate, "an aggregate type"),
            event=check_token(event, "an event type"),
            schema=parse_version(version),
        )

    def __str__(self) -> str:
        return f"{self.context}.{self.aggregate}.{self.event}.v{self.schema}"

    def to_long(self, *, entity: str, version: int, root: str = "cim.events") -> str:
        """The subject of one event of this kind: of this entity, at this version of the aggregate."""
        return f"{root}.{self.context}.{self.aggregate}.{check_token(entity, 'an aggregate id')}.{self.event}.v{version}"


def parse_version(token: str) -> int:
    """Read `v12`. Raises InvalidSubject for anything else, also for `v0` and `v01`."""
    digits = token[1:]
    if not token.startswith("v") or not digits.isascii() or not digits.isdigit() or digits.startswith("0"):
        raise InvalidSubject(f"{token[:80]!r} is no version; it is written v1, v2, v3 and so on.")
    return int(digits)
