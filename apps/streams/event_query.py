"""This module is what a person asked of a stream's events, as it stands in the address: filter, range, cursor, and the event shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from apps.persistence.errors import InvalidInput
from apps.persistence.store.positions import Position, parse_position, parse_sequence
from apps.persistence.subjects import check_pattern

EVERYTHING = ">"
LABELS = {"subject": "Subject", "from": "From", "to": "To", "at": "Go to", "show": "The event to show"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """What to show. `start` and `end` bound the range, `at` is a place to go to; each is a sequence or a time.

    `before` and `after` are the cursors of pages, both exclusive. `show` is the event opened beside the list. `problems` says, by
    field, what could not be understood; such a field is left out.
    """

    subject: str = ""
    start: Position | None = None
    end: Position | None = None
    at: Position | None = None
    before: int | None = None
    after: int | None = None
    show: int | None = None
    problems: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_get(cls, given: Mapping[str, str], now: datetime) -> EventQuery:
        """Read the query string; never raises."""
        problems: dict[str, str] = {}
        places = {name: _place(given, name, now, problems) for name in ("from", "to", "at")}
        cursors = {name: _cursor(given, name, problems) for name in ("before", "after", "show")}
        query = cls(
            subject=_subject(given, problems),
            start=places["from"],
            end=places["to"],
            at=places["at"],
            before=cursors["before"],
            after=cursors["after"],
            show=cursors["show"],
            problems=problems,
        )
        return query

    @property
    def pattern(self) -> str:
        """The subjects that are looked for."""
        return self.subject or EVERYTHING

    @property
    def is_filtered(self) -> bool:
        """Whether some events of the range are left out."""
        return self.pattern != EVERYTHING

    @property
    def has_times(self) -> bool:
        """Whether a place is still to be turned into a sequence."""
        return any(isinstance(place, datetime) for place in (self.start, self.end, self.at))

    @property
    def is_anything(self) -> bool:
        """Whether the person asked for less than the newest of everything."""
        return self.is_filtered or any(value is not None for value in (self.start, self.end, self.at, self.before, self.after))

    @property
    def problem_lines(self) -> tuple[tuple[str, str], ...]:
        """Each field that was not understood, by its label, and why."""
        return tuple((LABELS.get(name, name.capitalize()), sentence) for name, sentence in self.problems.items())

    def with_places(self, places: Mapping[str, int | None]) -> EventQuery:
        """The same query with sequences for its times."""
        return replace(self, start=places["from"], end=places["to"], at=places["at"])


def _place(given: Mapping[str, str], name: str, now: datetime, problems: dict[str, str]) -> Position | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        return parse_position(text, now)
    except InvalidInput as error:
        problems[name] = str(error)
        return None


def _cursor(given: Mapping[str, str], name: str, problems: dict[str, str]) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        return 0 if name == "after" and text == "0" else parse_sequence(text)
    except InvalidInput as error:
        problems[name] = str(error)
        return None


def _subject(given: Mapping[str, str], problems: dict[str, str]) -> str:
    text = given.get("subject", "").strip()
    if not text:
        return ""
    try:
        return check_pattern(text)
    except InvalidInput as error:
        problems["subject"] = f"{error} Write tokens between dots, such as orders.*.paid or orders.>."
        return ""
