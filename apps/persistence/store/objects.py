"""This module is object buckets as JetStream has them (ADR-20): large files in chunks, with size and digest, as other clients read them.

A bucket is a stream `OBJ_…`: chunks lie under `$O.{bucket}.C.{nuid}`, one record for each name under `$O.{bucket}.M.{name}`. The record is
written last, so a file is there whole or not at all. Reads are Direct Gets; every chunk says which chunk it follows, so that two writers
of one file cannot mix.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import ContinuityLost, InvalidInput, KeyNotFound
from ..events import format_time, now, parse_time
from .connection import Connection
from .message import Message
from .publish import EXPECTED_SEQUENCE, Outgoing, store_message
from .read import get_last, read_batch
from .store import ensure_stream
from .streams import StreamInfo

CHUNK_BYTES = 512 * 1024
READ_BYTES = 2 * 1024 * 1024
MAX_NAME = 200
_NAME = re.compile(r"[-_=a-zA-Z0-9](?:[-_=.a-zA-Z0-9]*[-_=a-zA-Z0-9])?", re.ASCII)
_HEADER_ROOM = 4096
_ROLLUP = {"Nats-Rollup": "sub"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """A file of a bucket. `digest` is the SHA-256 of its bytes in hexadecimal; `metadata` is what its writer says of it."""

    bucket: str
    name: str
    nuid: str
    size: int
    chunks: int
    digest: str
    written: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


async def ensure_object_bucket(connection: Connection, bucket: str, *, description: str, max_age_seconds: int = 0) -> StreamInfo:
    """The bucket, created if it is not there. `max_age_seconds`: files vanish by themselves after that time; 0 keeps them."""
    return await ensure_stream(
        connection,
        {
            "name": f"OBJ_{bucket}",
            "description": description,
            "subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_age": max_age_seconds * 1_000_000_000,
            "allow_direct": True,
            "allow_rollup_hdrs": True,
        },
    )


async def list_objects(connection: Connection, bucket: str) -> list[StoredObject]:
    """Every file of the bucket, in the order in which they were written."""
    found: list[StoredObject] = []
    position = 1
    while True:
        batch = await read_batch(connection, f"OBJ_{bucket}", from_sequence=position, limit=500, pattern=f"$O.{bucket}.M.>")
        found.extend(stored for message in batch.messages if (stored := _read_record(bucket, message)))
        if not batch.pending or not batch.messages:
            return found
        position = batch.messages[-1].sequence + 1


async def find_object(connection: Connection, bucket: str, name: str) -> StoredObject | None:
    """One file, or None."""
    message = await get_last(connection, f"OBJ_{bucket}", _record_subject(bucket, name))
    return _read_record(bucket, message) if message else None


async def read_object(connection: Connection, stored: StoredObject, *, after: int = 0) -> AsyncIterator[tuple[int, bytes]]:
    """The chunks of a file, each with the sequence behind which to go on. Raises ContinuityLost where its bytes are not all there."""
    size, sha256, position = 0, hashlib.sha256(), after
    while True:
        messages = await read_chunks(connection, stored, after=position)
        for message in messages:
            position = message.sequence
            size += len(message.data)
            sha256.update(message.data)
            yield position, message.data
        if not messages:
            break
    if not after and (size != stored.size or sha256.hexdigest() != stored.digest):
        raise ContinuityLost(f"{stored.name} is not what was written: {size:,} of {stored.size:,} bytes, SHA-256 {sha256.hexdigest()}.")


async def read_chunks(connection: Connection, stored: StoredObject, *, after: int = 0) -> tuple[Message, ...]:
    """The next chunks of a file behind the sequence `after`, about 2 MB of them; none at its end."""
    pattern = f"$O.{stored.bucket}.C.{stored.nuid}"
    batch = await read_batch(connection, f"OBJ_{stored.bucket}", from_sequence=after + 1, limit=64, pattern=pattern, max_bytes=READ_BYTES)
    return batch.messages


async def delete_object(connection: Connection, bucket: str, name: str) -> None:
    """Delete a file for good. Raises KeyNotFound."""
    stored = await find_object(connection, bucket, name)
    if stored is None:
        raise KeyNotFound(f"There is no file {name[:80]!r} in {bucket}; it may have been deleted already.")
    await drop_chunks(connection, bucket, stored.nuid)
    await connection.api(f"STREAM.PURGE.OBJ_{bucket}", {"filter": _record_subject(bucket, name)}, stream=f"OBJ_{bucket}")


async def drop_chunks(connection: Connection, bucket: str, nuid: str) -> None:
    """Take away the chunks of a file, also of one that was never finished."""
    await connection.api(f"STREAM.PURGE.OBJ_{bucket}", {"filter": f"$O.{bucket}.C.{nuid}"}, stream=f"OBJ_{bucket}")


class ObjectWriter:
    """Writes one file chunk by chunk. Made by `open_writer`; nothing is to be seen of the file before `finish`."""

    def __init__(self, connection: Connection, bucket: str, nuid: str) -> None:
        self.size = 0
        self.chunks = 0
        self.nuid = nuid
        self._connection = connection
        self._bucket = bucket
        self._sha256 = hashlib.sha256()
        self._last_sequence = 0
        self._chunk_bytes = min(CHUNK_BYTES, connection.server.max_payload - _HEADER_ROOM)

    @property
    def digest(self) -> str:
        """The SHA-256 of what is written so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def take_over(self, message: Message) -> None:
        """Count a chunk that is stored already."""
        self._count(message.data, message.sequence)

    async def write(self, data: bytes) -> None:
        """Store these bytes, in as many chunks as they need. Raises ServerRefused where somebody else writes the same file."""
        for start in range(0, len(data), self._chunk_bytes):
            chunk = data[start : start + self._chunk_bytes]
            headers = {EXPECTED_SEQUENCE: str(self._last_sequence)}
            ack = await store_message(self._connection, Outgoing(f"$O.{self._bucket}.C.{self.nuid}", chunk, headers))
            self._count(chunk, ack.sequence)

    async def finish(self, name: str, metadata: Mapping[str, str]) -> StoredObject:
        """Let the file be seen under `name`; one of that name before it is replaced."""
        record: dict[str, Any] = {
            "name": check_name(name),
            "bucket": self._bucket,
            "nuid": self.nuid,
            "size": self.size,
            "chunks": self.chunks,
            "digest": f"SHA-256={urlsafe_b64encode(self._sha256.digest()).decode()}",
            "mtime": format_time(now()),
            "metadata": dict(metadata),
        }
        subject = _record_subject(self._bucket, name)
        await store_message(self._connection, Outgoing(subject, json.dumps(record).encode(), _ROLLUP))
        return _stored(self._bucket, record)

    def _count(self, chunk: bytes, sequence: int) -> None:
        self.size += len(chunk)
        self.chunks += 1
        self._sha256.update(chunk)
        self._last_sequence = sequence


