"""This package is repositories: whole objects in a bucket, aggregates folded from their events, and both kinds in memory for unit tests.

Which when: `KvRepository` for what is only worth its newest value (settings, caches, drafts); `EventSourcedRepository` for whatever has
a history that matters; `HybridRepository` where its newest state is read far more often than it changes and may be folded ahead.
"""

from .aggregates import AggregateMetadata, AggregateRepository, Loaded, LoadOptions, SaveOptions
from .event_sourced import EventSourcedRepository
from .hybrid import HybridRepository
from .kv import KvRepository, KvRepositoryBuilder
from .memory import MemoryAggregateRepository, MemoryRepository
from .retry import retry_conflicts
from .simple import Revision, Saved, SimpleRepository

__all__ = [
    "AggregateMetadata",
    "AggregateRepository",
    "EventSourcedRepository",
    "HybridRepository",
    "KvRepository",
    "KvRepositoryBuilder",
    "LoadOptions",
    "Loaded",
    "MemoryAggregateRepository",
    "MemoryRepository",
    "Revision",
    "SaveOptions",
    "Saved",
    "SimpleRepository",
    "retry_conflicts",
]
