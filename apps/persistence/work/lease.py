"""This module is leases: at most one worker at a time holds a name, and one that dies frees it within the lease's time to live.

A lease is one message in a stream where single messages expire (`Nats-TTL`, ADR-43), without markers, so that a name is free the moment
its message is gone. Whoever takes it expects that there is none; whoever renews it expects its own last sequence. A lease alone does not
make writing safe (a paused process may wake up after it lost one): what is written under a lease is fenced by a revision as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from ..encoding import Value, decode, encode
from ..errors import InvalidInput, LeaseLost, NotFound, RevisionConflict, ServerRefused, Unavailable
from ..events import new_id
from ..store import Connection, KvEntry, ensure_stream, kv_get, kv_put

LEASES_BUCKET = "cim-leases"
TTL_SECONDS = 15
RENEWALS_PER_TTL = 3
_LONGEST_WAIT_SECONDS = 1.0
_RETRY_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHolder:
    """Who holds a lease, and since when by the server's clock."""

    name: str
    owner: str
    renewed_at: datetime


class Lease:
    """A lease while it is held. `lost` is set the moment it is not ours any more; `check()` then raises LeaseLost."""

    def __init__(self, name: str, owner: str, *, ttl_seconds: int) -> None:
        self.name = name
        self.owner = owner
        self.ttl_seconds = ttl_seconds
        self.revision = 0
        self.lost = asyncio.Event()
        self._token = new_id()
        self._ends_at = 0.0

    def check(self) -> None:
        """Raise LeaseLost unless this worker still holds the lease by its own clock."""
        if self.lost.is_set() or time.monotonic() >= self._ends_at:
            self.lost.set()
            raise LeaseLost(self.name)

    async def take(self, connection: Connection) -> bool:
        """Take the lease if nobody has it. Raises Unavailable."""
        return await self._write(connection)

    async def keep(self, connection: Connection) -> None:
        """Renew until the lease is lost: at once when another has it, or when no renewal succeeds before it would expire."""
        pause = self.ttl_seconds / RENEWALS_PER_TTL
        try:
            while not self.lost.is_set():
                await asyncio.sleep(min(pause, max(0.0, self._ends_at - time.monotonic())))
                pause = await self._renew(connection)
        finally:
            self.lost.set()

    async def give_back(self, connection: Connection) -> None:
        """Free the name now rather than when it expires; only if it is still ours."""
        self.lost.set()
        try:
            await connection.api(f"STREAM.MSG.DELETE.KV_{LEASES_BUCKET}", {"seq": self.revision, "no_erase": True}, timeout=2)
        except (Unavailable, NotFound, ServerRefused):
            return

    async def _renew(self, connection: Connection) -> float:
        """Write it once more and return how long to wait before the next time, in seconds."""
        try:
            is_ours = await self._write(connection)
        except Unavailable:
            is_ours = time.monotonic() < self._ends_at
            if is_ours:
                return _RETRY_SECONDS
        if not is_ours:
            self.lost.set()
        return self.ttl_seconds / RENEWALS_PER_TTL

    async def _write(self, connection: Connection) -> bool:
        """Store the lease after our last revision; False where somebody else's message stands there."""
        sent_at = time.monotonic()
        value = encode({"owner": self.owner, "token": self._token})
        try:
            revision = await kv_put(
                connection, LEASES_BUCKET, self.name, value, expected_revision=self.revision, ttl_seconds=self.ttl_seconds
            )
        except RevisionConflict:
            return await self._adopt(connection)
        self._hold(revision, sent_at)
        return True

    async def _adopt(self, connection: Connection) -> bool:
        """A refused write may follow one of ours whose answer was lost: then the message there bears our token."""
        entry = await kv_get(connection, LEASES_BUCKET, self.name, leader=True)
        if entry is None or _fields(entry).get("token") != self._token or entry.revision <= self.revision:
            return False
        self.revision = entry.revision
        return await self._write(connection)

    def _hold(self, revision: int, sent_at: float) -> None:
        self.revision = revision
        self._ends_at = sent_at + self.ttl_seconds


@asynccontextmanager
async def hold(connection: Connection, name: str, owner: str, *, ttl_seconds: int = TTL_SECONDS) -> AsyncIterator[Lease]:
    """Wait until the lease is free, hold it for as long as the block lasts, and give it back.

    The block itself must stop when the lease is lost: call `check()` before each write, or watch `lost`. Raises Unavailable where the
    server cannot be reached when the block begins.
    """
    await _ensure_leases(connection)
    lease = _new_lease(name, owner, ttl_seconds)
    pause = min(ttl_seconds / RENEWALS_PER_TTL, _LONGEST_WAIT_SECONDS)
    while True:
        if await lease.take(connection):
            break
        await asyncio.sleep(pause)
    async with _kept(connection, lease):
        yield lease


@asynccontextmanager
async def try_hold(connection: Connection, name: str, owner: str, *, ttl_seconds: int = TTL_SECONDS) -> AsyncIterator[Lease | None]:
    """Like `hold`, but where somebody else has the lease the block gets None at once; `find_holder` says who."""
    await _ensure_leases(connection)
    lease = _new_lease(name, owner, ttl_seconds)
    if not await lease.take(connection):
        yield None
        return
    async with _kept(connection, lease):
        yield lease


async def find_holder(connection: Connection, name: str) -> LeaseHolder | None:
    """Who holds the lease now, or None where it is free. Raises Unavailable."""
    try:
        entry = await kv_get(connection, LEASES_BUCKET, name)
    except NotFound:
        return None
    if entry is None:
        return None
    return LeaseHolder(name=name, owner=str(_fields(entry).get("owner", "")), renewed_at=entry.time)


async def ensure_expiring(connection: Connection, bucket: str, *, replicas: int = 1) -> None:
    """A bucket whose keys may expire without leaving a marker: a bare stream, created if it is not there."""
    await ensure_stream(
        connection,
        {
            "name": f"KV_{bucket}",
            "subjects": [f"$KV.{bucket}.>"],
            "storage": "file",
            "max_msgs_per_subject": 1,
            "num_replicas": replicas,
            "allow_msg_ttl": True,
            "allow_direct": True,
        },
    )


async def _ensure_leases(connection: Connection) -> None:
    await ensure_expiring(connection, LEASES_BUCKET)


def _new_lease(name: str, owner: str, ttl_seconds: int) -> Lease:
    if ttl_seconds < 1:
        raise InvalidInput(f"A lease of {ttl_seconds} s is too short; the server counts in whole seconds from 1.")
    return Lease(name, owner, ttl_seconds=ttl_seconds)


@asynccontextmanager
async def _kept(connection: Connection, lease: Lease) -> AsyncIterator[None]:
    """Renew beside the block, and give back after it."""
    renewing = asyncio.create_task(lease.keep(connection), name=f"lease {lease.name}")
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait({renewing})
        await lease.give_back(connection)


def _fields(entry: KvEntry) -> Mapping[str, Value]:
    value = decode(entry.value)
    return value if isinstance(value, dict) else {}
