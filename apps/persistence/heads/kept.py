"""This module is the manifests that are kept: the bytes in an object bucket under their CID, and that CID as an event of CIM-CONSOLE.

The event is of the aggregate `console.heads.{stream}`, so that each manifest follows the one before it in a chain that verification and the
log of CIM-CONSOLE cover. The bucket by itself proves nothing: only bytes that hash to the CID in the newest event are a manifest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from blake3 import blake3

from ..chain import verify_aggregate
from ..encoding import Cid, Value
from ..encoding.cid import OUR_PREFIX
from ..errors import CidNotFound, ContentDamaged, InvalidInput, StreamNotFound, Unavailable, VersionConflict
from ..events import AggregateDefinition, AggregateRef, Event, NewEvent, State, StoredEvent, format_time, parse_time
from ..store import (
    CONSOLE,
    Connection,
    Message,
    Store,
    StoredObject,
    append,
    drop_chunks,
    ensure_object_bucket,
    find_object,
    head_of,
    load,
    open_writer,
    read_chunks,
)
from ..subjects import is_token
from .manifest import Heading, HeadRow, ManifestReader

HEADS_BUCKET = "cim-heads"
HEADS_TYPE = "heads"
RECORDED = "heads_recorded"
STEP = 512 * 1024

Parts = Callable[[], Iterator[bytes]]


class BucketUnavailable(Unavailable):
    """The bucket of the manifests does not answer now; that says nothing of what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest as its event names it: of `aggregates` aggregates, up to `sequence`, read at `at`.

    `created` tells the stream from another one of that name; `run` recorded it for `by`; `version` is that of the event.
    """

    stream: str
    sequence: int
    at: datetime
    cid: Cid
    aggregates: int
    bytes: int
    created: str
    run: str
    by: str
    version: int

    @property
    def heading(self) -> Heading:
        return Heading(stream=self.stream, sequence=self.sequence, at=format_time(self.at))


def heads_ref(stream: str) -> AggregateRef:
    """The aggregate of a stream's manifests; a name that cannot stand in a subject is there by its hash."""
    return AggregateRef("console", HEADS_TYPE, stream if is_token(stream) else f"hash-{blake3(stream.encode()).hexdigest()[:32]}")


async def newest_manifest(store: Store, stream: str) -> Manifest | None:
    """The newest manifest of a stream, its events in CIM-CONSOLE verified; None where none was recorded.

    Raises ContentDamaged where the chain of its events is not intact.
    """
    newest = await find_manifest(store, stream)
    if newest is None:
        return None
    verdict = await verify_aggregate(store.on(CONSOLE), heads_ref(stream))
    if not verdict.intact:
        raise ContentDamaged(f"The record of the heads of {stream} is not intact, so it proves nothing: {verdict.findings[0].explanation}")
    return newest


async def find_manifest(store: Store, stream: str) -> Manifest | None:
    """The same without verifying anything, for a page."""
    try:
        events = (await load(store.on(CONSOLE), heads_ref(stream))).events
    except StreamNotFound:
        return None
    return _manifest(events[-1]) if events else None


async def record_manifest(store: Store, manifest: Manifest) -> None:
    """Append the event, once for each run. Raises VersionConflict where another run recorded one after `manifest.version`."""
    payload: dict[str, Value] = {
        "stream": manifest.stream,
        "sequence": manifest.sequence,
        "at": format_time(manifest.at),
        "manifest": manifest.cid,
        "aggregates": manifest.aggregates,
        "bytes": manifest.bytes,
        "created": manifest.created,
        "run": manifest.run,
    }
    console = store.on(CONSOLE)
    head = await head_of(console, heads_ref(manifest.stream), leader=True)
    if head.version != manifest.version - 1:
        raise VersionConflict(head.aggregate, expected=manifest.version - 1, actual=head.version)
    await append(console, head, [NewEvent(type=RECORDED, payload=payload, actor=manifest.by)])


async def keep_bytes(connection: Connection, parts: Parts) -> tuple[Cid, int]:
    """Write the block that `parts` gives into the bucket under its CID; the CID and the size. What is there already is left.

    The parts are asked for twice: first for their hash, which is also the name under which their chunks lie.
    """
    await ensure_object_bucket(connection, HEADS_BUCKET, description="Heads manifests: every aggregate of a stream, its version and head.")
    hasher, size = blake3(), 0
    for step in _steps(parts()):
        hasher.update(step)
        size += len(step)
        await asyncio.sleep(0)
    cid = Cid(OUR_PREFIX + hasher.digest())
    stored = await find_object(connection, HEADS_BUCKET, str(cid))
    if stored is not None and stored.size == size and await _is_whole(connection, stored, cid):
        return cid, size
    await drop_chunks(connection, HEADS_BUCKET, str(cid))
    writer = await open_writer(connection, HEADS_BUCKET, str(cid))
    for step in _steps(parts()):
        await writer.write(step)
    await writer.finish(str(cid), {})
    return cid, size


