"""This module is the buckets of a server, of keys or of objects, whoever made them: what each is set to keep, and what it holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from blake3 import blake3

from apps.persistence.errors import NotFound, StreamNotFound
from apps.persistence.store import Connection, Store, StreamInfo, count_messages, get_stream, list_streams

Kind = Literal["keys", "objects"]
PREFIXES: dict[Kind, str] = {"keys": "KV_", "objects": "OBJ_"}
OWN = "cim-"
PAGE_ROWS = 100
_AT_ONCE = 8
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket, by its stream. `values` counts keys (deleted ones until they are purged), or objects; None where it was not counted."""

    kind: Kind
    info: StreamInfo
    values: int | None

    @property
    def name(self) -> str:
        return self.info.name.removeprefix(PREFIXES[self.kind])

    @property
    def is_own(self) -> bool:
        """Whether the console made it for itself, or a projection for its models."""
        return self.name.startswith(OWN)

    @property
    def history(self) -> int | None:
        """How many revisions of a key are kept; None for any number."""
        kept = int(self.info.config.get("max_msgs_per_subject", -1))
        return kept if kept > 0 else None

    @property
    def ttl_seconds(self) -> float | None:
        """After how long values vanish; None for never."""
        nanoseconds = int(self.info.config.get("max_age", 0))
        return nanoseconds / SECOND if nanoseconds else None

    @property
    def has_key_ttl(self) -> bool:
        """Whether single values may be given a time to live."""
        return bool(self.info.config.get("allow_msg_ttl"))

    @property
    def max_bytes(self) -> int | None:
        limit = int(self.info.config.get("max_bytes", -1))
        return limit if limit > 0 else None

    @property
    def is_compressed(self) -> bool:
        return self.info.config.get("compression", "none") not in ("", "none")

    @property
    def changed(self) -> datetime | None:
        return self.info.last_time


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketList:
    """One page of the buckets that were asked for, and how many there are of each kind."""

    rows: tuple[Bucket, ...]
    text: str
    kind: Kind | None
    page: int
    matching: int
    keys: int
    objects: int

    @property
    def total(self) -> int:
        return self.keys + self.objects

    @property
    def first(self) -> int:
        return (self.page - 1) * PAGE_ROWS + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def page_after(self) -> int | None:
        return self.page + 1 if self.last < self.matching else None

    @property
    def page_before(self) -> int | None:
        return self.page - 1 if self.page > 1 else None

    @property
    def revision(self) -> str:
        """Changes with the buckets that are shown."""
        return revision_of(self.rows)


def revision_of(rows: tuple[Bucket, ...]) -> str:
    """Another text for another set of buckets."""
    return blake3("\n".join(f"{row.info.name} {row.info.created}" for row in rows).encode()).hexdigest(8)


async def list_buckets(store: Store, *, text: str = "", kind: Kind | None = None, page: int = 1) -> BucketList:
    """Buckets whose names hold `text`, by name, those of users before the console's own. Raises Unavailable."""
    found = [(kind_of(info), info) for info in await list_streams(store.connection)]
    buckets = [(own, info) for own, info in found if own]
    matching = [(own, info) for own, info in buckets if kind in (None, own) and text.lower() in _name_of(info.name).lower()]
    matching.sort(key=lambda one: (_name_of(one[1].name).startswith(OWN), _name_of(one[1].name).lower(), one[1].name))
    page = max(1, min(page, -(-len(matching) // PAGE_ROWS)))
    shown = matching[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    return BucketList(
        rows=await _counted(store.connection, shown),
        text=text,
        kind=kind,
        page=page,
        matching=len(matching),
        keys=sum(own == "keys" for own, _ in buckets),
        objects=sum(own == "objects" for own, _ in buckets),
    )


async def get_bucket(store: Store, kind: Kind, name: str) -> Bucket:
    """One bucket. Raises NotFound, Unavailable, InvalidInput for what no bucket can be called."""
    try:
        info = await get_stream(store.connection, f"{PREFIXES[kind]}{name}")
    except StreamNotFound as error:
        what = "key-value bucket" if kind == "keys" else "object store"
        raise NotFound(f"There is no {what} {name[:80]!r}; it may have been deleted. See the list of buckets.") from error
    if kind_of(info) != kind:
        subjects = ", ".join(info.subjects)[:200] or "no subjects"
        raise NotFound(
            f"{info.name} is a stream and no bucket: it holds {subjects}, not {' and '.join(_subjects(kind, name))}. See its stream."
        )
    (bucket,) = await _counted(store.connection, [(kind, info)])
    return bucket


async def _counted(connection: Connection, found: list[tuple[Kind, StreamInfo]]) -> tuple[Bucket, ...]:
    """The keys of a bucket are known with its figures; the objects of a store are counted by their records."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(kind: Kind, info: StreamInfo) -> Bucket:
        if kind == "keys":
            return Bucket(kind=kind, info=info, values=info.subject_count)
        async with slots:
            return Bucket(kind=kind, info=info, values=await count_objects(connection, info))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(kind, info)) for kind, info in found]
    return tuple(task.result() for task in tasks)


async def count_objects(connection: Connection, info: StreamInfo) -> int:
    """How many records of objects there are, those of deleted ones included. Raises StreamNotFound."""
    return await count_messages(connection, info.name, [f"$O.{info.name.removeprefix('OBJ_')}.M.>"]) if info.messages else 0


def kind_of(info: StreamInfo) -> Kind | None:
    """What a stream is a bucket of: it is called as one and holds its subjects, or mirrors another. None for any other stream."""
    kind = next((kind for kind, prefix in PREFIXES.items() if info.name.startswith(prefix) and info.name != prefix), None)
    if kind is None or info.mirror:
        return kind
    return kind if set(_subjects(kind, _name_of(info.name))) <= set(info.subjects) else None


def _subjects(kind: Kind, name: str) -> tuple[str, ...]:
    return (f"$KV.{name}.>",) if kind == "keys" else (f"$O.{name}.C.>", f"$O.{name}.M.>")


def _name_of(stream: str) -> str:
    return stream.partition("_")[2]
