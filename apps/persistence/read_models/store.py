"""This module is read models in one bucket: saved, loaded, deleted, listed and queried by whoever may read the bucket.

The bucket of a projection's build has the same form, so that its models are read the same way. Nothing is kept in memory; `open_near_cache`
puts a cache before it, and the package `queries` an index beside it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..encoding import Value
from ..errors import InvalidInput, Unavailable
from ..events import now
from ..store import Connection, KvEntry, ensure_bucket, kv_delete, kv_get, kv_get_many, kv_put
from ..subjects import ModelOperation, ReadModelSubject, check_token
from .keys import key_pages
from .model import UNDECLARED, Model, ModelSchema, ReadModelMetadata, StoredModel, check_model_key, from_entry, parse_entry, to_bytes
from .options import QueryOptions, QueryResult
from .selection import Selection

READ_MODELS_BUCKET = "cim-read-models"
MAX_HISTORY = 64


@dataclass(frozen=True, kw_only=True)
class ReadModelStore:
    """The models of one bucket. `schemas` says by type which version this program knows; a type that is not in it is of version 1.

    With `as_stored` models of every version are read as they lie, for who only shows them.
    """

    connection: Connection
    bucket: str = READ_MODELS_BUCKET
    schemas: Mapping[str, ModelSchema] = field(default_factory=dict)
    as_stored: bool = False

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
        """Store the model in the version of its type that this program knows.

        With `expected_revision` only if the key is at that revision (0: it must not exist), else RevisionConflict. Raises InvalidInput for
        a key that cannot be, EncodingError for what cannot be stored.
        """
        known = ReadModelMetadata(
            id=id,
            model_type=model_type,
            schema_version=self.schemas.get(model_type, UNDECLARED).version,
            last_updated=now(),
            last_event_position=last_event_position,
            metadata=dict(metadata or {}),
        )
        stored = StoredModel(model=dict(model), metadata=known)
        key = check_model_key(stored.key)
        revision = await kv_put(self.connection, self.bucket, key, to_bytes(stored), expected_revision=expected_revision)
        await self._tell(model_type, id, ModelOperation.SAVED)
        return replace(stored, revision=revision)

    async def load(self, model_type: str, id: str) -> StoredModel | None:
        """The model and what is known of it, or None. Raises UnknownModelSchema where it is of a version that cannot be read."""
        return await self.find(check_model_key(f"{model_type}.{id}"))

    async def find(self, key: str) -> StoredModel | None:
        """The same by its key."""
        entry = await kv_get(self.connection, self.bucket, key)
        return self.read(entry) if entry else None

    def read(self, entry: KvEntry) -> StoredModel:
        """The model in an entry of the bucket. Raises UnknownModelSchema, or EncodingError where it is no model."""
        return parse_entry(entry) if self.as_stored else from_entry(entry, self.schemas)

    async def delete(self, model_type: str, id: str) -> int:
        """Mark the model as deleted and return the revision of the mark; earlier revisions stay as long as the bucket keeps them."""
        revision = await kv_delete(self.connection, self.bucket, check_model_key(f"{model_type}.{id}"))
        await self._tell(model_type, id, ModelOperation.DELETED)
        return revision

    async def _tell(self, model_type: str, id: str, operation: ModelOperation) -> None:
        """Say under `cim.readmodels` what was done, to whoever listens; it is done, whoever hears of it."""
        with suppress(Unavailable):
            notice = ReadModelSubject(type=model_type, id=id, operation=operation)
            await self.connection.publish(str(notice), self.bucket.encode())

    async def list(self, model_type: str, *, limit: int = 100, offset: int = 0) -> QueryResult:
        """The models of a type in the order of their ids, a page of them."""
        return await self.query(QueryOptions(pattern=f"{check_token(model_type, 'a model type')}.>", limit=limit, offset=offset))

    async def query(self, options: QueryOptions) -> QueryResult:
        """The models that meet the query. Only those whose keys match its pattern are fetched, and only its page is held in memory.

        Raises UnknownModelSchema for the first one that cannot be read. What is written while it runs may or may not be among the rows.
        """
        started = time.perf_counter()
        selection = Selection(options)
        async for part in self.scan(options.pattern):
            for stored in part:
                selection.add(stored)
        return selection.result(execution_time_ms=(time.perf_counter() - started) * 1000)

    async def scan(self, pattern: str = ">") -> AsyncIterator[tuple[StoredModel, ...]]:
        """Every model whose key matches, in the order of keys, up to 1,000 at a time."""
        async for keys in key_pages(self.connection, self.bucket, pattern):
            entries = await kv_get_many(self.connection, self.bucket, keys)
            yield tuple(self.read(entries[key]) for key in keys if key in entries)


@dataclass(frozen=True, kw_only=True)
class ReadModelStoreBuilder:
    """The parts of a `ReadModelStore`, each with its default; every method returns a builder with that part changed."""

    connection: Connection | None = None
    bucket: str = READ_MODELS_BUCKET
    history: int = 5
    ttl_seconds: int = 0
    schemas: Mapping[str, ModelSchema] = field(default_factory=dict)

    def with_connection(self, connection: Connection) -> ReadModelStoreBuilder:
        return replace(self, connection=connection)

    def with_bucket(self, bucket: str) -> ReadModelStoreBuilder:
        return replace(self, bucket=bucket)

    def with_history(self, history: int) -> ReadModelStoreBuilder:
        return replace(self, history=history)

    def with_ttl_seconds(self, ttl_seconds: int) -> ReadModelStoreBuilder:
        return replace(self, ttl_seconds=ttl_seconds)

    def with_schema(self, model_type: str, schema: ModelSchema) -> ReadModelStoreBuilder:
        return replace(self, schemas={**self.schemas, check_token(model_type, "a model type"): schema})

    async def build(self) -> ReadModelStore:
        """Make the bucket if it is not there (one that is stays as it is), and the store. Raises InvalidInput for a part out of range."""
        if self.connection is None:
            raise InvalidInput("The read model store has no connection; give it one with with_connection.")
        if not 1 <= self.history <= MAX_HISTORY:
            raise InvalidInput(f"A history of {self.history} revisions cannot be kept; 1 to {MAX_HISTORY} can.")
        if self.ttl_seconds < 0:
            raise InvalidInput(f"A lifetime of {self.ttl_seconds} seconds makes no sense; 0 means that nothing expires.")
        check_token(self.bucket, "a bucket")
        await ensure_bucket(self.connection, self.bucket, history=self.history, ttl_seconds=self.ttl_seconds)
        return ReadModelStore(connection=self.connection, bucket=self.bucket, schemas=dict(self.schemas))
