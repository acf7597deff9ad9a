"""This module is the conformance of the repositories of aggregates: one set of tests for those on a real server and that in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from apps.persistence.encoding import encode
from apps.persistence.errors import (
    AggregateNotFound,
    EncodingError,
    InvalidEvent,
    InvalidInput,
    NotFound,
    VersionConflict,
)
from apps.persistence.events import AggregateRef, Head, new_id
from apps.persistence.repositories import (
    AggregateRepository,
    EventSourcedRepository,
    HybridRepository,
    LoadOptions,
    MemoryAggregateRepository,
    SaveOptions,
    retry_conflicts,
)
from apps.persistence.snapshots import list_snapshots
from apps.persistence.store import Store, append, kv_put
from tests.persistence.baskets import BASKET, added, removed


@pytest.fixture(params=["event-sourced", "hybrid", "memory"])
async def baskets(request: pytest.FixtureRequest, store: Store) -> AggregateRepository:
    if request.param == "memory":
        return MemoryAggregateRepository(definition=BASKET)
    events = EventSourcedRepository(store=store, definition=BASKET)
    if request.param == "event-sourced":
        return events
    hybrid = HybridRepository(events=events, bucket=f"states-{new_id()}")
    await hybrid.prepare()
    return hybrid


async def test_aggregate_is_saved_and_loaded(baskets: AggregateRepository) -> None:
    saved = await baskets.save("b1", [added("apple"), added("pear")])
    loaded = await baskets.load("b1")

    assert (saved.version, saved.id, saved.type) == (2, "b1", "basket")
    assert loaded.state == {"items": ["apple", "pear"], "count": 2}
    assert loaded.metadata == saved
    assert loaded.is_complete


async def test_metadata_is_on_every_event_and_returned(baskets: AggregateRepository) -> None:
    saved = await baskets.save("b1", [added("apple"), replace(added("pear"), metadata={"own": 1})], SaveOptions(metadata={"batch": "x"}))

    assert saved.metadata == {"own": 1, "batch": "x"}
    assert [event.metadata for event in await baskets.history("b1")] == [{"batch": "x"}, {"own": 1, "batch": "x"}]


async def test_conflict_gives_both_versions_and_stores_nothing(baskets: AggregateRepository) -> None:
    await baskets.save("b1", [added("apple")], SaveOptions(expected_version=0))
    for expected in (0, 2):
        with pytest.raises(VersionConflict) as caught:
            await baskets.save("b1", [added("pear")], SaveOptions(expected_version=expected))
        assert (caught.value.expected, caught.value.actual) == (expected, 1)

    assert (await baskets.load("b1")).state["items"] == ["apple"]


async def test_version_is_loaded_exactly(baskets: AggregateRepository) -> None:
    await baskets.save("b1", [added("apple"), added("pear"), removed("apple")])

    assert (await baskets.load("b1", LoadOptions(version=2))).state["items"] == ["apple", "pear"]
    with pytest.raises(NotFound, match="there is no version 4 yet"):
        await baskets.load("b1", LoadOptions(version=4))
    with pytest.raises(AggregateNotFound):
        await baskets.load("b2")


async def test_state_as_of_a_time(baskets: AggregateRepository) -> None:
    first = await baskets.save("b1", [added("apple")])
    await asyncio.sleep(0.01)
    await baskets.save("b1", [added("pear")])

    assert (await baskets.load("b1", LoadOptions(as_of=first.last_modified))).state["items"] == ["apple"]
    with pytest.raises(InvalidInput, match="cannot both"):
        await baskets.load("b1", LoadOptions(as_of=first.last_modified, version=1))


async def test_fold_stops_at_the_limit_and_says_so(baskets: AggregateRepository) -> None:
    await baskets.save("b1", [added("apple"), added("pear"), added("fig")])

    part = await baskets.load("b1", LoadOptions(max_events=2))
    assert (part.state["items"], part.metadata.version, part.events_read, part.is_complete) == (["apple", "pear"], 2, 2, False)
    assert (await baskets.load("b1", LoadOptions(max_events=3))).is_complete
    with pytest.raises(InvalidInput, match="at least 1"):
        await baskets.load("b1", LoadOptions(max_events=0))


async def test_history_is_exactly_the_versions_asked_for(baskets: AggregateRepository) -> None:
    await baskets.save("b1", [added(item) for item in "abcde"])

    assert [event.version for event in await baskets.history("b1", from_version=2, to_version=4)] == [2, 3, 4]
    assert await baskets.history("b1", from_version=6) == ()
    for bounds in ((0, 3), (3, 2)):
        with pytest.raises(InvalidInput, match="versions begin at 1"):
            await baskets.history("b1", from_version=bounds[0], to_version=bounds[1])


async def test_deleted_aggregate_is_found_no_more_and_keeps_its_history(baskets: AggregateRepository) -> None:
    keeping_deleted = replace(BASKET, apply=lambda state, event: state if event.type == "deleted" else BASKET.apply(state, event))
    repository = _with_definition(baskets, keeping_deleted)
    await repository.save("b1", [added("apple")])
    assert await repository.exists("b1")

    await repository.delete("b1")

    assert not await repository.exists("b1")
    with pytest.raises(AggregateNotFound, match="was deleted with version 2"):
        await repository.load("b1")
    assert (await repository.load("b1", LoadOptions(version=1))).state["items"] == ["apple"]
    with pytest.raises(AggregateNotFound, match="cannot be deleted"):
        await repository.delete("b1")


async def test_events_that_cannot_be_stored_are_refused_together(baskets: AggregateRepository) -> None:
    with pytest.raises((InvalidEvent, EncodingError)):
        await baskets.save("b1", [added("apple"), replace(added("pear"), payload={"item": float("inf")})])
    with pytest.raises(InvalidInput, match="0 events"):
        await baskets.save("b1", [])
    assert not await baskets.exists("b1")


async def test_of_many_writers_exactly_one_wins_each_version(baskets: AggregateRepository) -> None:
    await baskets.save("b1", [added("first")])

    async def write(item: str) -> bool:
        try:
            await baskets.save("b1", [added(item)], SaveOptions(expected_version=1))
        except VersionConflict:
            return False
        return True

    assert sum(await asyncio.gather(*(write(item) for item in "abcdefgh"))) == 1


async def test_conflicts_are_tried_again_until_all_are_in(baskets: AggregateRepository) -> None:
    await baskets.save("b1", [added("first")])

    async def add(item: str) -> None:
        async def attempt() -> None:
            version = (await baskets.load("b1")).metadata.version
            await baskets.save("b1", [added(item)], SaveOptions(expected_version=version))

        await retry_conflicts(attempt, tries=40, first_pause_seconds=0.01)

    await asyncio.gather(*(add(item) for item in "abcde"))

    assert sorted((await baskets.load("b1")).state["items"]) == ["a", "b", "c", "d", "e", "first"]  # type: ignore[arg-type]


async def test_last_conflict_is_raised() -> None:
    calls = 0

    async def attempt() -> None:
        nonlocal calls
        calls += 1
        raise VersionConflict("b1", expected=1, actual=2)

    with pytest.raises(VersionConflict):
        await retry_conflicts(attempt, tries=3, first_pause_seconds=0.001)
    assert calls == 3
    with pytest.raises(InvalidInput, match="0 tries"):
        await retry_conflicts(attempt, tries=0)


async def test_snapshot_after_saving_makes_loading_shorter_and_changes_nothing(store: Store) -> None:
    repository = EventSourcedRepository(store=store, definition=BASKET)
    id = f"b-{new_id()}"
    await repository.save(id, [added("apple"), added("pear")], SaveOptions(create_snapshot=True))
    await repository.save(id, [added("fig")])

    with_snapshot = await repository.load(id)
    without = await repository.load(id, LoadOptions(use_snapshot=False))

    assert [one.version for one in await list_snapshots(store, AggregateRef("shop", "basket", id))] == [2]
    assert (with_snapshot.events_read, without.events_read) == (1, 3)
    assert with_snapshot.state == without.state
    assert with_snapshot.metadata == without.metadata


@pytest.fixture
async def hybrid(store: Store) -> HybridRepository:
    repository = HybridRepository(events=EventSourcedRepository(store=store, definition=BASKET), bucket=f"states-{new_id()}")
    await repository.prepare()
    return repository


async def test_kept_state_is_read_with_no_event_after_it(hybrid: HybridRepository) -> None:
    await hybrid.save("b1", [added(item) for item in "abc"])

    assert (await hybrid.load("b1")).events_read == 0


async def test_events_that_others_appended_are_folded_onto_the_kept_state(hybrid: HybridRepository) -> None:
    await hybrid.save("b1", [added("apple")])
    await hybrid.events.save("b1", [added("pear")])

    found = await hybrid.load("b1")
    assert (found.state["items"], found.events_read) == (["apple", "pear"], 1)


async def test_kept_state_that_names_another_event_is_not_used(
    hybrid: HybridRepository, spoil: Callable[[HybridRepository], Awaitable[None]]
) -> None:
    await hybrid.save("b1", [added("apple")])
    await spoil(hybrid)

    found = await hybrid.load("b1")
    assert (found.state["items"], found.events_read) == (["apple"], 1)


@pytest.fixture
def spoil(store: Store) -> Callable[[HybridRepository], Awaitable[None]]:
    """Replace the kept state of b1 by one of another story."""

    async def write(hybrid: HybridRepository) -> None:
        other = await append(store, Head(aggregate=AggregateRef("shop", "basket", "other")), [added("stone")])
        block = encode({"version": 1, "cid": other[0].cid, "schema": 1, "state": {"items": ["stone"], "count": 1}})
        await kv_put(store.connection, hybrid.bucket, "shop.basket.b1", block)

    return write


def _with_definition(repository: AggregateRepository, definition: object) -> AggregateRepository:
    if isinstance(repository, HybridRepository):
        return replace(repository, events=replace(repository.events, definition=definition))  # type: ignore[arg-type]
    return replace(repository, definition=definition)  # type: ignore[type-var]
