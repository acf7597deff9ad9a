"""This module is which streams are listed and in what order, as the address says it. Plain functions on what the survey found."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from .names import is_system
from .survey import BEHIND_SECONDS, StreamRow

PAGE_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A ready-made filter; `meaning` is the rule in words."""

    name: str
    words: str
    meaning: str
    holds: Callable[[StreamRow], bool]


CHIPS = (
    Chip(
        name="behind",
        words="Behind",
        meaning=f"A consumer lacks more than comes in within {BEHIND_SECONDS:g} s, and at least 10 events.",
        holds=lambda row: row.is_behind,
    ),
    Chip(name="no-consumers", words="No consumers", meaning="Nobody reads it.", holds=lambda row: row.stream.consumers == 0),
    Chip(name="idle", words="Idle > 1 d", meaning="Nothing was stored for more than a day.", holds=lambda row: row.is_idle),
    Chip(
        name="near-limit",
        words="Near a limit",
        meaning="Its events, bytes or age are at 80 % of a limit or more.",
        holds=lambda row: row.limit is not None,
    ),
    Chip(
        name="broken",
        words="Broken chain",
        meaning="Its last verification found something.",
        holds=lambda row: row.mark is not None and not row.mark.intact,
    ),
    Chip(
        name="drifted",
        words="Not as declared",
        meaning="A setting is not what the console or a domain declares.",
        holds=lambda row: row.is_drifted,
    ),
)

