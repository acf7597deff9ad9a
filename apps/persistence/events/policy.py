"""This module is the snapshot policy: when an aggregate of a type is due for a snapshot, and how many of them are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..errors import InvalidInput
from ..subjects import check_token

MOST_KEPT = 5
"""The bucket of snapshots holds so many for each aggregate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPolicy:
    """When an aggregate is due: as soon as one of these holds, and something happened since its newest snapshot.

    `every_events` came since then; the snapshot is older than `max_age` (an aggregate that has none is due at once); an event of one of
    `event_types` came since then. `keep` is how many snapshots stay.
    """

    every_events: int | None = None
    max_age: timedelta | None = None
    event_types: tuple[str, ...] = ()
    keep: int = MOST_KEPT

    def __post_init__(self) -> None:
        if self.every_events is None and self.max_age is None and not self.event_types:
            raise InvalidInput("A snapshot policy needs every_events, max_age or event_types; without them nothing is ever due.")
        if self.every_events is not None and self.every_events < 1:
            raise InvalidInput(f"every_events is {self.every_events}; it must be at least 1.")
        if not 1 <= self.keep <= MOST_KEPT:
            raise InvalidInput(f"keep is {self.keep}; of each aggregate 1 to {MOST_KEPT} snapshots can be kept.")
        for name in self.event_types:
            check_token(name, "an event type")

    def __str__(self) -> str:
        """In words, as in `every 100 events, or after 1 day; 3 kept`."""
        rules = [f"every {self.every_events:,} events"] if self.every_events is not None else []
        rules += [f"after {_span(self.max_age)}"] if self.max_age is not None else []
        rules += [f"after {' or '.join(self.event_types)}"] if self.event_types else []
        return f"{', or '.join(rules)}; {self.keep} kept"


def _span(age: timedelta) -> str:
    """In the largest unit that divides it."""
    seconds = int(age.total_seconds())
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size:,} {name}{'' if seconds == size else 's'}"
    return f"{seconds:,} seconds"
