"""This module is a query as a person writes it in the address: rows of filters, sorts, fields, a range of time, hints; and as it is run.

A value is read as JSON where it is some (5, true, null, "5"), else it is the text that stands there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar, cast

from django.http import QueryDict

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput
from apps.persistence.queries import IndexStrategy, QueryHint
from apps.persistence.read_models import Op, QueryBuilder, QueryOptions, SortDirection

SIZES = (25, 50, 100)
MOST_ROWS = 8
BLANK_ROWS = 2
OPS = {
    Op.EQ: "is",
    Op.NE: "is not",
    Op.LT: "is less than",
    Op.LE: "is at most",
    Op.GT: "is more than",
    Op.GE: "is at least",
    Op.IN: "is one of",
    Op.CONTAINS: "contains",
    Op.STARTS_WITH: "starts with",
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRow:
    """One row of the form."""

    field: str = ""
    op: str = Op.EQ.value
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SortRow:
    """One row of the form."""

    field: str = ""
    direction: str = SortDirection.ASCENDING.value


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryForm:
    """Everything that the form holds, as it was typed."""

    pattern: str = ">"
    filters: tuple[FilterRow, ...] = ()
    sorts: tuple[SortRow, ...] = ()
    fields: str = ""
    start: str = ""
    end: str = ""
    page: int = 1
    size: int = SIZES[0]
    strategy: str = ""
    index: str = ""
    expected: str = ""
    uses_cache: bool = True

    @classmethod
    def from_get(cls, given: QueryDict) -> QueryForm:
        """What the address says; rows without a field are left out."""
        filters = zip(given.getlist("field"), given.getlist("op"), given.getlist("value"), strict=False)
        sorts = zip(given.getlist("sort"), given.getlist("direction"), strict=False)
        size, page = given.get("size", ""), given.get("page", "")
        return cls(
            pattern=given.get("pattern", "").strip() or ">",
            filters=tuple(FilterRow(field=name.strip(), op=op, value=value) for name, op, value in filters if name.strip())[:MOST_ROWS],
            sorts=tuple(SortRow(field=name.strip(), direction=direction) for name, direction in sorts if name.strip())[:MOST_ROWS],
            fields=given.get("fields", "").strip(),
            start=given.get("start", "").strip(),
            end=given.get("end", "").strip(),
            page=int(page) if page.isascii() and page.isdecimal() and 0 < len(page) < 8 and int(page) else 1,
            size=int(size) if size in map(str, SIZES) else SIZES[0],
            strategy=given.get("strategy", ""),
            index=given.get("index", ""),
            expected=given.get("expected", "").strip(),
            uses_cache=given.get("cache", "") != "no",
        )

    @property
    def filter_rows(self) -> list[FilterRow]:
        """The rows to show, some of them blank."""
        return [*self.filters, *[FilterRow()] * max(0, min(BLANK_ROWS, MOST_ROWS - len(self.filters)))]

    @property
    def sort_rows(self) -> list[SortRow]:
        """The rows to show, one of them blank."""
        return [*self.sorts, *([SortRow()] if len(self.sorts) < MOST_ROWS else [])]

    @property
    def projection(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.strip() for name in self.fields.split(",") if name.strip()))

    @property
    def named(self) -> list[str]:
        """Every field that the query speaks of, once."""
        names = [*(row.field for row in self.filters), *(row.field for row in self.sorts), *self.projection]
        return list(dict.fromkeys(names))

    @property
    def filter_words(self) -> str:
        """The filters as the operation that makes a view takes them."""
        return "; ".join(f"{row.field} {row.op} {row.value}" for row in self.filters)

    @property
    def is_blank(self) -> bool:
        """Whether nothing is asked but a pattern."""
        return not (self.named or self.start or self.end)

    def options(self) -> QueryOptions:
        """The query. Raises InvalidInput or InvalidSubject naming what cannot be."""
        builder = QueryBuilder(self.pattern).limit(self.size).offset((self.page - 1) * self.size).project(*self.projection)
        for row in self.filters:
            builder = builder.filter(row.field, row.op, parse_value(row.value, row.op))
        for sort in self.sorts:
            builder = builder.sort_by(sort.field, _choice("direction", sort.direction, SortDirection))
        return builder.time_range(parse_moment("from", self.start), parse_moment("until", self.end)).build()

    def hint(self) -> QueryHint:
        """The hints. Raises InvalidInput."""
        if self.expected and not (self.expected.isascii() and self.expected.isdecimal()):
            raise InvalidInput(f"expected rows is {self.expected[:40]!r}; give a whole number, or leave it empty.")
        return QueryHint(
            strategy=_choice("strategy", self.strategy, IndexStrategy) if self.strategy else None,
            index=self.index,
            expected_size=int(self.expected[:18]) if self.expected else None,
            use_cache=self.uses_cache,
        )


def parse_value(text: str, op: str) -> Value:
    """The value of a filter. Raises InvalidInput for a number that cannot be held."""
    if op == Op.STARTS_WITH:
        return text
    if op == Op.IN:
        found = _json(text)
        return found if isinstance(found, list) else [_json(part.strip()) for part in text.split(",")]
    return _json(text)


def parse_moment(name: str, text: str) -> datetime | None:
    """A time in UTC, `2026-11-21T12:00` or with a zone of its own. Raises InvalidInput."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{name} is {text[:40]!r}; write a time such as 2026-11-21T12:00, in UTC.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(text: str) -> Value:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > 2**64:
        raise InvalidInput(f"{text[:40]} is beyond what a model can hold; give a number of at most 64 bits.")
    return cast(Value, value)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def _choice(name: str, text: str, kinds: Callable[[Any], T]) -> T:
    try:
        return kinds(text)
    except ValueError as error:
        known = ", ".join(cast("Sequence[str]", kinds))
        raise InvalidInput(f"{name} is {text[:40]!r}; there are {known}.") from error
