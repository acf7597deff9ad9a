"""Building beside, comparing, switching and dropping: readers never see a replay, and the way back stays open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import pytest

from apps.persistence.errors import InvalidInput, LeaseLost, PlanStale, ProjectionFailed, StreamNotFound
from apps.persistence.events import StoredEvent
from apps.persistence.projections import (
    HeldLease,
    Models,
    Orders,
    Progress,
    ProjectionDefinition,
    bucket_of,
    build_beside,
    compare_builds,
    drop_build,
    ensure_record,
    read_record,
    run_all,
    run_projection,
    serving_bucket,
    switch,
)
from apps.persistence.store import find_consumer, get_stream
from apps.persistence.work.lease import hold

from .operating import supervised, wait_for_total
from .projecting import TO_THE_HEAD, Case, add_up, case, eventually

__all__ = ["case"]


async def test_a_build_beside_is_filled_compared_and_switched_and_both_are_fed_on(case: Case) -> None:
    definition = case.definition()
    connection = case.store.connection
    async with supervised(case.store, definition):
        await case.add(1, 2, 3)
        await wait_for_total(case, definition, 6)
        rebuilt = await build_beside(case.store, definition)
        comparison = await compare_builds(case.store, definition, one=1, other=rebuilt.build)
        await switch(connection, definition.name, from_build=1, to_build=rebuilt.build)
        await case.add(4)

        await wait_for_total(case, definition, 10, build=1)
        await wait_for_total(case, definition, 10, build=2)

    assert rebuilt.build == 2
    assert rebuilt.applied == 3
    assert (comparison.equal, comparison.is_equal) == (1, True)
    assert await serving_bucket(connection, definition.name) == bucket_of(definition.name, 2)


async def test_a_build_that_went_wrong_is_told_apart_by_its_models(case: Case) -> None:
    definition = case.definition()
    await case.add(1)
    await case.add(1, order="two")
    await run_projection(case.store, definition, 1, TO_THE_HEAD)
    await run_projection(case.store, replace(definition, apply=forget_two), 2, TO_THE_HEAD)

    comparison = await compare_builds(case.store, definition, one=1, other=2)

    assert (comparison.equal, comparison.different, comparison.only_in_one, comparison.only_in_other) == (0, 1, 1, 0)
    assert comparison.samples == (("different", "order.one"), ("only in one", "order.two"))


async def test_a_failing_build_beside_leaves_the_serving_one_alone(case: Case) -> None:
    definition = case.definition()
    await case.add(13)
    await run_projection(case.store, definition, 1, TO_THE_HEAD)

    with pytest.raises(ProjectionFailed):
        await build_beside(case.store, replace(definition, apply=refuse_thirteen))

    record = await read_record(case.store.connection, definition.name)
    assert record.failure is None
    assert record.build(2).failure is not None


async def test_a_build_beside_that_was_interrupted_goes_on_where_it_was(case: Case) -> None:
    definition = case.definition(rate_limit=500.0)
    await case.add_many(200)
    told: list[Progress] = []

    async def note(progress: Progress) -> None:
        told.append(progress)

    first = await build_beside(case.store, definition, Orders(on_progress=note, should_stop=lambda: bool(told)))
    second = await build_beside(case.store, replace(definition, rate_limit=None))

    assert first.build == second.build == 2
    assert 0 < first.applied < 200
    assert second.applied == 200


async def test_readers_are_not_switched_to_a_build_that_is_not_ready(case: Case) -> None:
    definition = case.definition()
    await case.add_many(100)
    await build_beside(case.store, definition, Orders(should_stop=lambda: True))

    with pytest.raises(InvalidInput, match="has not reached the newest event yet"):
        await switch(case.store.connection, definition.name, from_build=1, to_build=2)


async def test_a_switch_from_a_build_that_does_not_serve_is_refused(case: Case) -> None:
    definition = case.definition()
    await build_beside(case.store, definition)

    with pytest.raises(PlanStale, match="Build 1 of"):
        await switch(case.store.connection, definition.name, from_build=2, to_build=1)


async def test_a_dropped_build_leaves_neither_bucket_nor_consumer_and_its_number_is_not_used_again(case: Case) -> None:
    definition = case.definition()
    connection = case.store.connection
    await build_beside(case.store, definition)

    await drop_build(connection, definition, 2)
    rebuilt = await build_beside(case.store, definition)

    assert await find_consumer(connection, "CIM-EVENTS", bucket_of(definition.name, 2)) is None
    with pytest.raises(StreamNotFound):
        await get_stream(case.store.connection, f"KV_{bucket_of(definition.name, 2)}")
    assert rebuilt.build == 3


async def test_the_build_that_serves_cannot_be_dropped(case: Case) -> None:
    await ensure_record(case.store.connection, case.definition())

    with pytest.raises(InvalidInput, match="serves readers"):
        await drop_build(case.store.connection, case.definition(), 1)


async def test_newer_code_builds_anew_and_switches_by_itself(case: Case) -> None:
    definition = case.definition()
    await case.add(4)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 4)

    newer = replace(definition, version=2, apply=double)
    async with supervised(case.store, newer):
        await eventually(lambda: is_serving(case, definition, 2))
        await case.add(1)
        await wait_for_total(case, definition, 10, build=2)

    assert await case.total(definition, build=1) == 4


async def test_worker_stops_although_a_lease_is_lost_at_that_moment(case: Case) -> None:
    held = asyncio.Event()

    @asynccontextmanager
    async def hold_lease(name: str) -> AsyncIterator[HeldLease]:
        async with hold(case.store.connection, name, "worker", ttl_seconds=2) as lease:
            held.set()
            try:
                yield lease
            finally:
                raise LeaseLost(name)

    stop = asyncio.Event()
    running = asyncio.create_task(run_all(case.store, [case.definition()], hold_lease, stop))
    await held.wait()
    stop.set()

    async with asyncio.timeout(60):
        await running


async def test_older_code_leaves_the_models_of_newer_code_alone(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    async def has_said_so() -> bool:
        return "is served by version 2, and this worker has only version 1" in caplog.text

    definition = case.definition()
    await ensure_record(case.store.connection, replace(definition, version=2))
    await case.add(1)

    async with supervised(case.store, definition):
        await eventually(has_said_so)

    with pytest.raises(StreamNotFound):
        await get_stream(case.store.connection, f"KV_{bucket_of(definition.name, 1)}")


def refuse_thirteen(stored: StoredEvent, models: Models) -> Models:
    if stored.event.payload["quantity"] == 13:
        raise ValueError("thirteen is unlucky")
    return add_up(stored, models)


def forget_two(stored: StoredEvent, models: Models) -> Models:
    return {} if stored.event.aggregate.id == "two" else {"order.one": {"total": 99}}


def double(stored: StoredEvent, models: Models) -> Models:
    total = cast(int, (models["order.one"] or {"total": 0})["total"])
    return {"order.one": {"total": total + 2 * cast(int, stored.event.payload["quantity"])}}


async def is_serving(case: Case, definition: ProjectionDefinition, build: int) -> bool:
    return (await read_record(case.store.connection, definition.name)).serving == build
