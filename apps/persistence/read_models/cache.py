"""This module is the near cache: models in the memory of this process, as many as are allowed, kept right by the bucket's watch.

A change by any process replaces or drops what is held. While the watch does not know that it sees everything (the link is broken, or was a
moment ago), nothing is answered from memory. No absence is held, so a model that somebody just made is always found.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..encoding import Value
from ..errors import InvalidInput
from ..events import now
from ..store import KvEntry, StreamInfo, kv_get
from .model import Model, StoredModel, check_model_key
from .store import ReadModelStore
from .watch import BucketWatch, watching

_CHANGES_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFigures:
    """What the cache did since it was opened. `dropped` counts what the watch took out or replaced, `evicted` what had no more room."""

    models: int
    max_models: int
    hits: int
    misses: int
    dropped: int
    evicted: int

    @property
    def hit_rate(self) -> float:
        """The share of loads that were answered from memory, 0 before the first."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


@dataclass(slots=True, kw_only=True)
class _Held:
    entry: KvEntry
    until: float


@dataclass(slots=True, kw_only=True)
class _Counts:
    hits: int = 0
    misses: int = 0
    dropped: int = 0
    evicted: int = 0


@dataclass(kw_only=True)
class NearCache:
    """A read model store with a memory. Made by `open_near_cache`; what it hands out is the caller's own copy."""

    store: ReadModelStore
    max_models: int
    ttl_seconds: float
    watch: BucketWatch = field(init=False)
    _held: OrderedDict[str, _Held] = field(default_factory=OrderedDict)
    _changes: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _counts: _Counts = field(default_factory=_Counts)
    _bucket: StreamInfo | None = None

    async def load(self, model_type: str, id: str) -> StoredModel | None:
        """As `ReadModelStore.load`, from memory where it is held and known to be the newest."""
        key = check_model_key(f"{model_type}.{id}")
        held = self._find(key)
        if held is not None:
            self._counts.hits += 1
            return self.store.read(held)
        self._counts.misses += 1
        entry = await kv_get(self.store.connection, self.store.bucket, key)
        if entry is None:
            return None
        self._hold(entry)
        return self.store.read(entry)

    async def save(
        self,
        model_type: str,
        id: str,
        model: Model,
        *,
        last_event_position: int = 0,
        metadata: Mapping[str, Value] | None = None,
        expected_revision: int | None = None,
    ) -> StoredModel:
        """As `ReadModelStore.save`; the next load gives what was saved, or newer."""
        stored = await self.store.save(
            model_type,
            id,
            model,
            last_event_position=last_event_position,
            metadata=metadata,
            expected_revision=expected_revision,
        )
        self._note(stored.key, stored.revision)
        return stored

    async def delete(self, model_type: str, id: str) -> int:
        """As `ReadModelStore.delete`."""
        revision = await self.store.delete(model_type, id)
        self._note(f"{model_type}.{id}", revision)
        return revision

    def figures(self) -> CacheFigures:
        """What it holds and did."""
        known = self._counts
        return CacheFigures(
            models=len(self._held),
            max_models=self.max_models,
            hits=known.hits,
            misses=known.misses,
            dropped=known.dropped,
            evicted=known.evicted,
        )

    async def on_bucket(self, info: StreamInfo) -> int:
        """Forget everything where the bucket is another one or keys went without a message. Called by the watch."""
        before, self._bucket = self._bucket, info
        if before is None:
            return info.last_sequence
        is_another = before.created != info.created or info.last_sequence < self.watch.position
        if is_another or not info.messages or info.subject_count < before.subject_count:
            self._drop(list(self._held))
        elif info.first_sequence > before.first_sequence:
            self._drop([key for key, held in self._held.items() if held.entry.revision < info.first_sequence])
        if is_another:
            self._changes.clear()
        return info.last_sequence if is_another else self.watch.position

    async def on_changes(self, entries: list[KvEntry]) -> None:
        """Drop what is older than a change. Called by the watch."""
        for entry in entries:
            self._note(entry.key, entry.revision)

    def _drop(self, keys: list[str]) -> None:
        for key in keys:
            del self._held[key]
        self._counts.dropped += len(keys)

    def _find(self, key: str) -> KvEntry | None:
        held = self._held.get(key)
        if held is None or not self.watch.is_current:
            return None
        if time.monotonic() >= held.until or self._has_expired(held.entry.time):
            del self._held[key]
            return None
        self._held.move_to_end(key)
        return held.entry

    def _has_expired(self, stored_at: datetime) -> bool:
        """Whether the bucket's own age has ended it."""
        nanoseconds = int(self._bucket.config.get("max_age", 0)) if self._bucket else 0
        return bool(nanoseconds) and now() - stored_at >= timedelta(microseconds=nanoseconds // 1000)

    def _hold(self, entry: KvEntry) -> None:
        """Keep what was read, unless it changed while it was, or a replica that lags has answered."""
        if entry.revision < self._changes.get(entry.key, 0) or not self.watch.is_current or not self.max_models:
            return
        self._held[entry.key] = _Held(entry=entry, until=time.monotonic() + self.ttl_seconds)
        self._held.move_to_end(entry.key)
        while len(self._held) > self.max_models:
            self._held.popitem(last=False)
            self._counts.evicted += 1

    def _note(self, key: str, revision: int) -> None:
        self._changes[key] = max(revision, self._changes.get(key, 0))
        self._changes.move_to_end(key)
        if len(self._changes) > _CHANGES_REMEMBERED:
            self._changes.popitem(last=False)
        held = self._held.get(key)
        if held is not None and held.entry.revision < revision:
            del self._held[key]
            self._counts.dropped += 1


@asynccontextmanager
async def open_near_cache(store: ReadModelStore, *, max_models: int = 1000, ttl_seconds: float = 300.0) -> AsyncIterator[NearCache]:
    """Load models through a cache of at most `max_models` (those used last), each for `ttl_seconds` at most.

    Raises InvalidInput, and StreamNotFound where the bucket is missing.
    """
    if max_models < 0 or ttl_seconds < 0:
        raise InvalidInput(f"A cache of {max_models} models for {ttl_seconds} s makes no sense; 0 of either holds nothing.")
    cache = NearCache(store=store, max_models=max_models, ttl_seconds=ttl_seconds)
    async with watching(store.connection, store.bucket, cache) as watch:
        cache.watch = watch
        yield cache
