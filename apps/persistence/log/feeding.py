"""This module is feeding the kept trees: one worker adds the leaves of what came to each stream since, under a lease of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ..errors import PersistenceError, StreamNotFound
from ..store import Connection, get_stream, kv_revision
from .kept import TILES_BUCKET, LogState, ensure_log, keep_tree, open_tree, read_log
from .published import ensure_checkpoints
from .reading import next_leaves
from .tiles import TiledTree

LOG_LEASE = "log"
FEED_SECONDS = 5.0

log = logging.getLogger(__name__)


class Held(Protocol):
    """A lease while it is held."""

    @property
    def lost(self) -> asyncio.Event: ...


class LogFeeder:
    """Adds to the kept tree of one stream, from where it is."""

    def __init__(self, connection: Connection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._tree: TiledTree | None = None
        self._state: LogState | None = None

    async def feed(self) -> LogState | None:
        """Log what the stream has more than the tree, and return the tree's state; None where there is neither.

        A stream that ends before its tree is left as it is: the tree then says what the stream once held. Raises RevisionConflict where
        somebody else fed it, InvalidProof where tiles are missing, Unavailable.
        """
        try:
            last = (await get_stream(self._connection, self._stream)).last_sequence
        except StreamNotFound:
            return self._state
        tree = await self._open()
        try:
            while tree.size < last:
                leaves = await next_leaves(self._connection, self._stream, after=tree.size, last=last)
                if not leaves:
                    break
                tree.append(leaves)
                self._state = await keep_tree(self._connection, self._stream, tree, revision=await self._revision())
        except BaseException:
            self._tree = None
            raise
        return self._state

    async def _revision(self) -> int:
        """What the state is at, or what lies in its place where somebody deleted it."""
        return self._state.revision if self._state else await kv_revision(self._connection, TILES_BUCKET, self._stream)

    async def _open(self) -> TiledTree:
        if self._tree is None:
            self._state = await read_log(self._connection, self._stream, leader=True)
            self._tree = await open_tree(self._connection, self._stream, self._state.size if self._state else 0)
        return self._tree


async def feed_logs(
    connection: Connection, streams: Callable[[], list[str]], hold_lease: Callable[[str], AbstractAsyncContextManager[Held]]
) -> None:
    """Feed the log of every stream that `streams` names, until cancelled, whenever this worker holds the lease."""
    while True:
        try:
            async with hold_lease(LOG_LEASE) as lease:
                await ensure_log(connection)
                await ensure_checkpoints(connection)
                feeders: dict[str, LogFeeder] = {}
                while not lease.lost.is_set():
                    for stream in streams():
                        await _feed(feeders.setdefault(stream, LogFeeder(connection, stream)), stream)
                    await asyncio.sleep(FEED_SECONDS)
        except PersistenceError as error:
            log.warning("logs are late: %s", error)
        await asyncio.sleep(FEED_SECONDS)


async def _feed(feeder: LogFeeder, stream: str) -> None:
    """One stream that cannot be fed does not keep the others waiting."""
    try:
        await feeder.feed()
    except PersistenceError as error:
        log.warning("the log of %s is late: %s", stream, error)
