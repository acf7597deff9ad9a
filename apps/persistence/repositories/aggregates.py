"""This module is what every repository of aggregates can do, whichever way it keeps them, and the options that each of them honours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..encoding import Cid, Value
from ..events import Event, NewEvent, State

DELETED = "deleted"
"""The type of the event that ends an aggregate: it is then found no more, and its history stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateMetadata:
    """What is known of an aggregate at a version. `last_modified` is the server's time of that version, UTC; `metadata` is its event's."""

    id: str
    type: str
    version: int
    last_modified: datetime
    subject: str
    state_cid: Cid
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveOptions:
    """`expected_version` (0: it must not exist; None: whatever it is), a snapshot afterwards, metadata for each event."""

    expected_version: int | None = None
    create_snapshot: bool = False
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """At `version` (None: the newest) or as known at `as_of`, from a snapshot where one fits, over at most `max_events` events."""

    version: int | None = None
    as_of: datetime | None = None
    use_snapshot: bool = True
    max_events: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A state. `is_complete` is False where `max_events` ended the fold before the version that was asked for."""

    state: State
    metadata: AggregateMetadata
    events_read: int
    is_complete: bool = True


class AggregateRepository(Protocol):
    """Aggregates of one type by id."""

    async def save(self, id: str, events: Sequence[NewEvent], options: SaveOptions | None = None) -> AggregateMetadata:
        """Append the events, all or none. Raises VersionConflict and InvalidEvent."""

    async def load(self, id: str, options: LoadOptions | None = None) -> Loaded:
        """The state. Raises AggregateNotFound for one that never was or was deleted, NotFound for a version beyond the newest."""

    async def exists(self, id: str) -> bool:
        """Whether there is one that was not deleted."""

    async def delete(self, id: str) -> None:
        """End it by an event of type `deleted`; nothing of its history goes. Raises AggregateNotFound."""

    async def history(self, id: str, *, from_version: int = 1, to_version: int | None = None) -> tuple[Event, ...]:
        """The events of these versions, both included, in order."""
