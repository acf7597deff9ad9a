"""This module is what a verification held a stream against: the trees that others stand for, as its receipt keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.errors import InvalidInput
from apps.persistence.events import parse_time
from apps.persistence.work.run import Run

_TITLES = {
    "published": "Checkpoint in the store",
    "signer": "The signer's own answer",
    "witness": "The witness's own answer",
    "brought": "A checkpoint that was brought",
    "mark": "The verification before",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAgainst:
    """One of them; `at` is when it was said."""

    source: str
    who: str
    size: int
    root: str
    at: datetime | None
    holds: bool

    @property
    def title(self) -> str:
        return _TITLES.get(self.source, self.source.replace("_", " ").capitalize())


def held_against(run: Run | None) -> list[HeldAgainst]:
    """In the order of the receipt; none where the run is older than such receipts."""
    listed = run.figures.get("anchors") if run else None
    return [_held(entry) for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _held(entry: Mapping[str, object]) -> HeldAgainst:
    size = entry.get("size")
    return HeldAgainst(
        source=str(entry.get("source", "")),
        who=str(entry.get("who", "")),
        size=size if isinstance(size, int) else 0,
        root=str(entry.get("root", "")),
        at=_moment(entry.get("at")),
        holds=entry.get("holds") is True,
    )


def _moment(text: object) -> datetime | None:
    try:
        return parse_time(text) if isinstance(text, str) and text else None
    except InvalidInput:
        return None
