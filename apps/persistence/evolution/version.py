"""This module is the version of a domain's schema: ordered numbers such as 1.2, which migrations lead from and to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import InvalidInput

_VERSION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class SchemaVersion:
    """A schema version; versions compare number by number, so 1.10 is newer than 1.9. Written `1.2`, or `1.2.3` with a patch."""

    major: int
    minor: int = 0
    patch: int = 0

    def __post_init__(self) -> None:
        if min(self.major, self.minor, self.patch) < 0:
            raise InvalidInput(f"A schema version has no negative numbers, so {self.major}.{self.minor}.{self.patch} is none.")

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" if self.patch else f"{self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str) -> SchemaVersion:
        """Read `1.2` or `1.2.3`. Raises InvalidInput."""
        found = _VERSION.fullmatch(text)
        if not found:
            raise InvalidInput(f"{text[:80]!r} is no schema version; write it like 1.2 or 1.2.3.")
        return cls(*(int(number or 0) for number in found.groups()))


FIRST_VERSION = SchemaVersion(1, 0)
