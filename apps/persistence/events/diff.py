"""This module is the difference of two states or payloads: what was added, removed and changed, each with its path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..encoding import Value
from ..encoding.value import format_path

Path = tuple[str | int, ...]


class ChangeKind(StrEnum):
    """How a place differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place that differs. `before` is None where it was added and `after` where it was removed; None may also be a value there."""

    path: Path
    kind: ChangeKind
    before: Value
    after: Value

    @property
    def place(self) -> str:
        """The path as a person writes it: `items[2].sku`; "the top" for the value itself."""
        return format_path(self.path)


def diff_states(before: Value, after: Value) -> list[Change]:
    """The places where two values differ, by path; none where they would encode to the same bytes.

    Maps are compared by key and lists by place, after what two lists have in common at their ends is set aside: an item taken from a
    list's middle is one removal, with its place in `before`. 1, 1.0 and true are three values.
    """
    return list(_diff((), before, after))


def is_same(one: Value, other: Value) -> bool:
    """Whether two values would encode to the same bytes."""
    return next(_diff((), one, other), None) is None


def _diff(path: Path, before: Value, after: Value) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _diff_maps(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _diff_lists(path, before, after)
    elif type(before) is not type(after) or before != after:
        yield Change(path=path, kind=ChangeKind.CHANGED, before=before, after=after)


def _diff_maps(path: Path, before: dict[str, Value], after: dict[str, Value]) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        here = (*path, key)
        if key not in after:
            yield Change(path=here, kind=ChangeKind.REMOVED, before=before[key], after=None)
        elif key not in before:
            yield Change(path=here, kind=ChangeKind.ADDED, before=None, after=after[key])
        else:
            yield from _diff(here, before[key], after[key])


def _diff_lists(path: Path, before: list[Value], after: list[Value]) -> Iterator[Change]:
    start = _common(before, after)
    end = 0
    if len(before) != len(after):
        end = _common(before[start:][::-1], after[start:][::-1])
    rest_before, rest_after = before[start : len(before) - end], after[start : len(after) - end]
    shared = min(len(rest_before), len(rest_after))
    for offset in range(shared):
        yield from _diff((*path, start + offset), rest_before[offset], rest_after[offset])
    for offset, item in enumerate(rest_before[shared:], start=start + shared):
        yield Change(path=(*path, offset), kind=ChangeKind.REMOVED, before=item, after=None)
    for offset, item in enumerate(rest_after[shared:], start=start + shared):
        yield Change(path=(*path, offset), kind=ChangeKind.ADDED, before=None, after=item)


def _common(one: list[Value], other: list[Value]) -> int:
    """How many items at the beginning are the same."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if not is_same(left, right):
            return place
    return min(len(one), len(other))
