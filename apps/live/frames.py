"""This module is what a source yields: fragments to swap, rows to put on top of a tail, and a word that a page is out of date."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string

TAIL_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """The newest form of one element. `html` has a single root element whose id is `id`."""

    id: str
    html: str

    def to_json(self) -> str:
        return json.dumps({"id": self.id, "html": self.html})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A page whose element `id` carries another `data-live-revision` is out of date as a whole and fetches itself again."""

    id: str
    revision: str

    def to_json(self) -> str:
        return json.dumps({"id": self.id, "revision": self.revision})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event of a tail: its stream sequence, and a `<tr>`."""

    sequence: int
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The sequences `first` to `last` of a tail, whose `<tbody>` has the id `id`.

    Whatever matches from `shown_from` on (`first`, unless given) is in `rows`, in ascending order; what lies before it was skipped.
    `count` is how many events the frame stands for, shown and skipped; unless given, each skipped sequence counts as one.
    """

    id: str
    rows: tuple[Row, ...]
    first: int
    last: int
    shown_from: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        sequences = [row.sequence for row in self.rows]
        assert self.first <= self.begin <= self.last + 1, f"{self.id}: {self.first} to {self.last} cannot be shown from {self.begin}"
        assert sequences == sorted(set(sequences)), f"{self.id}: rows ascend, each sequence once"
        assert not sequences or self.begin <= sequences[0] <= sequences[-1] <= self.last, f"{self.id}: a row lies outside the frame"

    @property
    def begin(self) -> int:
        """The first sequence from which nothing is left out."""
        return self.first if self.shown_from is None else self.shown_from


Frame = Fragment | Refresh | Rows


def render(template: str, *, id: str, **context: Any) -> Fragment:
    """The fragment `id`, rendered from `template` with `id` and `context`."""
    return Fragment(id=id, html=render_to_string(template, {"id": id, **context}))
