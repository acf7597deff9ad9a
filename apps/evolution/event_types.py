"""This module is event types as they are stored and as they are read: each schema that there is, and the upcaster that leads on from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from apps.persistence.events import Upcaster, Upcasters
from apps.persistence.projections.builtin import EventTypeCount
from apps.persistence.store import Layout

Key = tuple[str, str, str]


class Reading(StrEnum):
    """How events of a schema are read."""

    NEWEST = "newest"
    UPCAST = "upcast"
    STRANDED = "stranded"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One schema of an event type. `stored` is None where only an upcaster knows it; `step` leads on from it."""

    number: int
    newest: int
    stored: EventTypeCount | None = None
    step: Upcaster | None = None

    @property
    def reading(self) -> Reading:
        if self.step is not None:
            return Reading.UPCAST
        if self.number == self.newest:
            return Reading.NEWEST
        return Reading.STRANDED if self.number < self.newest else Reading.AHEAD

    @property
    def is_unreadable(self) -> bool:
        """Whether events are stored that reach code which knows another schema."""
        return self.stored is not None and self.reading in (Reading.STRANDED, Reading.AHEAD)

    @property
    def state(self) -> str:
        """The state as components know it."""
        return {Reading.NEWEST: "ok", Reading.UPCAST: "info"}.get(self.reading, "bad" if self.stored else "off")

    @property
    def words(self) -> str:
        """How it is read, in a few words."""
        return {
            Reading.NEWEST: "Newest",
            Reading.UPCAST: f"Upcast to {self.newest}",
            Reading.STRANDED: "Nobody can upcast it",
            Reading.AHEAD: "Newer than the code",
        }[self.reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """An event type with all its schemas, oldest first. `layout` is where those lie that were counted."""

    key: Key
    schemas: tuple[Schema, ...]
    layout: Layout

    @property
    def name(self) -> str:
        return ".".join(self.key)

    @property
    def aggregate(self) -> tuple[str, str]:
        return self.key[:2]

    @property
    def pattern(self) -> str:
        """The subjects of all its events."""
        context, aggregate, event = self.key
        return self.layout.pattern_of(context=context, aggregate=aggregate, event=event)

    @property
    def has_chain(self) -> bool:
        """Whether an upcaster reads it."""
        return any(schema.step for schema in self.schemas)

    @property
    def stored(self) -> list[EventTypeCount]:
        return [schema.stored for schema in self.schemas if schema.stored]

    @property
    def events(self) -> int:
        return sum(one.events for one in self.stored)

    @property
    def first(self) -> EventTypeCount | None:
        """The schema whose first event is the first of all."""
        return min(self.stored, key=lambda one: one.first_sequence, default=None)

    @property
    def last(self) -> EventTypeCount | None:
        """The schema whose last event is the last of all."""
        return max(self.stored, key=lambda one: one.last_sequence, default=None)

    @property
    def last_time(self) -> datetime | None:
        return self.last.last_time if self.last else None

    @property
    def unreadable(self) -> list[Schema]:
        """The schemas of which events are stored that nobody can upcast."""
        return [schema for schema in self.schemas if schema.is_unreadable]


def event_kinds(counts: Iterable[EventTypeCount], upcasters: Upcasters, layout: Layout) -> tuple[EventKind, ...]:
    """Every event type that is stored or that an upcaster reads, by name."""
    found: dict[Key, dict[int, EventTypeCount]] = {key: {} for key in upcasters.chains}
    for count in counts:
        found.setdefault((count.context, count.aggregate, count.type), {})[count.schema] = count
    return tuple(
        EventKind(key=key, schemas=_schemas(stored, upcasters.chains.get(key, ())), layout=layout) for key, stored in sorted(found.items())
    )


def _schemas(stored: dict[int, EventTypeCount], chain: Sequence[Upcaster]) -> tuple[Schema, ...]:
    """Without upcasters the highest schema that is stored counts as the newest."""
    steps = {step.from_schema: step for step in chain}
    newest = chain[-1].to if chain else max(stored)
    numbers = sorted({*stored, *steps, newest})
    return tuple(Schema(number=number, newest=newest, stored=stored.get(number), step=steps.get(number)) for number in numbers)
