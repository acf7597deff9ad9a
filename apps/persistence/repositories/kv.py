"""This module is whole objects in a key-value bucket: one key `{type}.{id}` for each, with a number of earlier revisions kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from ..encoding import Value, decode, encode
from ..errors import InvalidInput
from ..events import now
from ..events.diff import diff_states
from ..store import Connection, KvEntry, ensure_bucket, kv_delete, kv_get, kv_get_many, kv_history, kv_keys, kv_put
from ..subjects import check_token
from .simple import PLAIN, Codec, Revision, Saved

T = TypeVar("T")
MAX_HISTORY = 64


@dataclass(frozen=True, kw_only=True)
class KvRepository(Generic[T]):
    """Objects of one type in one bucket, stored as DAG-CBOR. Made by `KvRepositoryBuilder`, which also makes the bucket."""

    connection: Connection
    bucket: str
    type: str
    codec: Codec[T]

    async def save(self, id: str, value: T, *, expected_version: int | None = None) -> Saved:
        """Store the object. Raises RevisionConflict, InvalidInput for an id that is no token, EncodingError for what cannot be stored."""
        data = encode(self.codec.to_value(value))
        version = await kv_put(self.connection, self.bucket, self._key(id), data, expected_revision=expected_version)
        subject = f"domain.{self.type}.state.v1"
        return Saved(id=id, type=self.type, version=version, last_modified=now(), subject=subject)

    async def load(self, id: str) -> T | None:
        """The object, or None."""
        entry = await kv_get(self.connection, self.bucket, self._key(id))
        return self._value(entry) if entry else None

    async def load_with_version(self, id: str) -> tuple[T | None, int]:
        """The object and its version, to be saved with `expected_version`; None where there is none."""
        kept = await kv_history(self.connection, self.bucket, self._key(id))
        if not kept:
            return None, 0
        newest = kept[-1]
        return (self._value(newest) if newest.operation == "put" else None), newest.revision

    async def exists(self, id: str) -> bool:
        """Whether there is one; its value is not decoded."""
        return await kv_get(self.connection, self.bucket, self._key(id)) is not None

    async def delete(self, id: str) -> None:
        """Mark it as deleted; its earlier revisions stay readable as long as the bucket keeps them."""
        await kv_delete(self.connection, self.bucket, self._key(id))

    async def ids(self) -> list[str]:
        """The ids of all objects, sorted. For buckets that fit into memory."""
        keys = await kv_keys(self.connection, self.bucket, prefix=self.type)
        alive = await kv_get_many(self.connection, self.bucket, keys)
        return sorted(key[len(self.type) + 1 :] for key in alive)

    async def revisions(self, id: str) -> list[Revision[T]]:
        """The revisions that the bucket keeps, oldest first, each with what changed since the one before."""
        found: list[Revision[T]] = []
        before: dict[str, Value] = {}
        for entry in await kv_history(self.connection, self.bucket, self._key(id)):
            is_put = entry.operation == "put"
            after = cast("dict[str, Value]", decode(entry.value)) if is_put else {}
            changes = tuple(diff_states(before, after)) if found else ()
            value = self.codec.from_value(after) if is_put else None
            found.append(Revision(version=entry.revision, time=entry.time, value=value, changes=changes))
            before = after
        return found

    def _key(self, id: str) -> str:
        return f"{self.type}.{check_token(id, 'an id')}"

    def _value(self, entry: KvEntry) -> T:
        return self.codec.from_value(cast("dict[str, Value]", decode(entry.value)))


@dataclass(frozen=True, kw_only=True)
class KvRepositoryBuilder(Generic[T]):
    """The parts of a `KvRepository`, each with its default; every method returns a builder with that part changed.

    `ttl_seconds` 0 means that nothing expires; `history` is how many revisions of each object are kept, 1 to 64.
    """

    connection: Connection | None = None
    bucket: str = "aggregates"
    type: str = "Unknown"
    history: int = 10
    ttl_seconds: int = 0
    codec: Codec[Any] = PLAIN

    def with_connection(self, connection: Connection) -> KvRepositoryBuilder[T]:
        return replace(self, connection=connection)

    def with_bucket(self, bucket: str) -> KvRepositoryBuilder[T]:
        return replace(self, bucket=bucket)

    def with_type(self, type: str) -> KvRepositoryBuilder[T]:
        return replace(self, type=type)

    def with_history(self, history: int) -> KvRepositoryBuilder[T]:
        return replace(self, history=history)

    def with_ttl_seconds(self, ttl_seconds: int) -> KvRepositoryBuilder[T]:
        return replace(self, ttl_seconds=ttl_seconds)

    def with_codec(self, codec: Codec[T]) -> KvRepositoryBuilder[T]:
        return replace(self, codec=codec)

    async def build(self) -> KvRepository[T]:
        """Make the bucket if it is not there, and the repository. Raises InvalidInput for a missing connection or a part out of range.

        A bucket that exists with another history or age is refused rather than changed behind its owner's back.
        """
        if self.connection is None:
            raise InvalidInput("The repository has no connection; give it one with with_connection.")
        if not 1 <= self.history <= MAX_HISTORY:
            raise InvalidInput(f"A history of {self.history} revisions cannot be kept; 1 to {MAX_HISTORY} can.")
        if self.ttl_seconds < 0:
            raise InvalidInput(f"A lifetime of {self.ttl_seconds} seconds makes no sense; 0 means that nothing expires.")
        check_token(self.bucket, "a bucket")
        check_token(self.type, "an aggregate type")
        made = await ensure_bucket(self.connection, self.bucket, history=self.history, ttl_seconds=self.ttl_seconds)
        there = int(made.config.get("max_msgs_per_subject", 0)), int(made.config.get("max_age", 0)) // 1_000_000_000
        if there != (self.history, self.ttl_seconds):
            raise InvalidInput(
                f"The bucket {self.bucket} keeps {there[0]} revisions for {there[1]} s, not {self.history} for {self.ttl_seconds} s; "
                "use its values, or another bucket."
            )
        return KvRepository(connection=self.connection, bucket=self.bucket, type=self.type, codec=self.codec)
