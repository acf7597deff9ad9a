"""This package is the event: its block, its place in an aggregate, and how aggregates are folded from events."""

from .aggregate import AggregateRef, Head
from .block import Event, NewEvent, Scope, StoredEvent
from .definition import AggregateDefinition, State, fold
from .identity import format_time, new_id, now, parse_time
from .policy import SnapshotPolicy
from .upcast import EventType, Upcaster, Upcasters

__all__ = [
    "AggregateDefinition",
    "AggregateRef",
    "Event",
    "EventType",
    "Head",
    "NewEvent",
    "Scope",
    "SnapshotPolicy",
    "State",
    "StoredEvent",
    "Upcaster",
    "Upcasters",
    "fold",
    "format_time",
    "new_id",
    "now",
    "parse_time",
]