async def open_writer(connection: Connection, bucket: str, nuid: str) -> ObjectWriter:
    """A writer of the file `nuid` (one token). What is stored of it already is read back, so that an interrupted writer can go on."""
    writer = ObjectWriter(connection, bucket, nuid)
    begun = StoredObject(bucket=bucket, name="", nuid=nuid, size=0, chunks=0, digest="", written=now())
    position = 0
    while messages := await read_chunks(connection, begun, after=position):
        for message in messages:
            writer.take_over(message)
        position = messages[-1].sequence
    return writer


def check_name(name: str) -> str:
    """Return `name` if a file may have it: letters, digits, `-_=.`, at most 200, no dot at an end. Raises InvalidInput."""
    if len(name) > MAX_NAME or not _NAME.fullmatch(name) or ".." in name:
        raise InvalidInput(
            f"{name[:80]!r} is no name of a file; give up to {MAX_NAME} letters, digits and - _ = . without a dot at its ends."
        )
    return name


def _record_subject(bucket: str, name: str) -> str:
    return f"$O.{bucket}.M.{urlsafe_b64encode(name.encode()).decode()}"


def _read_record(bucket: str, message: Message) -> StoredObject | None:
    """The file that a record tells of; None for one that another client deleted."""
    try:
        record = json.loads(message.data)
        return None if record.get("deleted") else _stored(bucket, record)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None  # not a record of ADR-20; nothing here can be done with it


def _stored(bucket: str, record: Mapping[str, Any]) -> StoredObject:
    return StoredObject(
        bucket=bucket,
        name=str(record["name"]),
        nuid=str(record["nuid"]),
        size=int(record["size"]),
        chunks=int(record["chunks"]),
        digest=urlsafe_b64decode(str(record["digest"]).removeprefix("SHA-256=")).hex(),
        written=parse_time(str(record["mtime"])),
        metadata={str(name): str(value) for name, value in (record.get("metadata") or {}).items()},
    )
