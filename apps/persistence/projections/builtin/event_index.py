"""This module is the index of events by CID and by correlation, so that one is found among millions without reading the stream.

The stream is cut into chapters of 32,768 sequences. For each chapter there are at most 256 models by the first byte of the digest and 256
by the first byte of the hash of the correlation; each holds its entries one after another: the first 8 bytes of the digest (or the 16 of
the correlation's UUID), then the sequence within the chapter as 2 bytes. So a batch changes few models, a model never outgrows a message
(even if all events share one correlation), and old chapters are never written again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from blake3 import blake3

from ...encoding import Cid, Value, cid_of
from ...encoding.cid import OUR_PREFIX
from ...errors import EncodingError, EventNotFound, InvalidEvent, StreamNotFound
from ...events import Event, StoredEvent
from ...events.identity import check_uuid
from ...store import EVENTS, Layout, Message, Store, get_message, kv_get_many, read_batch
from ..control import find_record
from ..definition import Models, ProjectionDefinition, bucket_of
from ..models import place_of, read_position
from ..reading import current_model

CHAPTER_BITS = 15
MAX_TAIL = 5_000
"""How many events that are not indexed yet are read one by one."""
_CID_MODEL = "cid"
_CORRELATION_MODEL = "correlation"
_DIGEST_BYTES = 8
_PLACE_BYTES = 2
_PAGE = 1_000


def index_name(layout: Layout = EVENTS) -> str:
    """The name of the projection that indexes a layout's stream."""
    return "event-index" if layout.name == EVENTS.name else f"event-index-{layout.name.lower()}"


def index_of(layout: Layout = EVENTS) -> ProjectionDefinition:
    """The index of all events in a versioned layout's stream."""
    return ProjectionDefinition(
        name=index_name(layout),
        version=1,
        title="Event index",
        description=f"Where each event of {layout.stream} lies, by its CID and by its correlation.",
        subjects=(layout.subjects,),
        stream=layout.stream,
        keys=_keys,
        apply=_apply,
        is_builtin=True,
        reads_payload=False,
        from_openings=True,
    )


async def find_by_cid(store: Store, cid: Cid) -> Message | None:
    """The stored event with this CID in the stream of the store's layout, or None. Its hash is computed anew from its bytes."""
    digest = _digest(cid)
    index = await _open_index(store)
    async for sequence in _matches(store, index, f"{_CID_MODEL}.{digest[:1].hex()}", digest[:_DIGEST_BYTES]):
        message = await _find_message(store, sequence)
        if message and cid_of(message.data) == cid:
            return message
    for message in await _tail(store, index.position):
        if cid_of(message.data) == cid:
            return message
    return None


async def events_by_correlation(store: Store, correlation: str, *, limit: int = 100) -> list[Message]:
    """The first `limit` events of a story, in stream order. Raises InvalidEvent if `correlation` is no UUID."""
    check_uuid(correlation, "The correlation")
    raw = _uuid_bytes(correlation)
    index = await _open_index(store)
    found: list[Message] = []
    async for sequence in _matches(store, index, f"{_CORRELATION_MODEL}.{_correlation_shard(raw)}", raw):
        message = await _find_message(store, sequence)
        if message and _has_correlation(message, correlation):
            found.append(message)
        if len(found) >= limit:
            return found
    found.extend(message for message in await _tail(store, index.position) if _has_correlation(message, correlation))
    return found[:limit]


def _keys(stored: StoredEvent) -> Sequence[str]:
    chapter = stored.sequence >> CHAPTER_BITS
    shard = _correlation_shard(_uuid_bytes(stored.event.correlation))
    return f"{_CID_MODEL}.{_digest(stored.cid)[:1].hex()}-{chapter}", f"{_CORRELATION_MODEL}.{shard}-{chapter}"


def _apply(stored: StoredEvent, models: Models) -> Models:
    cid_key, correlation_key = _keys(stored)
    place = (stored.sequence & ((1 << CHAPTER_BITS) - 1)).to_bytes(_PLACE_BYTES, "big")
    return {
        cid_key: {"entries": _entries(models[cid_key]) + _digest(stored.cid)[:_DIGEST_BYTES] + place},
        correlation_key: {"entries": _entries(models[correlation_key]) + _uuid_bytes(stored.event.correlation) + place},
    }


def _entries(model: dict[str, Value] | None) -> bytes:
    return cast(bytes, model["entries"]) if model else b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """The index as it is now: its bucket, how many chapters it has begun, and up to which sequence it knows the stream."""

    definition: ProjectionDefinition
    bucket: str
    chapters: int = 0
    position: int = 0


async def _open_index(store: Store) -> _Index:
    definition = index_of(store.layout)
    record = await find_record(store.connection, definition.name)
    build = record.serving if record else 1
    bucket = bucket_of(definition.name, build)
    made_of = (record.serving_build.generation, record.serving_build.version) if record else None
    if made_of not in (None, (store.layout.generation, definition.version)):
        return _Index(definition=definition, bucket=bucket)  # it knows the sequences of another generation, or is written in another way
    try:
        position = await read_position(store.connection, place_of(definition, build))
    except StreamNotFound:
        return _Index(definition=definition, bucket=bucket)
    return _Index(definition=definition, bucket=bucket, chapters=(position.sequence >> CHAPTER_BITS) + 1, position=position.sequence)


async def _matches(store: Store, index: _Index, shard: str, wanted: bytes) -> AsyncIterator[int]:
    """The sequences whose entries are `wanted`, in stream order."""
    for start in range(0, index.chapters, _PAGE):
        keys = {f"{shard}-{chapter}": chapter for chapter in range(start, min(index.chapters, start + _PAGE))}
        found = await kv_get_many(store.connection, index.bucket, list(keys))
        for key, chapter in keys.items():
            if key in found:
                model = current_model(index.definition, key, found[key].value)
                for place in _places(_entries(model), wanted):
                    yield (chapter << CHAPTER_BITS) + place


def _places(entries: bytes, wanted: bytes) -> Iterator[int]:
    """The sequences within the chapter of entries that are `wanted`. An accidental match across two entries does not count."""
    width = len(wanted) + _PLACE_BYTES
    start = entries.find(wanted)
    while start >= 0:
        if start % width == 0:
            yield int.from_bytes(entries[start + len(wanted) : start + width], "big")
        start = entries.find(wanted, start + 1)


async def _find_message(store: Store, sequence: int) -> Message | None:
    try:
        return await get_message(store.connection, store.layout.stream, sequence)
    except EventNotFound:
        return None


async def _tail(store: Store, position: int) -> list[Message]:
    """What was appended after the index's position, as far as it is worth reading."""
    found: list[Message] = []
    while len(found) < MAX_TAIL:
        batch = await read_batch(store.connection, store.layout.stream, from_sequence=position + 1, limit=_PAGE)
        found.extend(batch.messages)
        if not batch.pending or not batch.messages:
            break
        position = batch.messages[-1].sequence
    return found


def _has_correlation(message: Message, correlation: str) -> bool:
    try:
        return Event.from_block(message.data).correlation == correlation
    except (EncodingError, InvalidEvent):
        return False


def _digest(cid: Cid) -> bytes:
    return cid.raw[len(OUR_PREFIX) :]


def _uuid_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _correlation_shard(raw: bytes) -> str:
    """By hash, as the first bytes of a UUIDv7 are the time."""
    return blake3(raw).digest()[:1].hex()
