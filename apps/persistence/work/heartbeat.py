"""This module is which workers live: each says so every few seconds, and one that falls silent is forgotten by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..encoding import encode
from ..errors import InvalidInput, NotFound, ServerRefused, Unavailable
from ..events import format_time, new_id, now, parse_time
from ..store import Connection, KvEntry, kv_all, kv_put, of_type, parse_record
from .lease import ensure_expiring

WORKERS_BUCKET = "cim-workers"
BEAT_SECONDS = 5
FORGOTTEN_AFTER_SECONDS = 15

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker process. `seen` is the server's time of its last beat (None before the first), `doing` what it works on, in words."""

    id: str
    host: str
    pid: int
    started: datetime
    seen: datetime | None = None
    doing: tuple[str, ...] = ()


def this_worker() -> WorkerInfo:
    """This process as a new worker."""
    return WorkerInfo(id=new_id(), host=socket.gethostname(), pid=os.getpid(), started=now())


async def beat(connection: Connection, worker: WorkerInfo) -> int:
    """Say once that `worker` lives, and return the revision. Raises Unavailable, StreamNotFound before `ensure_workers`."""
    value = encode(
        {
            "id": worker.id,
            "host": worker.host,
            "pid": worker.pid,
            "started": format_time(worker.started),
            "doing": list(worker.doing),
        }
    )
    return await kv_put(connection, WORKERS_BUCKET, worker.id, value, ttl_seconds=FORGOTTEN_AFTER_SECONDS)


@asynccontextmanager
async def beating(connection: Connection, worker: WorkerInfo, doing: Callable[[], Sequence[str]]) -> AsyncIterator[None]:
    """Beat for as long as the block lasts, each time with what `doing` says; afterwards the worker is gone from the list at once."""
    await ensure_workers(connection)
    await beat(connection, replace(worker, doing=tuple(doing())))
    task = asyncio.create_task(_keep_beating(connection, worker, doing), name=f"heartbeat {worker.id}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await _leave(connection, worker)


async def ensure_workers(connection: Connection) -> None:
    """The bucket of workers, created if it is not there."""
    await ensure_expiring(connection, WORKERS_BUCKET)


async def list_workers(connection: Connection) -> list[WorkerInfo]:
    """The workers that were heard of in the last seconds, the oldest first; none where no worker ever ran."""
    try:
        entries = await kv_all(connection, WORKERS_BUCKET)
    except NotFound:
        return []
    found = [worker for entry in entries if (worker := _to_worker(entry))]
    return sorted(found, key=lambda worker: (worker.started, worker.id))


async def _keep_beating(connection: Connection, worker: WorkerInfo, doing: Callable[[], Sequence[str]]) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        with contextlib.suppress(Unavailable):  # the next beat comes soon, and silence is what the list is there to show
            await beat(connection, replace(worker, doing=tuple(doing())))


async def _leave(connection: Connection, worker: WorkerInfo) -> None:
    with contextlib.suppress(Unavailable, NotFound, ServerRefused):
        subject = f"$KV.{WORKERS_BUCKET}.{worker.id}"
        await connection.api(f"STREAM.PURGE.KV_{WORKERS_BUCKET}", {"filter": subject}, stream=f"KV_{WORKERS_BUCKET}", timeout=2)


def _to_worker(entry: KvEntry) -> WorkerInfo | None:
    """None where another program wrote something else there: it is no worker, and is forgotten as one that falls silent."""

    def parse(fields: Any) -> WorkerInfo:
        return WorkerInfo(
            id=of_type(fields["id"], str),
            host=of_type(fields["host"], str),
            pid=int(fields["pid"]),
            started=parse_time(fields["started"]),
            seen=entry.time,
            doing=tuple(of_type(one, str) for one in fields["doing"]),
        )

    try:
        return parse_record(entry, parse, remedy="It is no worker, and is forgotten by itself.")
    except InvalidInput as error:
        log.warning("%s", error)
        return None
