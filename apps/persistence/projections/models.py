"""This module is where a build of a projection keeps its models and its position: read in bulk, written in one atomic batch.

Every batch holds the changed models and, last, `_position`, and is stored only if `_position` is still at the revision that this writer
knows. So a batch counts exactly once, and a writer that another has overtaken is refused by the server.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import RevisionConflict, ServerRefused, Unavailable
from ..store import Connection, Message, Outgoing, ensure_bucket, get_last, last_of_each, store_batch, store_message, to_entry
from ..store.api_errors import SEQUENCE_IN_PROCESS, WRONG_LAST_SEQUENCE
from ..store.publish import EXPECTED_SEQUENCE
from .definition import ProjectionDefinition, bucket_of

POSITION_KEY = "_position"
MAX_CHANGES = 999
"""Models in one batch: the server takes 1,000 messages, and one is the position."""
CACHE_BYTES = 64 * 1024 * 1024
_KEYS_PER_REQUEST = 1000
_ENTRY_OVERHEAD = 200
_FRESH_TRIES = 40
_LOOK_TRIES = 10
_FRESH_PAUSE_SECONDS = 0.05
_DELETED = {"KV-Operation": "DEL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a build has come: the sequence of the last event it applied, and how many it applied in all.

    `version` is that of the definition. `left_out` are the events up to `sequence` that it passed over, as an operator had decided.
    `revision` and `written_at` are the server's, 0 and None before the first batch.
    """

    sequence: int = 0
    applied: int = 0
    version: int = 0
    left_out: tuple[int, ...] = ()
    revision: int = 0
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The stream of a build's models, what their subjects begin with, and the subject of its position."""

    stream: str
    prefix: str
    position: str


def place_of(definition: ProjectionDefinition, build: int) -> Place:
    """Where build `build` keeps its models."""
    bucket = bucket_of(definition.name, build)
    target = definition.target
    if target is None:
        return Place(stream=f"KV_{bucket}", prefix=f"$KV.{bucket}.", position=f"$KV.{bucket}.{POSITION_KEY}")
    return Place(stream=target.stream, prefix=f"{target.prefix}.", position=f"{target.prefix}.{POSITION_KEY}.{bucket}")


async def read_position(connection: Connection, place: Place, *, leader: bool = False) -> Position:
    """The position of a build. Raises StreamNotFound where the build was never begun."""
    message = await get_last(connection, place.stream, place.position, leader=leader)
    return _to_position(message) if message else Position()


