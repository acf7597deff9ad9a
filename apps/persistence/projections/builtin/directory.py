"""This module is reading the directory of aggregates: its types, and pages of a type by id or by last change.

Pages by id need all ids of a type in order. The server names 90,000 in 145 ms, so they are kept in this process for each connection, and
only what changed since is read before each page.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from weakref import WeakKeyDictionary

from ...encoding import Cid, Value
from ...errors import StreamNotFound
from ...events import AggregateRef, Head, parse_time
from ...store import EVENTS, Connection, Layout, get_stream, kv_get_many, page_back, read_batch, subjects_matching, to_entry
from ...subjects import check_token
from ..control import serving_bucket
from ..reading import current_model, find_model, list_models
from .aggregates import AGGREGATE_MODEL, TYPE_MODEL, directory_name, directory_of

MAX_NEWS = 20_000
"""With more changed models than this since the last page, all ids are asked for again."""
_REPLICA_SLACK = 1_000
_ALL = 100_000_000
_AFTER_EVERY_ID = "\x7f"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateType:
    """A type of aggregates, and how many there are of it."""

    context: str
    type: str
    aggregates: int
    events: int
    last_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateEntry:
    """An aggregate as the directory has it; times are the server's."""

    aggregate: AggregateRef
    version: int
    events: int
    first_time: datetime
    last_time: datetime
    last_event: str
    first_sequence: int
    last_sequence: int
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatePage:
    """Some aggregates by id, of `total` that begin with the prefix. `next_after` is what to go on after, None at the end."""

    entries: tuple[AggregateEntry, ...]
    total: int
    next_after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentPage:
    """Some aggregates, the one that changed last first. `older` is what to go on before, None at the end."""

    entries: tuple[AggregateEntry, ...]
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Aggregates that changed, as `bucket` had them up to `revision`."""

    entries: tuple[AggregateEntry, ...]
    bucket: str
    revision: int


async def list_aggregate_types(connection: Connection, *, layout: Layout = EVENTS) -> list[AggregateType]:
    """Every type with its counts, by context and type; none before the directory was first built."""
    models = await list_models(connection, directory_of(layout), TYPE_MODEL)
    return sorted((_to_type(model) for model in models.values()), key=lambda found: (found.context, found.type))


async def find_aggregate_entry(connection: Connection, aggregate: AggregateRef, *, layout: Layout = EVENTS) -> AggregateEntry | None:
    """What the directory has of one aggregate, or None."""
    model = await find_model(connection, directory_of(layout), f"{AGGREGATE_MODEL}.{aggregate}")
    return _to_entry(model) if model else None


async def page_aggregates(
    connection: Connection,
    context: str,
    aggregate_type: str,
    *,
    prefix: str = "",
    after: str = "",
    limit: int = 50,
    layout: Layout = EVENTS,
) -> AggregatePage:
    """Up to `limit` aggregates of a type whose ids begin with `prefix`, after the id `after`, by id. Raises InvalidSubject."""
    check_token(context, "a context")
    check_token(aggregate_type, "an aggregate type")
    bucket = await serving_bucket(connection, directory_name(layout))
    try:
        ids = await _ids(connection, bucket, f"{AGGREGATE_MODEL}.{context}.{aggregate_type}")
    except StreamNotFound:
        return AggregatePage(entries=(), total=0, next_after=None)
    first, end = bisect_left(ids, prefix), bisect_right(ids, prefix + _AFTER_EVERY_ID)
    start = max(first, bisect_right(ids, after)) if after else first
    page = ids[start : min(end, start + limit)]
    keys = [f"{AGGREGATE_MODEL}.{context}.{aggregate_type}.{one}" for one in page]
    found = await kv_get_many(connection, bucket, keys)
    definition = directory_of(layout)
    entries = tuple(_to_entry(current_model(definition, key, found[key].value)) for key in keys if key in found)
    return AggregatePage(entries=entries, total=end - first, next_after=page[-1] if start + limit < end else None)


async def recent_aggregates(
    connection: Connection,
    *,
    context: str = "*",
    aggregate_type: str = "*",
    before: int | None = None,
    limit: int = 50,
    layout: Layout = EVENTS,
) -> RecentPage:
    """Up to `limit` aggregates, the one that changed last first; `before` is the `older` of the page before."""
    bucket = await serving_bucket(connection, directory_name(layout))
    try:
        stream = await get_stream(connection, f"KV_{bucket}")
    except StreamNotFound:
        return RecentPage(entries=(), older=None)
    pattern = f"$KV.{bucket}.{AGGREGATE_MODEL}.{context}.{aggregate_type}.*"
    page = await page_back(connection, stream, before_sequence=before or stream.last_sequence + 1, limit=limit, pattern=pattern)
    definition = directory_of(layout)
    kept = [entry for message in reversed(page.messages) if (entry := to_entry(bucket, message)).operation == "put"]
    entries = tuple(_to_entry(current_model(definition, entry.key, entry.value)) for entry in kept)
    has_more = page.scanned_from > max(stream.first_sequence, 1)
    return RecentPage(entries=entries, older=page.scanned_from if has_more else None)


async def changed_aggregates(connection: Connection, since: Changes | None, *, limit: int = 100, layout: Layout = EVENTS) -> Changes | None:
    """Up to `limit` aggregates that changed after `since` was read, the oldest change first; each with its newest entry.

    The first time, and where readers were switched to another build, it only says where to go on. None before the directory was built.
    """
    bucket = await serving_bucket(connection, directory_name(layout))
    try:
        if since is None or since.bucket != bucket:
            return Changes(entries=(), bucket=bucket, revision=(await get_stream(connection, f"KV_{bucket}")).last_sequence)
        pattern = f"$KV.{bucket}.{AGGREGATE_MODEL}.>"
        batch = await read_batch(connection, f"KV_{bucket}", from_sequence=since.revision + 1, limit=limit, pattern=pattern)
    except StreamNotFound:
        return None
    definition = directory_of(layout)
    kept = [entry for message in batch.messages if (entry := to_entry(bucket, message)).operation == "put"]
    entries = tuple(_to_entry(current_model(definition, entry.key, entry.value)) for entry in kept)
    revision = batch.messages[-1].sequence if batch.messages else since.revision
    return Changes(entries=entries, bucket=bucket, revision=revision)


@dataclass(slots=True)
class _Known:
    """The ids of one type in order, right up to a revision of the bucket."""

    revision: int
    ids: list[str] = field(default_factory=list)


_KNOWN: WeakKeyDictionary[Connection, dict[str, _Known]] = WeakKeyDictionary()


async def _ids(connection: Connection, bucket: str, prefix: str) -> list[str]:
    known = _KNOWN.setdefault(connection, {})
    pattern = f"$KV.{bucket}.{prefix}.*"
    last = (await get_stream(connection, f"KV_{bucket}")).last_sequence
    found = known.get(pattern)
    if found is None or found.revision > last or not await _read_news(connection, bucket, pattern, found):
        subjects = await subjects_matching(connection, f"KV_{bucket}", pattern, limit=_ALL)
        found = known[pattern] = _Known(revision=last, ids=sorted(subject.rpartition(".")[2] for subject in subjects))
    found.revision = max(found.revision, last - _REPLICA_SLACK)
    return found.ids


async def _read_news(connection: Connection, bucket: str, pattern: str, known: _Known) -> bool:
    """Add the ids that came since; False where there are too many changes to read."""
    while True:
        batch = await read_batch(connection, f"KV_{bucket}", from_sequence=known.revision + 1, limit=1000, pattern=pattern)
        if batch.pending > MAX_NEWS:
            return False
        for message in batch.messages:
            one = message.subject.rpartition(".")[2]
            place = bisect_left(known.ids, one)
            if place == len(known.ids) or known.ids[place] != one:
                insort(known.ids, one)
            known.revision = message.sequence
        if not batch.pending or not batch.messages:
            return True


def _to_type(model: Mapping[str, Value]) -> AggregateType:
    return AggregateType(
        context=cast(str, model["context"]),
        type=cast(str, model["type"]),
        aggregates=cast(int, model["aggregates"]),
        events=cast(int, model["events"]),
        last_time=parse_time(cast(str, model["last_time"])),
    )


def _to_entry(model: Mapping[str, Value]) -> AggregateEntry:
    ref = AggregateRef(cast(str, model["context"]), cast(str, model["type"]), cast(str, model["id"]))
    version = cast(int, model["version"])
    return AggregateEntry(
        aggregate=ref,
        version=version,
        events=cast(int, model["events"]),
        first_time=parse_time(cast(str, model["first_time"])),
        last_time=parse_time(cast(str, model["last_time"])),
        last_event=cast(str, model["last_event"]),
        first_sequence=cast(int, model["first_sequence"]),
        last_sequence=cast(int, model["last_sequence"]),
        head=Head(aggregate=ref, version=version, cid=cast(Cid, model["head"])),
    )
