"""What stands on a stream follows to the generation that serves: projections are built anew from it, and found again after going back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from apps.persistence.encoding import decode
from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.events import NewEvent, StoredEvent, new_id
from apps.persistence.projections import (
    Failure,
    Filling,
    ProjectionDefinition,
    State,
    bucket_of,
    find_here,
    park_failed,
    placed,
    project_status,
    read_record,
    run_all,
    skip_failed,
)
from apps.persistence.projections.builtin import NewestState, find_newest_state, newest_state_projections
from apps.persistence.projections.definition import Models
from apps.persistence.store import EVENTS, Store, append, ensure_home, head_of, kv_get, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work import hold

from .baskets import BASKET_REF
from .stream_migrating import TIDY, change_of, fill, work_of

PATIENCE_SECONDS = 60


@pytest.fixture
async def filled(store: Store) -> Store:
    """A stream with two baskets."""
    return await fill(store)


def counting(store: Store) -> ProjectionDefinition:
    def keys(stored: StoredEvent) -> list[str]:
        return [f"type.{stored.event.type}"]

    def apply(stored: StoredEvent, models: Models) -> Models:
        key = keys(stored)[0]
        before: Any = models[key] or {"events": 0}
        return {key: {"events": before["events"] + 1}}

    layout = store.declared
    return ProjectionDefinition(
        name=f"counts-{new_id()[-12:]}",
        version=1,
        title="Counts",
        subjects=(f"{layout.root}.shop.>",),
        stream=layout.stream,
        keys=keys,
        apply=apply,
    )


@asynccontextmanager
async def running(store: Store, *definitions: ProjectionDefinition) -> AsyncIterator[None]:
    stop = asyncio.Event()

    def lease(name: str) -> Any:
        return hold(store.connection, name, "test", ttl_seconds=5)

    async with asyncio.TaskGroup() as group:
        group.create_task(run_all(store, definitions, lease, stop))
        try:
            yield
        finally:
            stop.set()


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` finds, once it finds something."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(NotFound):
                if (found := await look()) is not None:
                    return found
            await asyncio.sleep(0.05)


async def until_build(store: Store, name: str, *, generation: int) -> int:
    """The build that serves, once it is of this generation."""

    async def look() -> int | None:
        record = await read_record(store.connection, name)
        serving = record.serving_build
        return record.serving if serving.generation == generation and (serving.completed or record.serving == 1) else None

    return int(await until(look))


async def until_counted(store: Store, name: str, build: int, event_type: str) -> int:
    entry = await until(lambda: kv_get(store.connection, bucket_of(name, build), f"type.{event_type}"))
    value: Any = decode(entry.value)
    return int(value["model"]["events"])


async def test_projection_is_built_anew_from_the_generation_that_serves_and_goes_on_there(filled: Store) -> None:
    counts = counting(filled)
    async with running(filled, counts):
        assert await until_counted(filled, counts.name, 1, "removed") == 1
        await change_of(filled).up(work_of(filled))

        build = await until_build(filled, counts.name, generation=2)
        assert await until_counted(filled, counts.name, build, "put") == 5
        await append(filled, await head_of(filled, BASKET_REF), [NewEvent(type="weighed", payload={"name": "x"})])
        assert await until_counted(filled, counts.name, build, "weighed") == 1
        (status,) = await project_status(filled.connection, [counts])

    assert (status.state, status.definition.stream) == (State.LIVE, f"{filled.declared.stream}-2")


async def test_projection_follows_back(filled: Store) -> None:
    counts = counting(filled)
    async with running(filled, counts):
        await until_counted(filled, counts.name, 1, "removed")
        await change_of(filled).up(work_of(filled))
        await until_build(filled, counts.name, generation=2)
        await change_of(filled).down(work_of(filled))

        build = await until_build(filled, counts.name, generation=1)
        assert await until_counted(filled, counts.name, build, "added") == 4


async def test_build_that_was_begun_for_a_generation_that_was_rolled_back_is_dropped(filled: Store) -> None:
    counts = counting(filled)
    stumbling = replace(counts, keys=stumble_at_put)
    async with running(filled, stumbling):
        await until_counted(filled, counts.name, 1, "removed")
        await change_of(filled).up(work_of(filled))
        await until(lambda: failure_beside(filled, counts.name))
    await change_of(filled).down(work_of(filled))
    (left,) = await project_status(filled.connection, [stumbling])

    async with running(filled, stumbling):

        async def look() -> bool | None:
            return len((await read_record(filled.connection, counts.name)).builds) == 1 or None

        await until(look)
        (status,) = await project_status(filled.connection, [stumbling])

    assert left.rebuild is not None
    assert (left.state, left.rebuild.filling, left.rebuild.stream) == (State.LIVE, Filling.SUPERSEDED, f"{filled.declared.stream}-2")
    assert (status.state, status.rebuild, status.build) == (State.LIVE, None, 1)
    assert await until_counted(filled, counts.name, 1, "added") == 4


async def test_failure_of_the_build_that_replaces_one_of_a_closed_generation_is_what_is_shown_and_mended(filled: Store) -> None:
    counts = counting(filled)
    stumbling = replace(counts, keys=stumble_at_removed)
    async with running(filled, stumbling):
        await until(lambda: failure_of(filled, counts.name, 1))
        await change_of(filled).up(work_of(filled))
        stopped = await until(lambda: failure_beside(filled, counts.name))
        (failed,) = await project_status(filled.connection, [stumbling])

        await skip_failed(filled.connection, counts.name, sequence=stopped.sequence, note="known", by="ada")
        build = await until_build(filled, counts.name, generation=2)
        await until_counted(filled, counts.name, build, "put")
        record = await read_record(filled.connection, counts.name)

    assert (failed.state, failed.failure, failed.measured, failed.build) == (State.FAILED, stopped, 2, 1)
    assert (failed.definition.stream, failed.closed) == (f"{filled.declared.stream}-2", filled.declared.stream)
    assert [(skip.sequence, skip.generation) for skip in record.skips] == [(stopped.sequence, 2)]
    assert (record.left_out(1), record.left_out(2)) == (frozenset(), {stopped.sequence})


async def test_event_parked_of_another_generation_is_not_mistaken_for_one_that_lies_at_its_place_now(filled: Store) -> None:
    counts = counting(filled)
    async with running(filled, replace(counts, keys=stumble_at_removed)):
        stopped = await until(lambda: failure_of(filled, counts.name, 1))
        await park_failed(filled.connection, counts.name, sequence=stopped.sequence, note="later", by="ada")
        await until_counted(filled, counts.name, 1, "added")
    await change_of(filled).up(work_of(filled))

    async with running(filled, counts):
        build = await until_build(filled, counts.name, generation=2)
        assert await until_counted(filled, counts.name, build, "removed") == 1
    record = await read_record(filled.connection, counts.name)

    with pytest.raises(InvalidInput, match="was parked of generation 1 of the stream, and generation 2 serves"):
        find_here(record, placed(filled.connection, counts), stopped.sequence)


async def failure_of(store: Store, name: str, build: int) -> Failure | None:
    return (await read_record(store.connection, name)).build(build).failure


def stumble_at_removed(stored: StoredEvent) -> list[str]:
    if stored.event.type == "removed":
        raise ValueError("nobody said what to do with what was removed")
    return [f"type.{stored.event.type}"]


def stumble_at_put(stored: StoredEvent) -> list[str]:
    if stored.event.type == "put":
        raise ValueError("nobody said what to do with what was put")
    return [f"type.{stored.event.type}"]


async def failure_beside(store: Store, name: str) -> Failure | None:
    """Why the build beside the one that serves stopped."""
    rebuilding = (await read_record(store.connection, name)).rebuilding
    return rebuilding.failure if rebuilding else None


async def test_newest_states_of_another_generation_lie_apart(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker"), layout=EVENTS) as store:
        await ensure_home(store.connection)
        await fill(store)
        (newest,) = newest_state_projections([TIDY])
        async with running(store, newest):
            await change_of(store).up(work_of(store))
            await until_build(store, newest.name, generation=2)

            async def look() -> NewestState | None:
                found = await find_newest_state(store.connection, TIDY, BASKET_REF)
                return found if found and found.head.version == 4 else None

            found = await until(look)

        head = await head_of(store, BASKET_REF)
    assert (found.head, found.state) == (replace(head, stream=""), {"items": ["cup", "spoon"]})
