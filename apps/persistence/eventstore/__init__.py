"""This package is the event store behind one small protocol: on JetStream, and in memory for the unit tests of programs that use it."""

from .batcher import EventBatcher
from .cache import EventCache
from .checking import ChainBroken, OnRead, find_break
from .config import EventStoreConfig, configured, ensure_event_store
from .jetstream import JetStreamEventStore
from .memory import InMemoryEventStore
from .protocol import Behind, EventFilter, EventStore, append_many, read_many
from .story import Beginning, Caused, causation_tree, story_of

__all__ = [
    "Beginning",
    "Behind",
    "Caused",
    "ChainBroken",
    "EventBatcher",
    "EventCache",
    "EventFilter",
    "EventStore",
    "EventStoreConfig",
    "InMemoryEventStore",
    "JetStreamEventStore",
    "OnRead",
    "append_many",
    "causation_tree",
    "configured",
    "ensure_event_store",
    "find_break",
    "read_many",
    "story_of",
]
