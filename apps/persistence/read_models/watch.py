"""This module is the watch of a bucket: every change that any process makes is handed on, in order and once, within a moment.

A write flies by as a core message before it is stored, so that message only wakes the watch; what it hands on it reads from the bucket,
behind the last revision it handed on. So nothing is left out, whatever the link does, and no consumer is made. Once a second it also looks
by itself, and compares what the bucket says of itself: what went without a message (a purge, an age, a bucket made anew) is seen there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ..errors import PersistenceError
from ..events import now
from ..store import Connection, CoreMessage, KvEntry, StreamInfo, get_stream, read_batch, to_entry

LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 0.02
_SETTLE_TRIES = 25
_READ_AT_ONCE = 1000
_LONGEST_SILENCE = timedelta(seconds=5)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Listener(Protocol):
    """Who is told."""

    async def on_bucket(self, info: StreamInfo) -> int:
        """The bucket as it is now, before what is new in it is handed on; the answer is the revision behind which to go on."""

    async def on_changes(self, entries: list[KvEntry]) -> None:
        """Changes in their order; deletions are among them."""


class BucketWatch:
    """How far the watch has come."""

    def __init__(self, connection: Connection, bucket: str, listener: Listener) -> None:
        self.position = 0
        self.created: datetime | None = None
        self._connection = connection
        self._bucket = bucket
        self._listener = listener
        self._looked_at = _NEVER
        self._woken = asyncio.Event()
        self._moved = asyncio.Condition()

    @property
    def is_current(self) -> bool:
        """Whether it has looked since the link was last made, and not long ago: what it handed on is then what there is."""
        return self._connection.is_connected and self._looked_at > max(self._connection.state.since, now() - _LONGEST_SILENCE)

    async def wait_for(self, revision: int, *, seconds: float) -> bool:
        """Wait until everything up to `revision` was handed on; False where that takes longer."""
        self._woken.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self.position >= revision)
        return self.position >= revision

    def wake(self, message: CoreMessage | None = None) -> None:
        """Look now."""
        self._woken.set()

    async def look(self) -> None:
        """Compare the bucket with what is known of it, and hand on what is new. Raises StreamNotFound, Unavailable."""
        started = now()
        info = await get_stream(self._connection, f"KV_{self._bucket}")
        self.position = await self._listener.on_bucket(info)
        self.created = info.created
        await self._hand_on()
        self._looked_at = started
        await self._tell()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            was_woken = self._woken.is_set()
            self._woken.clear()
            try:
                if was_woken:
                    await self._settle()
                if not was_woken or now() - self._looked_at >= timedelta(seconds=LOOK_SECONDS):
                    await self.look()
            except PersistenceError:
                self._looked_at = _NEVER
                await asyncio.sleep(LOOK_SECONDS / 2)

    async def _settle(self) -> None:
        """Look until what flew by is stored, and once more for what flew by with it."""
        has_come = False
        for _ in range(_SETTLE_TRIES):
            found = await self._hand_on()
            if has_come and not found:
                break
            has_come = has_come or found
            await asyncio.sleep(_SETTLE_SECONDS)

    async def _hand_on(self) -> bool:
        is_any = False
        while True:
            batch = await read_batch(
                self._connection,
                f"KV_{self._bucket}",
                from_sequence=self.position + 1,
                limit=_READ_AT_ONCE,
                pattern=f"$KV.{self._bucket}.>",
            )
            if not batch.messages:
                return is_any
            await self._listener.on_changes([to_entry(self._bucket, message) for message in batch.messages])
            self.position, is_any = batch.messages[-1].sequence, True
            await self._tell()

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()


@asynccontextmanager
async def watching(connection: Connection, bucket: str, listener: Listener) -> AsyncIterator[BucketWatch]:
    """Tell `listener` of every change for as long as the block lasts; what there is at its start was handed on when it begins.

    Raises StreamNotFound, Unavailable. What the listener raises, other than a PersistenceError, ends the watch and is raised at the end.
    """
    watch = BucketWatch(connection, bucket, listener)
    async with connection.subscribe(f"$KV.{bucket}.>", watch.wake):
        await watch.look()
        task = asyncio.create_task(watch.run(), name=f"watch of {bucket}")
        try:
            yield watch
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()
