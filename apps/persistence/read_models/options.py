"""This module is what a query asks for: keys by a pattern, filters, sorts, a page of them, some fields, a range of time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as derived
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import TypeAlias

from ..encoding import Value
from ..errors import InvalidInput
from ..subjects import check_pattern
from .model import Model, StoredModel
from .ordering import field_of, is_comparable, order_key

MAX_ROWS = 100_000
"""How far into the sorted rows a page may reach; that many are held in memory."""


class Op(StrEnum):
    """How a field is held against a value. What is missing is nothing: equal to None, unequal to all else, neither less nor greater."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"


class SortDirection(StrEnum):
    """Up or down; rows that are equal stand in the order of their keys either way."""

    ASCENDING = "ascending"
    DESCENDING = "descending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One condition on one field. Values of different kinds are never less or greater than each other."""

    field: str
    op: Op = Op.EQ
    value: Value = None
    bound: bytes = derived(init=False, repr=False, compare=False)
    members: frozenset[bytes] = derived(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_field(self.field)
        if self.op is Op.IN and not isinstance(self.value, list):
            raise InvalidInput(f"The filter {self.field[:80]} in {str(self.value)[:80]!r} needs a list of values.")
        if self.op is Op.STARTS_WITH and not isinstance(self.value, str):
            raise InvalidInput(f"The filter {self.field[:80]} starts_with {str(self.value)[:80]!r} needs a text.")
        object.__setattr__(self, "op", Op(self.op))
        object.__setattr__(self, "bound", order_key(self.value))
        members = self.value if self.op is Op.IN and isinstance(self.value, list) else []
        object.__setattr__(self, "members", frozenset(order_key(one) for one in members))

    def accepts(self, model: Model) -> bool:
        """Whether the model meets the condition."""
        found = field_of(model, self.field)
        if self.op in _SEARCHES:
            return self._is_found_in(found)
        key = order_key(found)
        if self.op is Op.EQ or self.op is Op.NE:
            return (key == self.bound) is (self.op is Op.EQ)
        return is_comparable(key, self.bound) and found is not None and _COMPARE[self.op](key, self.bound)

    def _is_found_in(self, found: Value) -> bool:
        if self.op is Op.IN:
            return order_key(found) in self.members
        if isinstance(found, str):
            text = str(self.value)
            return isinstance(self.value, str) and (found.startswith(text) if self.op is Op.STARTS_WITH else text in found)
        return self.op is Op.CONTAINS and isinstance(found, list) and any(order_key(one) == self.bound for one in found)


_SEARCHES = (Op.IN, Op.CONTAINS, Op.STARTS_WITH)
_COMPARE = {Op.LT: bytes.__lt__, Op.LE: bytes.__le__, Op.GT: bytes.__gt__, Op.GE: bytes.__ge__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """A field to sort by."""

    field: str
    direction: SortDirection = SortDirection.ASCENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """Models that were last updated from `start` on and before `end`; None leaves that side open."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if any(one is not None and one.tzinfo is None for one in (self.start, self.end)):
            raise InvalidInput("A time of the range has no time zone; give aware datetimes.")
        if self.start and self.end and self.start >= self.end:
            raise InvalidInput(f"The range ends at {self.end.isoformat()}, not after its start {self.start.isoformat()}.")

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` is in it."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """One query. `pattern` selects keys as NATS does, `*` for one token and `>` for the rest; `projection` names the fields to return."""

    pattern: str = ">"
    filters: tuple[Filter, ...] = ()
    sort_by: tuple[Sort, ...] = ()
    limit: int = 100
    offset: int = 0
    projection: tuple[str, ...] = ()
    time_range: TimeRange = TimeRange()

    def __post_init__(self) -> None:
        check_pattern(self.pattern)
        if self.limit < 0 or self.offset < 0 or self.limit + self.offset > MAX_ROWS:
            raise InvalidInput(f"Rows {self.offset:,} to {self.offset + self.limit:,} cannot be shown; rows 0 to {MAX_ROWS:,} can.")
        for name in (*self.projection, *(sort.field for sort in self.sort_by)):
            check_field(name)


class QueryBuilder:
    """A query made step by step: `QueryBuilder("product.>").filter("price", "gt", 5).sort_by("price").limit(20).build()`."""

    def __init__(self, pattern: str = ">") -> None:
        self._options = QueryOptions(pattern=pattern)

    def filter(self, name: str, op: str, value: Value = None) -> QueryBuilder:
        """Also ask that the field meets this; `op` is one of eq, ne, lt, le, gt, ge, in, contains, starts_with. Raises InvalidInput."""
        if op not in list(Op):
            raise InvalidInput(f"{str(op)[:80]!r} is no comparison; there are {', '.join(Op)}.")
        return self._with(filters=(*self._options.filters, Filter(field=name, op=Op(op), value=value)))

    def sort_by(self, name: str, direction: SortDirection = SortDirection.ASCENDING) -> QueryBuilder:
        """Sort by the field; a second call sorts what is equal by the first."""
        return self._with(sort_by=(*self._options.sort_by, Sort(field=name, direction=SortDirection(direction))))

    def limit(self, limit: int) -> QueryBuilder:
        """At most this many rows."""
        return self._with(limit=limit)

    def offset(self, offset: int) -> QueryBuilder:
        """Leave out this many rows first."""
        return self._with(offset=offset)

    def project(self, *names: str) -> QueryBuilder:
        """Return only these fields."""
        return self._with(projection=(*self._options.projection, *names))

    def time_range(self, start: datetime | None = None, end: datetime | None = None) -> QueryBuilder:
        """Only models that were last updated in this range."""
        return self._with(time_range=TimeRange(start=start, end=end))

    def build(self) -> QueryOptions:
        """The query."""
        return self._options

    def _with(self, **changes: object) -> QueryBuilder:
        builder = QueryBuilder()
        builder._options = replace(self._options, **changes)  # type: ignore[arg-type]
        return builder


Rows: TypeAlias = "tuple[StoredModel, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """A page of rows. `total_count` counts all that match; `has_more`: some come after this page; `scanned` counts what was looked at.

    `unreadable` are keys whose values are no models, where a reader leaves those out.
    """

    items: Rows
    total_count: int
    has_more: bool
    execution_time_ms: float
    scanned: int
    unreadable: tuple[str, ...] = ()

    @property
    def models(self) -> list[Model]:
        """The fields of the rows alone."""
        return [item.model for item in self.items]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagination:
    """Which page of how many, counted from 1."""

    page: int
    per_page: int
    total_pages: int
    total_items: int

    @classmethod
    def from_query(cls, limit: int, offset: int, total: int) -> Pagination:
        """The page that begins at `offset`; a limit of 0 counts as 1."""
        per_page = max(limit, 1)
        return cls(page=offset // per_page + 1, per_page=per_page, total_pages=ceil(total / per_page), total_items=total)

    @property
    def has_next(self) -> bool:
        """Whether a page comes after it."""
        return self.page < self.total_pages

    @property
    def has_prev(self) -> bool:
        """Whether a page comes before it."""
        return self.page > 1

    def to_limit_offset(self) -> tuple[int, int]:
        """What to ask for to get this page."""
        return self.per_page, (self.page - 1) * self.per_page


def check_field(name: str) -> str:
    """Return `name` if a field can be called so. Raises InvalidInput."""
    if not name or not all(name.split(".")):
        raise InvalidInput(f"{name[:80]!r} names no field; write it as price or lines.0.price.")
    return name