SORTS: Mapping[str, Callable[[StreamRow], Any]] = MappingProxyType(
    {
        "name": lambda row: row.name.lower(),
        "subjects": lambda row: row.stream.subjects,
        "events": lambda row: row.stream.messages,
        "bytes": lambda row: row.stream.bytes,
        "first": lambda row: row.stream.first_time and row.stream.first_time.timestamp(),
        "last": lambda row: row.stream.last_time and row.stream.last_time.timestamp(),
        "rate": lambda row: row.rate,
        "consumers": lambda row: row.stream.consumers,
        "lag": lambda row: row.lag and row.lag.events,
        "replicas": lambda row: (len(row.lagging), row.stream.replicas),
        "retention": lambda row: row.stream.retention,
        "chain": lambda row: row.mark and row.mark.sequence,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What the list shows: a part of the name, chips that must all hold, a column to sort by, system streams or not, a page."""

    text: str = ""
    chips: tuple[str, ...] = ()
    sort: str = "name"
    is_descending: bool = False
    with_system: bool = False
    page: int = 1

    @classmethod
    def from_get(cls, given: Mapping[str, str]) -> ListQuery:
        """Read the query string; what is not understood is left out."""
        sort = given.get("sort", "")
        number = given.get("page", "")
        return cls(
            text=given.get("q", "").strip()[:200],
            chips=tuple(chip.name for chip in CHIPS if chip.name in given.get("only", "").split(",")),
            sort=sort.removeprefix("-") if sort.removeprefix("-") in SORTS else "name",
            is_descending=sort.startswith("-"),
            with_system=given.get("system", "") == "1",
            page=int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 6 else 1,
        )

    @property
    def fields(self) -> dict[str, str]:
        """The query string's fields; what is as usual is left out."""
        sort = f"-{self.sort}" if self.is_descending else self.sort
        fields = {
            "q": self.text,
            "only": ",".join(self.chips),
            "sort": "" if sort == "name" else sort,
            "system": "1" if self.with_system else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return {name: value for name, value in fields.items() if value}

    @property
    def kept(self) -> dict[str, str]:
        """What the form for the name sends along."""
        return {name: value for name, value in self.fields.items() if name not in ("q", "page")}

    def address(self, **changes: str) -> str:
        """The same list with some fields changed, or left out where empty; from its first page unless that is the change."""
        fields = {name: value for name, value in ({**self.fields, "page": ""} | changes).items() if value}
        return f"?{urlencode(fields)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that can be sorted by. `address` sorts by it or turns the order; `direction` is empty where it does not sort the list."""

    address: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipLink:
    """A chip as it is shown: how many it leaves, and where a click on it leads."""

    chip: Chip
    is_on: bool
    count: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The list. `total` counts all streams, `hidden_system` the system streams that are folded away."""

    query: ListQuery
    rows: tuple[StreamRow, ...]
    matching: int
    total: int
    hidden_system: int
    system: int
    chips: tuple[ChipLink, ...]
    columns: Mapping[str, Column]
    pages: int
    revision: str

    @property
    def first(self) -> int:
        """The number of the first row shown."""
        return (self.query.page - 1) * PAGE_ROWS + 1

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return self.first + len(self.rows) - 1

    @property
    def page_before(self) -> str:
        """Where the page before lies; empty on the first."""
        return self.query.address(page=str(self.query.page - 1)) if self.query.page > 1 else ""

    @property
    def page_after(self) -> str:
        """Where the next page lies; empty on the last."""
        return self.query.address(page=str(self.query.page + 1)) if self.query.page < self.pages else ""

    @property
    def with_system(self) -> str:
        return self.query.address(system="1")

    @property
    def without_system(self) -> str:
        return self.query.address(system="")


def list_rows(rows: Sequence[StreamRow], query: ListQuery) -> Listing:
    """Filter, sort and cut what the survey found."""
    visible = [row for row in rows if query.with_system or not is_system(row.name)]
    named = [row for row in visible if query.text.lower() in row.name.lower() or _is_about(row, query.text)]
    chosen = [chip for chip in CHIPS if chip.name in query.chips]
    matching = _sorted([row for row in named if all(chip.holds(row) for chip in chosen)], query)
    pages = max(1, -(-len(matching) // PAGE_ROWS))
    query = replace(query, page=min(query.page, pages))
    start = (query.page - 1) * PAGE_ROWS
    system = sum(1 for row in rows if is_system(row.name))
    return Listing(
        query=query,
        rows=tuple(matching[start : start + PAGE_ROWS]),
        matching=len(matching),
        total=len(rows),
        hidden_system=0 if query.with_system else system,
        system=system,
        chips=tuple(_chip_link(chip, query, named) for chip in CHIPS),
        columns={name: _column(name, query) for name in SORTS},
        pages=pages,
        revision=revision_of(rows),
    )


def revision_of(rows: Sequence[StreamRow]) -> str:
    """A short text that changes when a stream was made, made anew or deleted."""
    return f"{zlib.crc32(' '.join(f'{row.name} {row.stream.created}' for row in rows).encode()):08x}"


def _is_about(row: StreamRow, text: str) -> bool:
    """A search that holds a dot looks in the subjects, too."""
    return "." in text and any(text.lower() in subject.lower() for subject in row.stream.subjects)


def _sorted(rows: list[StreamRow], query: ListQuery) -> list[StreamRow]:
    """By the column, then by name; what has no value comes last either way."""
    key = SORTS[query.sort]
    known = sorted((row for row in rows if key(row) is not None), key=lambda row: row.name.lower())
    known.sort(key=key, reverse=query.is_descending)
    return known + sorted((row for row in rows if key(row) is None), key=lambda row: row.name.lower())


def _chip_link(chip: Chip, query: ListQuery, named: Sequence[StreamRow]) -> ChipLink:
    is_on = chip.name in query.chips
    others = [name for name in query.chips if name != chip.name]
    return ChipLink(
        chip=chip,
        is_on=is_on,
        count=sum(1 for row in named if chip.holds(row)),
        address=query.address(only=",".join(others if is_on else [*others, chip.name])),
    )


def _column(name: str, query: ListQuery) -> Column:
    """A first click puts names and ages in ascending order, and the greatest figures first; the next one turns it."""
    if query.sort == name:
        turned = name if query.is_descending else f"-{name}"
        return Column(address=query.address(sort=turned), direction="descending" if query.is_descending else "ascending")
    starts_low = name in ("name", "subjects", "retention", "first")
    return Column(address=query.address(sort=name if starts_low else f"-{name}"), direction="")
