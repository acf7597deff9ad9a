"""This package is the event: its block, its place in an aggregate, and how aggregates are folded from events."""

from .aggregate import AggregateDefinition, AggregateRef, Head, State, fold
from .block import Event, NewEvent, Scope, StoredEvent
from .identity import format_time, new_id, now, parse_time
from .upcast import Upcaster, Upcasters

__all__ = [
    "AggregateDefinition",
    "AggregateRef",
    "Event",
    "Head",
    "NewEvent",
    "Scope",
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
