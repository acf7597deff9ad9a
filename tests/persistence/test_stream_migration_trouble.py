"""Stream migrations that fail, are cut off or are only tried: what is left, and what is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from apps.persistence.errors import MigrationFailed, Unavailable
from apps.persistence.events import AggregateRef, Event, Head, NewEvent
from apps.persistence.evolution import copying, keep
from apps.persistence.evolution.transform import Block
from apps.persistence.store import Store, append, get_stream, head_of, read_generations

from .baskets import BASKET_REF, added, named, removed
from .stream_migrating import all_of, change_of, fill, work_of


@pytest.fixture
async def filled(store: Store) -> Store:
    """A stream with two baskets."""
    return await fill(store)


# -- what goes wrong --------------------------------------------------------------------------------------------------------------------


async def test_event_that_cannot_be_transformed_is_named_and_nothing_is_switched(filled: Store) -> None:
    old = filled.layout

    def fail(event: Event) -> list[NewEvent]:
        raise ValueError("no idea") if event.type == "removed" else ValueError("never")

    change, work = change_of(filled, transform=lambda event: fail(event) if event.type == "removed" else [keep(event)]), work_of(filled)
    with pytest.raises(MigrationFailed, match=rf"The migration tidy failed at {old.stream} sequence 6: ValueError: no idea"):
        await change.up(work)
    await change.abandon(work)

    await append(filled, await head_of(filled, BASKET_REF), [added("still open")])
    assert filled.layout.stream == old.stream
    assert (await read_generations(filled.connection, old.stream)).filling is None


async def test_state_that_nobody_expected_stops_before_the_switch_and_writers_go_on(filled: Store) -> None:
    old = filled.layout
    change, work = change_of(filled, expected=None), work_of(filled)

    with pytest.raises(MigrationFailed, match=r"shop\.basket\.b1 would differ: name: 'for May' became None\."):
        await change.up(work)

    await append(filled, await head_of(filled, BASKET_REF), [added("still open")])
    assert filled.layout.stream == old.stream


async def test_operator_may_declare_what_may_differ(filled: Store) -> None:
    await change_of(filled, expected=None).up(work_of(filled, may_differ=("name",)))

    assert filled.layout.generation == 2


async def test_generation_that_was_begun_and_abandoned_is_removed(filled: Store) -> None:
    async def stop(done: int, total: int) -> None:
        raise Unavailable("the server is away")

    change, work = change_of(filled), work_of(filled, report=stop)
    with pytest.raises(Unavailable):
        await change.up(work)
    await change.abandon(work)
    await change.up(work_of(filled))

    assert filled.layout.generation == 3


async def test_copy_that_is_cut_off_after_every_batch_ends_with_the_same_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old = store.layout
    for number in range(8):
        ref = AggregateRef("shop", "basket", f"b{number}")
        await append(store, Head(aggregate=ref), [added("tea"), named("a"), added("cup+spoon"), named("b"), removed("tea")])
    await change_of(store).up(work_of(store))
    unbroken = [message.data for message in await all_of(store, f"{old.stream}-2")]
    await change_of(store).down(work_of(store))
    monkeypatch.setattr(copying, "SLICE", 1)
    work, tries = work_of(store), 0
    while store.layout.generation == 1 or tries == 0:
        tries += 1
        with suppress(Unavailable), cut_after_one_batch(monkeypatch):
            await change_of(store).up(work)

    rewritten = [message.data for message in await all_of(store, f"{old.stream}-3")]
    assert tries > 8
    assert without_manifest(rewritten) == without_manifest(unbroken)


@contextmanager
def cut_after_one_batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Storing a batch is the last thing that a run does: it never hears that it succeeded."""
    real = copying.store_blocks

    async def store_and_die(target: Store, blocks: list[Block]) -> None:
        await real(target, blocks)
        raise Unavailable("killed")

    with monkeypatch.context() as patch:
        patch.setattr(copying, "store_blocks", store_and_die)
        yield


def without_manifest(blocks: list[bytes]) -> list[bytes]:
    """The manifest names its own stream, which is another one each time."""
    return [block for block in blocks if Event.from_block(block).aggregate.type != "generation"]


# -- the dry run ------------------------------------------------------------------------------------------------------------------------


async def test_dry_run_counts_what_would_become_of_every_event(filled: Store) -> None:
    found = await change_of(filled).rehearse(work_of(filled))

    assert dict(found.counts) == {
        "aggregates compared": 2,
        "aggregates that differ": 0,
        "dropped": 2,
        "events read": 7,
        "events written": 6,
        "kept as they are": 1,
        "renamed": 3,
        "split": 1,
    }
    assert found.problems == ()


async def test_dry_run_writes_nothing(filled: Store) -> None:
    old = filled.layout

    await change_of(filled).rehearse(work_of(filled))

    assert (await read_generations(filled.connection, old.stream)).revision == 0
    assert (await get_stream(filled.connection, old.stream)).last_sequence == 7


async def test_dry_run_shows_every_failing_event_the_smallest_the_largest_and_some_at_random(filled: Store) -> None:
    def fail_on_removed(event: Event) -> list[NewEvent]:
        return [keep(event, type="not a token")] if event.type == "removed" else [keep(event)]

    found = await change_of(filled, transform=fail_on_removed, expected=None).rehearse(work_of(filled))

    report: Any = found.report
    shown = [(diff["why"], diff["sequence"]) for diff in report["diffs"]]
    assert shown[0] == ("failing", 6)
    assert "an event type" in report["diffs"][0]["problem"]
    assert [why for why, _ in shown[1:3]] == ["smallest", "largest"]
    assert {why for why, _ in shown[3:]} == {"random"}
    assert found.problems == ("1 events cannot be transformed.",)


async def test_dry_run_compares_the_state_of_every_aggregate(filled: Store) -> None:
    found = await change_of(filled, expected=None).rehearse(work_of(filled))

    report: Any = found.report
    assert report["differences"] == [
        "shop.basket.b1 would differ: name: 'for May' became None",
        "shop.basket.b2 would differ: name: 'empty' became None",
    ]
