"""This package is the event store behind one small protocol: on JetStream, and in memory for the unit tests of programs that use it."""

from .cache import EventCache
from .jetstream import JetStreamEventStore
from .memory import InMemoryEventStore
from .protocol import Behind, EventFilter, EventStore, read_many

__all__ = ["Behind", "EventCache", "EventFilter", "EventStore", "InMemoryEventStore", "JetStreamEventStore", "read_many"]
