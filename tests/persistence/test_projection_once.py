"""Each event exactly once: with two runners, without the lease, killed at any moment, across a restart of the server."""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.errors import LeaseLost, RevisionConflict
from apps.persistence.projections.definition import ProjectionDefinition, bucket_of
from apps.persistence.projections.durable import Durable
from apps.persistence.projections.models import ModelBucket, place_of, read_position
from apps.persistence.projections.runner import Orders, run_projection
from apps.persistence.store import Store, ensure_home, find_consumer, kv_get, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .projecting import DEADLINE_SECONDS, TO_THE_HEAD, Case, case, eventually, new_context

__all__ = ["case"]

REPOSITORY = Path(__file__).resolve().parents[2]


async def test_two_runners_of_one_build_apply_each_event_once_and_the_stale_one_stops(case: Case) -> None:
    definition = case.definition()
    await case.add_many(3_000)
    conflicts: list[RevisionConflict] = []

    async def compete() -> None:
        try:
            await run_projection(case.store, definition, 1, TO_THE_HEAD)
        except RevisionConflict as error:
            conflicts.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(compete())
    await run_projection(case.store, definition, 1, TO_THE_HEAD)

    position = await read_position(case.store.connection, place_of(definition, 1))
    assert len(conflicts) == 1
    assert position.applied == 3_000
    assert await case.total(definition) == 3_000


async def test_a_worker_that_was_overtaken_cannot_write(case: Case) -> None:
    definition = case.definition()
    stale, other = (ModelBucket(case.store.connection, definition, 1) for _ in range(2))
    await stale.open()
    await other.open()
    await other.commit({"order.one": b"\xa0"}, sequence=5, applied=1)

    with pytest.raises(RevisionConflict):
        await stale.commit({"order.one": b"\xa1aa\x01"}, sequence=4, applied=1)

    entry = await kv_get(case.store.connection, bucket_of(definition.name, 1), "order.one")
    assert entry is not None
    assert entry.value == b"\xa0"


async def test_a_worker_that_was_overtaken_cannot_read_models_either(case: Case) -> None:
    definition = case.definition()
    stale, other = (ModelBucket(case.store.connection, definition, 1) for _ in range(2))
    await other.open()
    await other.commit({"order.one": b"\xa0"}, sequence=5, applied=1)
    await stale.open()
    await other.commit({"order.one": b"\xa1aa\x01"}, sequence=6, applied=1)

    with pytest.raises(RevisionConflict):
        await stale.fetch(["order.one"])


async def test_a_runner_without_its_lease_writes_nothing(case: Case) -> None:
    await case.add(1)

    def fence() -> None:
        raise LeaseLost("projection.orders")

    with pytest.raises(LeaseLost):
        await run_projection(case.store, case.definition(), 1, Orders(until=10**12, fence=fence))

    assert await case.models(case.definition()) == {}


async def test_a_runner_cut_off_at_twenty_random_moments_leaves_the_same_bytes_as_an_unbroken_one(case: Case) -> None:
    unbroken, broken = case.definition(), case.definition(name=f"broken-{case.context}", rate_limit=8_000.0)
    await case.add_many(4_000, orders=40)
    chance = random.Random(4)
    await run_projection(case.store, unbroken, 1, TO_THE_HEAD)

    for _ in range(20):
        with pytest.raises((asyncio.TimeoutError, StopAsyncIteration)):
            await cut_off(case.store, broken, chance.uniform(0.0, 0.04))
    await run_projection(case.store, replace(broken, rate_limit=None), 1, TO_THE_HEAD)

    assert await case.models(broken) == await case.models(unbroken)


async def test_a_runner_killed_again_and_again_leaves_the_same_bytes_as_an_unbroken_one(nats_server: EmbeddedServer, case: Case) -> None:
    unbroken, broken = case.definition(), case.definition(name=f"killed-{case.context}")
    await case.add_many(4_000, orders=40)
    await run_projection(case.store, unbroken, 1, TO_THE_HEAD)

    for batches in (1, 2, 3, 1, 2):
        await kill_after(nats_server, case.context, broken.name, batches)
    killed = await read_position(case.store.connection, place_of(broken, 1))
    await run_projection(case.store, broken, 1, TO_THE_HEAD)

    assert 0 < killed.applied < 4_000
    assert await case.models(broken) == await case.models(unbroken)


async def test_a_consumer_that_somebody_deleted_is_made_again(case: Case) -> None:
    definition = case.definition()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_projection(case.store, definition, 1))
        await eventually(lambda: is_waited_for(case, definition))
        await Durable.of_build(case.store.connection, definition, 1).delete()
        await case.add(7)

        await eventually(lambda: totals(case, definition, 7))
        running.cancel()


async def test_a_restarted_server_costs_no_event(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        case = Case(store=store, context=new_context())
        definition = case.definition()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(run_projection(store, definition, 1))
            await case.add_many(100)
            await asyncio.to_thread(own_nats_server.kill)
            await asyncio.to_thread(own_nats_server.start)
            await eventually(lambda: is_connected(store))
            await case.add_many(100)

            await eventually(lambda: totals(case, definition, 200))
            running.cancel()

        position = await read_position(store.connection, place_of(definition, 1))
        assert position.applied == 200


async def cut_off(store: Store, definition: ProjectionDefinition, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await run_projection(store, definition, 1, TO_THE_HEAD)
    raise StopAsyncIteration


async def kill_after(server: EmbeddedServer, context: str, name: str, batches: int) -> None:
    """Start a runner in a process of its own, and kill it while it is at work after some batches."""
    settings = server.settings("worker")
    arguments = [settings.url, settings.user or "", settings.password or "", context, name]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.persistence.killed_projector", *arguments, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        for _ in range(batches):
            await child.stdout.readline()
        child.kill()
        await child.wait()


async def totals(case: Case, definition: ProjectionDefinition, total: int) -> bool:
    return await case.total(definition) == total


async def is_waited_for(case: Case, definition: ProjectionDefinition) -> bool:
    consumer = await find_consumer(case.store.connection, definition.stream, bucket_of(definition.name, 1))
    return consumer is not None and consumer.waiting > 0


async def is_connected(store: Store) -> bool:
    return store.connection.state.link == "connected"
