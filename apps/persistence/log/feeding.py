"""This module is feeding the kept trees: one worker adds the leaves of what came to each stream since, under a lease of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ..errors import InvalidProof, PersistenceError, RevisionConflict, StreamNotFound
from ..store import Connection, get_stream, kv_revision
from .kept import TILES_BUCKET, LogState, drop_unreadable, ensure_log, keep_tree, logged_leaves, open_tree, read_log
from .leaves import parse_leaf
from .published import ensure_checkpoints
from .reading import next_leaves
from .remade import known_leaves
from .tiles import TiledTree

LOG_LEASE = "log"
FEED_SECONDS = 5.0
_TRIES = 5

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
        self._lacks_tiles = False

    async def feed(self) -> LogState | None:
        """Log what the stream has more than the tree, and return the tree's state; None where there is neither.

        A stream that ends before its tree is left as it is: the tree then says what the stream once held. A tree that is gone, shorter, or
        lacks the tiles that it goes on from is logged again. Raises RevisionConflict where somebody else fed it, InvalidProof the first
        time that such tiles are missing, as a replica may only be behind, InvalidInput where somebody wrote something else in the place of
        the state, Unavailable.
        """
        try:
            last = (await get_stream(self._connection, self._stream)).last_sequence
        except StreamNotFound:
            return self._state
        tree = await self._open(is_idle=self._tree is not None and self._tree.size >= last)
        try:
            while tree.size < last:
                leaves = await next_leaves(self._connection, self._stream, after=tree.size, last=last)
                if not leaves:
                    break
                tree.append(await self._known(leaves, after=tree.size))
                self._state = await keep_tree(self._connection, self._stream, tree, revision=await self._revision())
        except BaseException:
            self._tree = None
            raise
        return self._state

    async def _revision(self) -> int:
        """What the state is at, or what lies in its place where somebody deleted it."""
        return self._state.revision if self._state else await kv_revision(self._connection, TILES_BUCKET, self._stream)

    async def _open(self, *, is_idle: bool) -> TiledTree:
        """The tree to go on from; that of before, unless nothing else would show that somebody changed what is kept of it."""
        if self._tree is not None and is_idle:
            state = await read_log(self._connection, self._stream, leader=True)
            if (state.revision if state else 0) != (self._state.revision if self._state else 0):
                self._tree = None
        if self._tree is None:
            self._state = await read_log(self._connection, self._stream, leader=True)
            if self._state is None:
                await ensure_log(self._connection)
            self._tree = await self._open_kept(self._state.size if self._state else 0)
        return self._tree

    async def _open_kept(self, size: int) -> TiledTree:
        """The kept tree of this size; an empty one, to begin anew, where its tiles were missing twice."""
        try:
            tree = await open_tree(self._connection, self._stream, size)
        except InvalidProof:
            if not self._lacks_tiles:
                self._lacks_tiles = True
                raise
            tree = TiledTree()
        self._lacks_tiles = False
        return tree

    async def _known(self, leaves: list[bytes], *, after: int) -> list[bytes]:
        """Leaves that a stream holds no more as they were logged before, where that is still kept."""
        if all(parse_leaf(leaf).cid is not None for leaf in leaves):
            return leaves
        return known_leaves(leaves, await logged_leaves(self._connection, self._stream, first=after + 1, last=after + len(leaves)))


async def log_anew(connection: Connection, stream: str) -> bool:
    """Log a stream again whose kept tree has a state that cannot be read; whether that was so. Raises RevisionConflict, Unavailable.

    What the stream holds no more is logged as it was, where its leaves are still kept.
    """
    if not await drop_unreadable(connection, stream):
        return False
    feeder = LogFeeder(connection, stream)
    for attempt in range(_TRIES):
        try:
            await feeder.feed()
            break
        except RevisionConflict:  # a worker logs it as well
            if attempt == _TRIES - 1:
                raise
    return True


async def feed_logs(
    connection: Connection, streams: Callable[[], list[str]], hold_lease: Callable[[str], AbstractAsyncContextManager[Held]]
) -> None:
    """Feed the log of every stream that `streams` names, until cancelled, whenever this worker holds the lease."""
    while True:
        try:
            async with hold_lease(LOG_LEASE) as lease:
                await ensure_log(connection)
                feeders: dict[str, LogFeeder] = {}
                while not lease.lost.is_set():
                    await ensure_checkpoints(connection)  # again each time: the signer, which may not make it, publishes into it
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
