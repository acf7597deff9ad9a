"""Leases and heartbeats on a real server: one holder at a time, freed by its end, its death, or at once when it is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from apps.persistence.encoding import encode
from apps.persistence.errors import InvalidInput, LeaseLost
from apps.persistence.store import Connection, kv_put, open_connection
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.heartbeat import beat, beating, ensure_workers, list_workers, this_worker
from apps.persistence.work.lease import LEASES_BUCKET, find_holder, hold, try_hold

DEADLINE_SECONDS = 30


@pytest.fixture
async def connection(nats_server: EmbeddedServer) -> AsyncIterator[Connection]:
    async with open_connection(nats_server.settings("worker")) as opened:
        yield opened


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def test_a_second_worker_does_not_get_a_held_lease_and_learns_who_has_it(connection: Connection) -> None:
    async with hold(connection, "lease.one", "first"), try_hold(connection, "lease.one", "second") as refused:
        holder = await find_holder(connection, "lease.one")

    assert refused is None
    assert holder is not None
    assert holder.owner == "first"


async def test_a_lease_is_free_at_once_when_its_block_ends(connection: Connection) -> None:
    async with hold(connection, "lease.two", "first", ttl_seconds=60):
        pass

    async with try_hold(connection, "lease.two", "second") as lease:
        assert lease is not None
        assert lease.owner == "second"


async def test_nobody_holds_a_free_lease(connection: Connection) -> None:
    async with hold(connection, "lease.other", "first"):
        pass

    assert await find_holder(connection, "lease.other") is None


async def test_a_lease_outlives_its_time_to_live_while_it_is_renewed(connection: Connection) -> None:
    async with hold(connection, "lease.three", "first", ttl_seconds=1) as lease:
        first_revision = lease.revision
        started = time.monotonic()

        async def is_older_than_its_time_to_live() -> bool:
            return time.monotonic() - started > 1.5

        await eventually(is_older_than_its_time_to_live)
        lease.check()

        assert lease.revision > first_revision
        async with try_hold(connection, "lease.three", "second") as refused:
            assert refused is None


async def test_the_lease_of_a_dead_worker_is_taken_over_when_it_expires(nats_server: EmbeddedServer, connection: Connection) -> None:
    async with (
        open_connection(nats_server.settings("worker")) as doomed,
        hold(doomed, "lease.four", "doomed", ttl_seconds=1) as lost_lease,
    ):
        await doomed.close()
        started = time.monotonic()

        async with hold(connection, "lease.four", "heir", ttl_seconds=5) as lease:
            waited = time.monotonic() - started
            lease.check()

        await asyncio.wait_for(lost_lease.lost.wait(), DEADLINE_SECONDS)
        with pytest.raises(LeaseLost):
            lost_lease.check()

    assert waited < 4


async def test_a_refused_renewal_loses_the_lease_at_once(connection: Connection) -> None:
    async with hold(connection, "lease.five", "first", ttl_seconds=1) as lease:
        await kv_put(connection, LEASES_BUCKET, "lease.five", b"\xa0", expected_revision=lease.revision)

        await asyncio.wait_for(lease.lost.wait(), DEADLINE_SECONDS)

        with pytest.raises(LeaseLost, match=r"lease\.five is held by another worker"):
            lease.check()


async def test_giving_back_never_takes_the_lease_of_another(connection: Connection) -> None:
    async with hold(connection, "lease.six", "first", ttl_seconds=1) as lease:
        await kv_put(connection, LEASES_BUCKET, "lease.six", encode({"owner": "second"}), expected_revision=lease.revision)

    holder = await find_holder(connection, "lease.six")

    assert holder is not None
    assert holder.owner == "second"


async def test_a_lease_survives_a_server_that_restarts_within_its_time_to_live(own_nats_server: EmbeddedServer) -> None:
    async with (
        open_connection(own_nats_server.settings("worker")) as connection,
        hold(connection, "lease.seven", "first", ttl_seconds=6) as lease,
    ):
        held = lease.revision
        await asyncio.to_thread(own_nats_server.restart)

        async def is_renewed() -> bool:
            return lease.revision > held

        await eventually(is_renewed)
        lease.check()


async def test_a_lease_shorter_than_a_second_is_refused(connection: Connection) -> None:
    with pytest.raises(InvalidInput, match="whole seconds"):
        async with hold(connection, "lease.eight", "first", ttl_seconds=0):
            pass


async def test_a_beating_worker_is_listed_with_what_it_does_and_gone_when_it_ends(connection: Connection) -> None:
    worker = this_worker()

    async with beating(connection, worker, lambda: ("projection orders",)):
        listed = [found for found in await list_workers(connection) if found.id == worker.id]
    left = [found for found in await list_workers(connection) if found.id == worker.id]

    assert listed[0].doing == ("projection orders",)
    assert listed[0].pid == worker.pid
    assert listed[0].seen is not None
    assert left == []


async def test_a_silent_worker_is_forgotten(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.work.heartbeat.FORGOTTEN_AFTER_SECONDS", 1)
    worker = replace(this_worker(), doing=("nothing",))
    await ensure_workers(connection)
    await beat(connection, worker)

    async def is_forgotten() -> bool:
        return worker.id not in [found.id for found in await list_workers(connection)]

    await eventually(is_forgotten)


async def test_workers_are_none_where_none_ever_ran(own_nats_server: EmbeddedServer) -> None:
    async with open_connection(own_nats_server.settings("worker")) as connection:
        assert await list_workers(connection) == []
