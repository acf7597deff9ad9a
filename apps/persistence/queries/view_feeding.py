"""This module is feeding views: each follows its source by the watch and writes what changed with its position, in one atomic batch.

A batch is stored only if the position is still the one that this writer knows, so that two workers can never both feed a view. No consumer
is made. What goes from the source without a message (a purge, an age) is found by comparing the keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol, cast

from ..encoding import Value, decode, encode
from ..errors import EncodingError, PersistenceError, RevisionConflict
from ..events import format_time
from ..read_models import (
    BucketWatch,
    ModelsStatus,
    ReadModelStore,
    is_model_key,
    key_pages,
    status_of,
    to_bytes,
    update_projection_status,
    watching,
)
from ..store import Connection, KvEntry, StreamInfo, ensure_bucket, get_stream, kv_get, kv_get_many, kv_put_batch
from .views import View, list_views

POSITION_KEY = "_position"
LOOK_SECONDS = 2.0
LEASE = "views"
_CHANGES = 900

log = logging.getLogger(__name__)


class Held(Protocol):
    """A lease, as far as feeding needs it."""

    @property
    def lost(self) -> asyncio.Event:
        """Set when it is held no more."""


HoldLease = Callable[[str], AbstractAsyncContextManager[Held]]


class ViewFeeder:
    """Writes the contents of one view; a listener of the watch of its source."""

    def __init__(self, connection: Connection, view: View) -> None:
        self.view = view
        self.position = 0
        self._created = ""
        self._revision = 0
        self._keys = -1
        self._source = ReadModelStore(connection=connection, bucket=view.source, as_stored=True)
        self._connection = connection

    async def open(self) -> None:
        """Read how far the contents have come, creating their bucket if it is not there."""
        await ensure_bucket(self._connection, self.view.bucket)
        entry = await kv_get(self._connection, self.view.bucket, POSITION_KEY, leader=True)
        if entry is not None:
            known = cast("dict[str, Value]", decode(entry.value))
            self.position, self._created, self._revision = cast(int, known["sequence"]), cast(str, known["created"]), entry.revision

    async def on_bucket(self, info: StreamInfo) -> int:
        """Called by the watch. Where the source was made anew everything begins again; what is gone from it goes from the view."""
        created = format_time(info.created) if info.created else ""
        if self._created != created or info.last_sequence < self.position:
            self.position, self._created = 0, created
        if self._keys != info.subject_count and (self._keys < 0 or info.subject_count < self._keys):
            await self._drop_gone()
        self._keys = info.subject_count
        return self.position

    async def on_changes(self, entries: list[KvEntry]) -> None:
        """Called by the watch. Raises RevisionConflict where another writer feeds the view."""
        newest = {entry.key: entry for entry in entries if is_model_key(entry.key)}
        wanted = {key: self._content(entry) for key, entry in newest.items()}
        held = await self._held(list(wanted))
        changes = {key: data for key, data in wanted.items() if data != held.get(key)}
        await self._write(changes, entries[-1].revision)

    def _content(self, entry: KvEntry) -> bytes | None:
        """What stands in the view under the key; None for nothing."""
        if entry.operation != "put":
            return None
        try:
            stored = self._source.read(entry)
        except EncodingError:
            return None
        return to_bytes(self.view.content_of(stored)) if self.view.accepts(stored) else None

    async def _held(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {key: entry.value for key, entry in (await kv_get_many(self._connection, self.view.bucket, keys)).items()}

    async def _drop_gone(self) -> None:
        """Take out what the source does not have any more."""
        async for keys in key_pages(self._connection, self.view.bucket, ">"):
            held, there = await self._held(keys), await kv_get_many(self._connection, self.view.source, keys)
            await self._write({key: None for key in held if key not in there}, self.position)

    async def _write(self, changes: dict[str, bytes | None], position: int) -> None:
        """All changes, and the position last; a part of them leaves the position where it was.

        Raises RevisionConflict where the position is another one than was known; it is known then, and the watch goes on from there.
        """
        keys = list(changes)
        for start in range(0, max(1, len(keys)), _CHANGES):
            part: dict[str, bytes | None] = {key: changes[key] for key in keys[start : start + _CHANGES]}
            reached = position if start + _CHANGES >= len(keys) else self.position
            if not part and reached == self.position:
                return
            part[POSITION_KEY] = encode({"sequence": reached, "created": self._created})
            try:
                self._revision = await kv_put_batch(self._connection, self.view.bucket, part, expected={POSITION_KEY: self._revision})
            except RevisionConflict:
                await self.open()
                raise
            self.position = reached


async def feed_view(connection: Connection, view: View) -> None:
    """Keep the contents of a view, and what is told of it, until cancelled. Raises StreamNotFound, RevisionConflict, Unavailable."""
    feeder = ViewFeeder(connection, view)
    await feeder.open()
    told: ModelsStatus | None = None
    async with watching(connection, view.source, feeder) as watch:
        while True:
            status = await _status(connection, view, watch)
            if told is None or (status.kind, status.behind_by) != (told.kind, told.behind_by):
                told = await update_projection_status(connection, view.status_name, status)
            await asyncio.sleep(LOOK_SECONDS)


async def run_views(connection: Connection, hold_lease: HoldLease) -> None:
    """Until cancelled: feed every view, whenever this worker holds the lease `views`."""
    while True:
        try:
            async with hold_lease(LEASE) as lease:
                await _feed_all(connection, lease)
        except PersistenceError as error:
            log.warning("views wait: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


async def _feed_all(connection: Connection, lease: Held) -> None:
    async with asyncio.TaskGroup() as group:
        running: dict[str, tuple[View, asyncio.Task[None]]] = {}
        while not lease.lost.is_set():
            views = await _find_views(connection, [view for view, _ in running.values()])
            for gone in [name for name, (view, _) in running.items() if view not in views]:
                running.pop(gone)[1].cancel()
            for view in views:
                if view.name not in running or running[view.name][1].done():
                    running[view.name] = view, group.create_task(_feed(connection, view), name=f"view {view.name}")
            await asyncio.sleep(LOOK_SECONDS)
        for _, task in running.values():
            task.cancel()


async def _find_views(connection: Connection, known: list[View]) -> list[View]:
    """The views there are; those that are known where nobody answers."""
    try:
        return await list_views(connection)
    except PersistenceError as error:
        log.warning("the list of views is late: %s", error)
        return known


async def _feed(connection: Connection, view: View) -> None:
    """Feed a view; what stops it is told to its readers, and it is begun again with the next look."""
    try:
        await feed_view(connection, view)
    except PersistenceError as error:
        log.warning("view %s stands still: %s", view.name, error)
        with suppress(PersistenceError):
            await update_projection_status(connection, view.status_name, status_of(position=0, lag=0, failure=str(error)))


async def _status(connection: Connection, view: View, watch: BucketWatch) -> ModelsStatus:
    info = await get_stream(connection, f"KV_{view.source}")
    return status_of(position=watch.position, lag=max(0, info.last_sequence - watch.position))