class ModelBucket:
    """The models of one build, for its one writer. What was read or written stays in memory (as bytes, at most `cache_bytes`)."""

    def __init__(self, connection: Connection, definition: ProjectionDefinition, build: int, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.place = place_of(definition, build)
        self.position = Position()
        self.is_wrapped = definition.target is None
        self.connection = connection
        self._definition = definition
        self._bucket = bucket_of(definition.name, build)
        self._cache: OrderedDict[str, bytes | None] = OrderedDict()
        self._cached_bytes = 0
        self._cache_bytes = cache_bytes
        self._is_all_cached = False
        self._attempted = 0

    async def open(self, *, replicas: int = 1) -> Position:
        """Create the bucket if it is not there, forget what is in memory, and read the position.

        Raises RevisionConflict if another writer has moved it since this one knew it.
        """
        if self.is_wrapped:
            await ensure_bucket(self.connection, self._bucket, replicas=replicas)
        known = self.position
        found = await read_position(self.connection, self.place, leader=True)
        if known.revision and found.revision != known.revision and found.sequence != self._attempted:
            raise RevisionConflict(self.place.position, expected=known.revision)
        self._forget()
        self.position = found if found.version else replace(found, version=self._definition.version)
        self._is_all_cached = self.is_wrapped and found.revision == 0
        return self.position

    async def fetch(self, keys: Iterable[str]) -> dict[str, bytes | None]:
        """The stored bytes of each model, None where there is none. Raises RevisionConflict if another writer moved the position."""
        found: dict[str, bytes | None] = {}
        missing: list[str] = []
        for key in keys:
            if key in self._cache:
                found[key] = self._cache[key]
                self._cache.move_to_end(key)
            elif self._is_all_cached:
                found[key] = None
            else:
                missing.append(key)
        for start in range(0, len(missing), _KEYS_PER_REQUEST):
            part = await self._read(missing[start : start + _KEYS_PER_REQUEST])
            self._remember(part)
            found.update(part)
        return found

    async def commit(
        self, changes: Mapping[str, bytes | None], *, sequence: int, applied: int, left_out: Iterable[int] | None = None
    ) -> Position:
        """Store `changes` (None deletes) and the new position, all or nothing; `left_out` replaces the list that it has.

        Raises RevisionConflict if this is no longer the only writer; Unavailable when it is not known whether it was stored: `open` again.
        """
        self._attempted = sequence
        before = self.position
        after = replace(before, sequence=sequence, applied=before.applied + applied)
        if left_out is not None:
            after = replace(after, left_out=tuple(left_out))
        final = Outgoing(self.place.position, _position_bytes(after), {EXPECTED_SEQUENCE: str(before.revision)})
        messages = [self._outgoing(key, data) for key, data in changes.items()]
        try:
            ack = await (store_batch(self.connection, [*messages, final]) if messages else store_message(self.connection, final))
        except ServerRefused as error:
            if error.err_code in (WRONG_LAST_SEQUENCE, SEQUENCE_IN_PROCESS):
                raise RevisionConflict(self.place.position, expected=before.revision) from error
            raise
        self._remember(changes)
        self.position = replace(after, revision=ack.sequence)
        return self.position

    def _outgoing(self, key: str, data: bytes | None) -> Outgoing:
        return Outgoing(f"{self.place.prefix}{key}", b"" if data is None else data, _DELETED if data is None else {})

    async def _read(self, keys: list[str]) -> dict[str, bytes | None]:
        """Read through any replica; the position is read with the models, so a replica that lags is noticed and asked again."""
        subjects = [f"{self.place.prefix}{key}" for key in keys]
        for _ in range(_FRESH_TRIES):
            messages = await last_of_each(self.connection, self.place.stream, [*subjects, self.place.position])
            revisions = [message.sequence for message in messages if message.subject == self.place.position]
            revision = revisions[0] if revisions else 0
            if revision == self.position.revision:
                return self._by_key(keys, messages)
            if revision > self.position.revision:
                raise RevisionConflict(self.place.position, expected=self.position.revision)
            await asyncio.sleep(_FRESH_PAUSE_SECONDS)
        raise Unavailable(f"A replica of {self.place.stream} is behind position {self.position.sequence:,}; check the cluster's replicas.")

    def _by_key(self, keys: list[str], messages: list[Message]) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = dict.fromkeys(keys)
        start = len(self.place.prefix)
        for message in messages:
            key = message.subject[start:]
            if key in found and to_entry("", message).operation == "put":
                found[key] = message.data
        return found

    def _remember(self, models: Mapping[str, bytes | None]) -> None:
        for key, data in models.items():
            if key in self._cache:
                self._cached_bytes -= len(self._cache.pop(key) or b"") + _ENTRY_OVERHEAD
            self._cache[key] = data
            self._cached_bytes += len(data or b"") + _ENTRY_OVERHEAD
        while self._cached_bytes > self._cache_bytes and self._cache:
            _, data = self._cache.popitem(last=False)
            self._cached_bytes -= len(data or b"") + _ENTRY_OVERHEAD
            self._is_all_cached = False

    def _forget(self) -> None:
        self._cache.clear()
        self._cached_bytes = 0


async def fetch_now(models: ModelBucket, keys: Iterable[str]) -> dict[str, bytes | None]:
    """Models of a build that others write, as they are at one moment; for who only looks. Raises StreamNotFound, or RevisionConflict
    where they write faster than it can be read.
    """
    wanted = list(keys)
    for _ in range(_LOOK_TRIES):
        models.position = await read_position(models.connection, models.place)
        with suppress(RevisionConflict):
            return await models.fetch(wanted)
    raise RevisionConflict(models.place.position, expected=models.position.revision)


def changed_last_by(data: bytes) -> int:
    """The sequence of the newest event in a stored model, or 0 where it does not say."""
    value = decode(data)
    metadata = value.get("metadata") if isinstance(value, dict) else None
    known = metadata.get("last_event_position") if isinstance(metadata, dict) else None
    return known if isinstance(known, int) else 0


def _position_bytes(position: Position) -> bytes:
    fields: dict[str, Value] = {"sequence": position.sequence, "applied": position.applied, "version": position.version}
    return encode({**fields, "left_out": list(position.left_out)} if position.left_out else fields)


def _to_position(message: Message) -> Position:
    fields = cast("dict[str, Value]", decode(message.data))
    return Position(
        sequence=cast(int, fields["sequence"]),
        applied=cast(int, fields["applied"]),
        version=cast(int, fields["version"]),
        left_out=tuple(cast("list[int]", fields.get("left_out", []))),
        revision=message.sequence,
        written_at=message.time,
    )