async def find_bytes(connection: Connection, manifest: Manifest) -> StoredObject:
    """Where the bytes of a manifest are kept. Raises CidNotFound, BucketUnavailable."""
    try:
        stored = await find_object(connection, HEADS_BUCKET, str(manifest.cid))
    except StreamNotFound:
        stored = None
    except Unavailable as error:
        raise _away(error) from error
    if stored is None:
        raise CidNotFound(f"The heads manifest {manifest.cid} of {manifest.stream} is not in {HEADS_BUCKET}; record the heads anew.")
    return stored


async def check_bytes(connection: Connection, manifest: Manifest) -> StoredObject:
    """Where the bytes of a manifest are kept, once they were hashed. Raises CidNotFound, ContentDamaged."""
    stored = await find_bytes(connection, manifest)
    if not await _is_whole(connection, stored, manifest.cid):
        raise _damaged(manifest)
    return stored


async def read_rows(connection: Connection, manifest: Manifest) -> AsyncIterator[list[HeadRow]]:
    """The rows of a manifest in lists. What was given out counts only if the last step does not raise.

    Raises CidNotFound, ContentDamaged where the bytes are not what the event names, and BucketUnavailable.
    """
    stored = await find_bytes(connection, manifest)
    hasher, reader = blake3(), ManifestReader(manifest.heading, manifest.aggregates)
    async for data in _chunks(connection, stored):
        hasher.update(data)
        try:
            rows = reader.feed(data)
        except ContentDamaged as error:
            raise _damaged(manifest) from error
        if rows:
            yield rows
    if hasher.digest() != manifest.cid.raw[len(OUR_PREFIX) :]:
        raise _damaged(manifest)
    reader.finish()


def _away(error: Unavailable) -> BucketUnavailable:
    return BucketUnavailable(f"The bucket {HEADS_BUCKET} does not answer now, so nothing is said of what is in it: {error}")


def _damaged(manifest: Manifest) -> ContentDamaged:
    return ContentDamaged(
        f"What {HEADS_BUCKET} holds as the heads manifest {manifest.cid} of {manifest.stream} is something else: it was changed after "
        "it was recorded. Nothing is said by it; record the heads anew."
    )


async def _chunks(connection: Connection, stored: StoredObject) -> AsyncIterator[bytes]:
    """As many bytes as its record says, and one read beyond."""
    position = size = 0
    while size <= stored.size and (messages := await _next_chunks(connection, stored, after=position)):
        position = messages[-1].sequence
        for message in messages:
            size += len(message.data)
            yield message.data


async def _next_chunks(connection: Connection, stored: StoredObject, *, after: int) -> Sequence[Message]:
    try:
        return await read_chunks(connection, stored, after=after)
    except Unavailable as error:
        raise _away(error) from error


async def _is_whole(connection: Connection, stored: StoredObject, cid: Cid) -> bool:
    hasher = blake3()
    async for data in _chunks(connection, stored):
        hasher.update(data)
    return OUR_PREFIX + hasher.digest() == cid.raw


def _steps(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        if len(waiting) >= STEP:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _manifest(stored: StoredEvent) -> Manifest:
    """Raises InvalidInput where an event there is no record of heads."""
    event, said = stored.event, stored.event.payload
    cid = said.get("manifest")
    if event.type != RECORDED or not isinstance(cid, Cid):
        raise InvalidInput(f"Version {event.version} of {event.aggregate} is no record of heads; something else was appended there.")
    return Manifest(
        stream=cast(str, said["stream"]),
        sequence=cast(int, said["sequence"]),
        at=parse_time(cast(str, said["at"])),
        cid=cid,
        aggregates=cast(int, said["aggregates"]),
        bytes=cast(int, said["bytes"]),
        created=cast(str, said["created"]),
        run=cast(str, said["run"]),
        by=event.actor,
        version=event.version,
    )


def _apply(state: State, event: Event) -> State:
    return {**event.payload, "by": event.actor}


def _summarise(event: Event) -> str:
    said: Any = event.payload
    return f"{said['aggregates']:,} aggregates of {said['stream']} up to {said['sequence']:,}"


HEADS_DEFINITION = AggregateDefinition(
    context="console",
    type=HEADS_TYPE,
    title="Heads manifest",
    apply=_apply,
    summarise=_summarise,
)
