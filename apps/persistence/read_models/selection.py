"""This module is choosing rows: what meets a query, in its order, holding no more than the rows up to the end of its page."""

from __future__ import annotations

from dataclasses import replace

from ..subjects import matches
from .model import Model, StoredModel
from .options import QueryOptions, QueryResult, SortDirection
from .ordering import field_of, order_key

_SLACK = 1000


class Selection:
    """Takes models in any order, each once; every way of finding them gives the same rows."""

    def __init__(self, options: QueryOptions) -> None:
        self.scanned = 0
        self.total = 0
        self.unreadable: list[str] = []
        self._options = options
        self._rows: list[StoredModel] = []
        self._page: list[StoredModel] | None = None
        self._end = options.offset + options.limit

    @property
    def pattern(self) -> str:
        """Which keys are wanted."""
        return self._options.pattern

    def add(self, stored: StoredModel) -> None:
        """Look at one model."""
        self.scanned += 1
        if self._accepts(stored):
            self.total += 1
            self._rows.append(stored)
            if len(self._rows) > 2 * self._end + _SLACK:
                self._rows = self._sorted()[: self._end]

    def take_page(self, rows: list[StoredModel], *, total: int) -> None:
        """The page itself, where it was found without looking at the others of `total` that match."""
        self.scanned, self.total, self._page = len(rows), total, rows

    def result(self, *, execution_time_ms: float) -> QueryResult:
        """The page that was asked for."""
        rows = self._sorted()[self._options.offset : self._end] if self._page is None else self._page
        names = self._options.projection
        items = tuple(replace(row, model=_projected(row.model, names)) for row in rows) if names else tuple(rows)
        return QueryResult(
            items=items,
            total_count=self.total,
            has_more=self._options.offset + len(items) + (len(self.unreadable) if self._page is not None else 0) < self.total,
            execution_time_ms=execution_time_ms,
            scanned=self.scanned,
            unreadable=tuple(self.unreadable),
        )

    def _accepts(self, stored: StoredModel) -> bool:
        return (
            matches(self._options.pattern, stored.key)
            and self._options.time_range.holds(stored.metadata.last_updated)
            and all(one.accepts(stored.model) for one in self._options.filters)
        )

    def _sorted(self) -> list[StoredModel]:
        rows = sorted(self._rows, key=lambda row: row.key)
        for sort in reversed(self._options.sort_by):
            is_down = sort.direction is SortDirection.DESCENDING
            rows.sort(key=lambda row, name=sort.field: order_key(field_of(row.model, name)), reverse=is_down)  # type: ignore[misc]
        return rows


def _projected(model: Model, names: tuple[str, ...]) -> Model:
    """Only these fields, under the names they were asked for by; what is missing is left out."""
    found = {name: field_of(model, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}
