"""This module is the local indexes of this web process: one SQLite file for each bucket of models that somebody queries, which follows it.

A file is opened with the first query, filled while pages say how far it is, and let go of when nobody asked for a while. It follows the
bucket by reading what is new (no consumer is made), lies below CIM_DATA, and goes on where it was when it is opened again. Where another
web process has the file, this one takes a file of its own.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from apps.connection import start
from apps.persistence.errors import Conflict, PersistenceError
from apps.persistence.queries import QueryOptimizer, open_optimizer
from apps.persistence.read_models import ReadModelStore
from apps.persistence.store import Connection, Store

FOLDER = "indexes"
WAIT_SECONDS = 3.0
IDLE_SECONDS = 900.0
MOST_KEPT = 8
_FILES = 8


@dataclass(slots=True, kw_only=True)
class Index:
    """The index of one bucket. `optimizer` is None until its file is open; before `is_filled` it may not be asked."""

    bucket: str
    connection: Connection
    optimizer: QueryOptimizer | None = None
    problem: PersistenceError | None = None
    is_filled: bool = False
    used: float = 0.0
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    unwanted: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def position(self) -> int:
        """Up to which revision it has come."""
        return self.optimizer.index.position if self.optimizer else 0

    async def run(self) -> None:
        """Hold the index until nobody wants it. On the console's loop."""
        try:
            await self._hold()
        except PersistenceError as error:
            self.problem = error
        finally:
            self.settled.set()
            self.closed.set()
            if _indexes.get(self.bucket) is self:
                del _indexes[self.bucket]

    async def _hold(self) -> None:
        models = ReadModelStore(connection=self.connection, bucket=self.bucket, as_stored=True)
        for number in range(1, _FILES + 1):
            with suppress(Conflict):
                async with open_optimizer(models, _path(self.bucket, number), on_open=self._opened):
                    self.is_filled = True
                    self.settled.set()
                    await self._until_unwanted()
                return
        raise Conflict(f"{_FILES} processes query {self.bucket} on this machine already; stop one of them.")

    def _opened(self, optimizer: QueryOptimizer) -> None:
        optimizer.skips_unreadable = True
        self.optimizer = optimizer

    async def _until_unwanted(self) -> None:
        while not self.unwanted.is_set() and (left := self.used + IDLE_SECONDS - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.unwanted.wait()


async def index_of(store: Store, bucket: str) -> Index:
    """The index of a bucket, filled unless that takes longer than a moment. On the console's loop.

    Raises StreamNotFound where the bucket is missing, Unavailable.
    """
    index = _indexes.get(bucket)
    if index is not None and index.connection is not store.connection:
        index.unwanted.set()
        await index.closed.wait()
        index = None
    if index is None:
        index = _begin(store, bucket)
    index.used = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(WAIT_SECONDS):
            await index.settled.wait()
    if index.problem is not None:
        raise index.problem
    return index


def _begin(store: Store, bucket: str) -> Index:
    if len(_indexes) >= MOST_KEPT:
        min(_indexes.values(), key=lambda one: one.used).unwanted.set()
    index = _indexes[bucket] = Index(bucket=bucket, connection=store.connection, used=time.monotonic())
    start(index.run)
    return index


def _path(bucket: str, number: int) -> Path:
    return Path(settings.CIM_DATA) / FOLDER / f"{bucket}-{number}.sqlite3"


_indexes: dict[str, Index] = {}
