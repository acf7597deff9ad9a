"""This module is the fields of a model by name, as an operator lists those that two builds are expected to differ in.

`total_cents` is a field, `lines.*.price` a field of every entry of `lines`, be that a map or a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..encoding import Value
from ..errors import InvalidInput
from .definition import Model

MAX_FIELDS = 50


def check_fields(names: Iterable[str]) -> tuple[str, ...]:
    """The fields by these names, each once. Raises InvalidInput."""
    found = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(found) > MAX_FIELDS:
        raise InvalidInput(f"{len(found)} fields are named; name at most {MAX_FIELDS}, and `*` for every entry of a map or a list.")
    wrong = [name for name in found if not all(name.split(".")) or name == "*"]
    if wrong:
        raise InvalidInput(f"{wrong[0]!r} names no field; write it as total_cents or lines.*.price.")
    return found


def without_fields(model: Model, fields: Iterable[str]) -> Value:
    """The model without these fields."""
    value: Value = model
    for name in fields:
        value = _without(value, name.split("."))
    return value


def _without(value: Value, path: Sequence[str]) -> Value:
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        if not rest:
            return {key: entry for key, entry in value.items() if head not in ("*", key)}
        return {key: _without(entry, rest) if head in ("*", key) else entry for key, entry in value.items()}
    if isinstance(value, list):
        if not rest:
            return [entry for place, entry in enumerate(value) if head not in ("*", str(place))]
        return [_without(entry, rest) if head in ("*", str(place)) else entry for place, entry in enumerate(value)]
    return value
