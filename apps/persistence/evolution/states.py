"""This module is the comparison of states: what an aggregate was before a migration, as its operator expects it after, and what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import PayloadUnreadable
from ..events import AggregateDefinition, AggregateRef, State, fold
from ..events.diff import Change, diff_states
from ..store import Store, load

Expected = Callable[[AggregateRef, State], State]
"""What a state is expected to become; pure. Left out: it stays the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An aggregate whose state after is not the one expected; `problem` where it cannot be folded at all."""

    aggregate: AggregateRef
    changes: tuple[Change, ...] = ()
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"{self.aggregate} cannot be folded after the migration: {self.problem}"
        places = ", ".join(f"{change.place}: {change.before!r} became {change.after!r}" for change in self.changes[:3])
        return f"{self.aggregate} would differ: {places}{' …' if len(self.changes) > 3 else ''}"


def compare(ref: AggregateRef, before: State, after: State, *, expected: Expected | None, may_differ: Sequence[str]) -> Difference | None:
    """The differences that nobody declared. `may_differ` are paths such as `lines.*.name`; what lies below one may differ too."""
    wanted = expected(ref, before) if expected else before
    patterns = [_pattern(path) for path in may_differ]
    found = [change for change in diff_states(wanted, after) if not any(pattern.fullmatch(change.place) for pattern in patterns)]
    return Difference(aggregate=ref, changes=tuple(found)) if found else None


async def check_states(
    old: Store, new: Store, definition: AggregateDefinition, ref: AggregateRef, *, expected: Expected | None, may_differ: Sequence[str]
) -> Difference | None:
    """Fold one aggregate in both generations and compare. One that cannot be folded in the old one has nothing to compare."""
    try:
        before, after = await load(old, ref), await load(new, ref)
    except PayloadUnreadable:
        return None
    try:
        was = fold(definition, (stored.event for stored in before.events))
    except Exception:  # a domain's code, which may raise anything
        return None
    try:
        is_now = fold(definition, (stored.event for stored in after.events))
    except Exception as error:  # a domain's code, which may raise anything
        return Difference(aggregate=ref, problem=f"{type(error).__name__}: {error}")
    return compare(ref, was, is_now, expected=expected, may_differ=may_differ)


def _pattern(path: str) -> re.Pattern[str]:
    """A path with `*` for any one name or place, and everything below it."""
    inner = re.escape(path.strip()).replace(r"\*", r"[^.\[\]]+")
    return re.compile(inner + r"(?:[.\[].*)?")
