"""This package is the event: its block, its place in an aggregate, and how aggregates are folded from events."""

from .aggregate import AggregateRef, Head
from .block import Event, NewEvent, Scope, StoredEvent
from .cipher import Algorithm, Key, Sealed, sealed_in
from .definition import AggregateDefinition, State, fold
from .flags import Flags, FlagState, SchemaFlag
from .identity import format_time, new_id, now, parse_time
from .key_files import FileKeys
from .keys import Destruction, InMemoryKeys, KeyStore
from .opening import OPENING, STATE, Opening, is_opening, read_opening
from .policy import SnapshotPolicy
from .sealing import Sealing
from .upcast import EventType, Upcaster, Upcasters

__all__ = [
    "OPENING",
    "STATE",
    "AggregateDefinition",
    "AggregateRef",
    "Algorithm",
    "Destruction",
    "Event",
    "EventType",
    "FileKeys",
    "FlagState",
    "Flags",
    "Head",
    "InMemoryKeys",
    "Key",
    "KeyStore",
    "NewEvent",
    "Opening",
    "SchemaFlag",
    "Scope",
    "Sealed",
    "Sealing",
    "SnapshotPolicy",
    "State",
    "StoredEvent",
    "Upcaster",
    "Upcasters",
    "fold",
    "format_time",
    "is_opening",
    "new_id",
    "now",
    "parse_time",
    "read_opening",
    "sealed_in",
]
