"""Snapshots that workers take by themselves, as events come in and a policy says that they are due."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.console import load_registry
from apps.persistence.events import Event, SnapshotPolicy, State
from apps.persistence.snapshots import list_snapshots, state_at
from apps.persistence.store import EVENTS, ensure_event_stream, ensure_home, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.snapshot_watch import SnapshotWatch

from .baskets import apply
from .conftest import fresh_layout
from .engine_stage import Stage
from .projecting import eventually
from .snapshotting import Baskets

EVERY_FIVE = SnapshotPolicy(every_events=5, keep=2)


@pytest.fixture
async def baskets(nats_server: EmbeddedServer) -> AsyncIterator[Baskets]:
    layout = fresh_layout()
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as store:
        await ensure_home(store.connection)
        await ensure_event_stream(store.connection, layout)
        yield Baskets(store=store, policy=EVERY_FIVE)


async def test_what_changes_and_is_due_is_taken_and_so_many_are_kept(baskets: Baskets) -> None:
    await baskets.list_them()
    watch = SnapshotWatch(baskets.store, [baskets.definition])
    await watch.look()

    for _ in range(3):
        await baskets.fill("a", 6)
        await baskets.fill("b", 1)
        await baskets.list_them()
        await watch.look()

    (newest, *_) = await list_snapshots(baskets.store, baskets.ref("a"))
    assert [await baskets.versions(name) for name in "ab"] == [[18, 12], []]
    assert newest.by == "policy"


async def test_what_was_there_before_is_left_to_the_operation(baskets: Baskets) -> None:
    await baskets.fill("a", 6)
    await baskets.list_them()
    watch = SnapshotWatch(baskets.store, [baskets.definition])

    await watch.look()
    await watch.look()

    assert await baskets.versions("a") == []


async def test_aggregate_that_cannot_be_folded_does_not_stop_the_others(baskets: Baskets, caplog: pytest.LogCaptureFixture) -> None:
    def refuse_a(state: State, event: Event) -> State:
        if event.aggregate.id == "a":
            raise ZeroDivisionError("no a")
        return apply(state, event)

    await baskets.list_them()
    watch = SnapshotWatch(baskets.store, [replace(baskets.definition, apply=refuse_a)])
    await watch.look()
    await baskets.fill("a", 6)
    await baskets.fill("b", 6)
    await baskets.list_them()

    await watch.look()

    assert [await baskets.versions(name) for name in "ab"] == [[], [6]]
    assert f"no snapshot of {baskets.ref('a')} can be taken: no a" in caplog.text


async def test_watch_waits_for_the_directory(baskets: Baskets) -> None:
    assert await SnapshotWatch(baskets.store, [baskets.definition]).look() is False


async def test_worker_takes_what_is_due_while_it_works(own_nats_server: EmbeddedServer) -> None:
    registry = load_registry([])
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        baskets = Baskets(store=store, policy=EVERY_FIVE)
        registry.aggregates[baskets.definition.key] = baskets.definition
        async with Stage(store=store, operations={}, registry=registry).worker():
            await baskets.fill("first", 1)

            async def is_taken() -> bool:
                await baskets.fill("a", 1)
                return bool(await baskets.versions("a"))

            await eventually(is_taken, seconds=60)
            found = await state_at(store, baskets.definition, baskets.ref("a"))

    assert found.snapshot_version is not None
    assert store.layout.name == EVENTS.name
