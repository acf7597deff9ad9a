"""This module is which part of a local index a query needs: ranges of bytes that hold every row that can match, and few others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..encoding import Value
from ..errors import InvalidInput
from ..read_models import Filter, Model, Op, check_field, field_of, order_key
from ..subjects import check_pattern, check_token

UNREADABLE = b"\xff"
"""Stands in an index for a model that cannot be read, so that every query that might want it meets it and says so."""
MAX_FIELDS = 8
MAX_FIELD_LENGTH = 200
_FALSE, _TRUE, _TEXT = 2, 3, 5
_RANGES = (Op.LT, Op.LE, Op.GT, Op.GE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldIndex:
    """A local index over the fields of those models whose keys match `pattern`."""

    name: str
    fields: tuple[str, ...]
    pattern: str = ">"

    def __post_init__(self) -> None:
        check_token(self.name, "the name of an index")
        check_pattern(self.pattern)
        if not self.fields or len(set(self.fields)) < len(self.fields):
            raise InvalidInput(f"The index {self.name} needs one field or more, each once; {str(list(self.fields))[:80]} is not that.")
        for name in self.fields:
            check_field(name)

    def check_bounds(self) -> None:
        """Whether an index that is to be made is small enough. Raises InvalidInput."""
        if len(self.fields) > MAX_FIELDS:
            raise InvalidInput(f"The index {self.name} is over {len(self.fields):,} fields; an index is over at most {MAX_FIELDS}.")
        for name in self.fields:
            if len(name) > MAX_FIELD_LENGTH:
                raise InvalidInput(f"{name[:60]!r}… has {len(name):,} characters; the name of a field has at most {MAX_FIELD_LENGTH}.")

    def entry_of(self, model: Model) -> bytes:
        """Where the model stands in it."""
        return b"".join(order_key(field_of(model, name)) for name in self.fields)


@dataclass(frozen=True, slots=True)
class Range:
    """Entries from `start` on and before `end`."""

    start: bytes
    end: bytes


def ranges_of(index: FieldIndex, filters: Sequence[Filter]) -> list[Range]:
    """The parts of the index that hold what meets the filters; none where no filter is on its first field."""
    prefix = b""
    for name in index.fields:
        mine = [one for one in filters if one.field == name]
        equal = next((one for one in mine if one.op is Op.EQ), None)
        if equal is None:
            return _last_ranges(prefix, mine)
        prefix += equal.bound
    return [Range(prefix, prefix + b"\xff")]


def key_range(pattern: str) -> tuple[str, str]:
    """The keys that a pattern can match, from the first on and before the second."""
    tokens = pattern.split(".")
    fixed = next((place for place, token in enumerate(tokens) if token in ("*", ">")), len(tokens))
    if fixed == len(tokens):
        return pattern, f"{pattern}\0"
    if not fixed:
        return "", "\x7f"
    prefix = ".".join(tokens[:fixed])
    return f"{prefix}.", f"{prefix}/"


def _last_ranges(prefix: bytes, filters: Sequence[Filter]) -> list[Range]:
    """The ranges of the first field that no equality fixes."""
    for one in filters:
        if one.op is Op.IN:
            return [Range(prefix + bound, prefix + bound + b"\xff") for bound in sorted(one.members)]
        if one.op is Op.STARTS_WITH and isinstance(one.value, str):
            start = prefix + bytes([_TEXT]) + one.value.encode().replace(b"\0", b"\0\xff")
            return [Range(start, start + b"\xff")]
    ranges = [_range(prefix, one) for one in filters if one.op in _RANGES]
    if ranges:
        return [Range(max(one.start for one in ranges), min(one.end for one in ranges))]
    return [Range(prefix, prefix + b"\xff")] if prefix else []


def _range(prefix: bytes, one: Filter) -> Range:
    kind = one.bound[0]
    first, last = (_FALSE, _TRUE) if kind in (_FALSE, _TRUE) else (kind, kind)
    past = one.bound + b"\xff"
    if one.op in (Op.GT, Op.GE):
        return Range(prefix + (past if one.op is Op.GT else one.bound), prefix + bytes([last + 1]))
    return Range(prefix + bytes([first]), prefix + (one.bound if one.op is Op.LT else past))


def definition_value(index: FieldIndex) -> Value:
    """The index as it is kept beside its entries."""
    return {"fields": list(index.fields), "pattern": index.pattern}
