"""This module is read models in memory, for unit tests of code that takes `ReadModels`; the same tests hold for both."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from ..encoding import Value
from ..errors import RevisionConflict
from ..events import now
from ..store import KvEntry
from ..subjects import check_pattern, check_token, matches
from .model import UNDECLARED, Model, ModelSchema, ReadModelMetadata, StoredModel, check_model_key, from_entry, to_bytes
from .options import QueryOptions, QueryResult
from .selection import Selection

_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class MemoryReadModelStore:
    """Models as bytes, so that what cannot be stored in a bucket cannot be stored here either."""

    schemas: Mapping[str, ModelSchema] = field(default_factory=dict)
    _newest: dict[str, KvEntry] = field(default_factory=dict)

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
        """As `ReadModels.save`."""
        known = ReadModelMetadata(
            id=id,
            model_type=model_type,
            schema_version=self.schemas.get(model_type, UNDECLARED).version,
            last_updated=now(),
            last_event_position=last_event_position,
            metadata=dict(metadata or {}),
        )
        stored = StoredModel(model=dict(model), metadata=known)
        key, value = check_model_key(stored.key), to_bytes(stored)
        before = self._newest.get(key)
        if expected_revision is not None and expected_revision != (before.revision if before else 0):
            raise RevisionConflict(key, expected=expected_revision)
        return from_entry(self._write(key, value), self.schemas)

    async def load(self, model_type: str, id: str) -> StoredModel | None:
        """As `ReadModels.load`."""
        return await self.find(check_model_key(f"{model_type}.{id}"))

    async def find(self, key: str) -> StoredModel | None:
        """As `ReadModels.find`."""
        entry = self._newest.get(key)
        return from_entry(entry, self.schemas) if entry and entry.operation == "put" else None

    async def delete(self, model_type: str, id: str) -> int:
        """As `ReadModels.delete`."""
        return self._write(check_model_key(f"{model_type}.{id}"), None).revision

    async def list(self, model_type: str, *, limit: int = 100, offset: int = 0) -> QueryResult:
        """As `ReadModels.list`."""
        return await self.query(QueryOptions(pattern=f"{check_token(model_type, 'a model type')}.>", limit=limit, offset=offset))

    async def query(self, options: QueryOptions) -> QueryResult:
        """As `ReadModels.query`."""
        started = time.perf_counter()
        selection = Selection(options)
        async for part in self.scan(options.pattern):
            for stored in part:
                selection.add(stored)
        return selection.result(execution_time_ms=(time.perf_counter() - started) * 1000)

    async def scan(self, pattern: str = ">") -> AsyncIterator[tuple[StoredModel, ...]]:
        """As `ReadModels.scan`."""
        check_pattern(pattern)
        keys = sorted(key for key, entry in self._newest.items() if entry.operation == "put" and matches(pattern, key))
        for start in range(0, len(keys), _AT_ONCE):
            yield tuple(from_entry(self._newest[key], self.schemas) for key in keys[start : start + _AT_ONCE])

    def _write(self, key: str, value: bytes | None) -> KvEntry:
        revision = max((entry.revision for entry in self._newest.values()), default=0) + 1
        entry = KvEntry(bucket="memory", key=key, value=value or b"", revision=revision, time=now())
        entry = entry if value is not None else replace(entry, operation="delete")
        self._newest[key] = entry
        return entry
