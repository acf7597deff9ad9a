"""Dropping and pruning snapshots: what goes is counted before, just that goes, and every state is the same without."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.operations import DropSnapshots, PruneSnapshots
from apps.persistence.snapshots import state_at, take
from apps.persistence.snapshots.removal import Rule, prune_snapshots
from apps.persistence.store import ensure_event_stream, ensure_home, kv_history, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import RunInterrupted
from apps.persistence.work.parameters import Place

from .conftest import fresh_layout
from .operating import Noted, carry_out
from .snapshotting import Baskets, Cut


@pytest.fixture
async def baskets(nats_server: EmbeddedServer) -> AsyncIterator[Baskets]:
    """a with snapshots at 1, 2 and 3, b with one at 2, each of 9 events."""
    layout = fresh_layout()
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as store:
        await ensure_home(store.connection)
        await ensure_event_stream(store.connection, layout)
        baskets = Baskets(store=store)
        for name in "ab":
            await baskets.fill(name, 9)
        for name, version in (("a", 1), ("b", 2), ("a", 2), ("a", 3)):
            await take(store, baskets.definition, baskets.ref(name), by="ada", version=version)
        yield baskets


async def bytes_of(baskets: Baskets, name: str) -> list[int]:
    return [len(entry.value) for entry in await kv_history(baskets.store.connection, "cim-snapshots", str(baskets.ref(name)))]


async def test_dropping_a_type_removes_all_and_the_state_is_the_same(baskets: Baskets) -> None:
    size = sum(await bytes_of(baskets, "a")) + sum(await bytes_of(baskets, "b"))
    before = await state_at(baskets.store, baskets.definition, baskets.ref("a"))
    drop = DropSnapshots(scope="type", type=baskets.type)

    plan = await drop.plan(baskets.store, baskets.registry)
    outcome = await drop.run(baskets.store, baskets.registry, Noted())
    after = await state_at(baskets.store, baskets.definition, baskets.ref("a"))

    assert [(change.what, change.now, change.after) for change in plan.changes] == [
        ("Snapshots", "4", "0"),
        ("That go", "4, of 2 aggregates", "gone"),
        ("Bytes that go", f"{size:,}", "gone"),
    ]
    assert (plan.confirm_with, plan.saw) == (baskets.type, {"snapshots that would go": 4})
    assert "nothing is lost with it" in plan.undo
    assert outcome.sentence == f"Dropped 4 snapshots of 2 aggregates, {size:,} bytes."
    assert (before.snapshot_version, after.snapshot_version, after.events_read) == (3, None, 9)
    assert (after.state, after.state_cid) == (before.state, before.state_cid)


async def test_dropping_one_aggregate_leaves_the_others(baskets: Baskets) -> None:
    outcome = await carry_out(baskets.store, baskets.registry, DropSnapshots(aggregate=str(baskets.ref("a"))))

    assert outcome.figures["snapshots"] == 3
    assert [await baskets.versions(name) for name in "ab"] == [[], [2]]


async def test_dropping_nothing_is_refused(baskets: Baskets) -> None:
    with pytest.raises(InvalidInput, match=r"There is no snapshot of .*, so nothing would go"):
        await DropSnapshots(aggregate=str(baskets.ref("c"))).plan(baskets.store, baskets.registry)
    with pytest.raises(InvalidInput, match="type is missing"):
        await DropSnapshots(scope="type").plan(baskets.store, baskets.registry)


async def test_interrupted_drop_says_in_the_end_what_went(baskets: Baskets) -> None:
    drop, first = DropSnapshots(scope="type", type=baskets.type), Cut(reports_left=2)
    with pytest.raises(RunInterrupted):
        await drop.run(baskets.store, baskets.registry, first)

    outcome = await drop.run(baskets.store, baskets.registry, Noted(checkpoint=first.checkpoint))

    assert outcome.sentence.startswith("Dropped 4 snapshots of 2 aggregates")


async def test_pruning_leaves_the_newest_of_each(baskets: Baskets) -> None:
    size = sum((await bytes_of(baskets, "a"))[:1])
    prune = PruneSnapshots(scope="type", type=baskets.type, keep=2)

    plan = await prune.plan(baskets.store, baskets.registry)
    tried = await prune.dry_run(baskets.store, baskets.registry, Noted())
    outcome = await prune.run(baskets.store, baskets.registry, Noted())

    assert [(change.now, change.after) for change in plan.changes][:2] == [("4", "3"), ("1, of 1 aggregate", "gone")]
    assert tried.sentence == f"Would remove 1 snapshot of 1 aggregate, {size:,} bytes."
    assert outcome.sentence == f"Removed 1 snapshot of 1 aggregate, {size:,} bytes."
    assert [await baskets.versions(name) for name in "ab"] == [[3, 2], [2]]


async def test_pruning_by_age_takes_only_what_is_older(baskets: Baskets) -> None:
    middle = (await kv_history(baskets.store.connection, "cim-snapshots", str(baskets.ref("a"))))[1].time

    gone = await prune_snapshots(baskets.store, str(baskets.ref("a")), Rule(before=middle))

    assert gone.snapshots == 1
    assert await baskets.versions("a") == [3, 2]


async def test_what_is_younger_than_the_age_stays(baskets: Baskets) -> None:
    prune = PruneSnapshots(scope="type", type=baskets.type, keep=0, older_than=Place("30 days ago"))

    with pytest.raises(InvalidInput, match=r"Nothing would go: 4 snapshots are kept of every .*, and this leaves all of them"):
        await prune.plan(baskets.store, baskets.registry)


async def test_age_that_is_a_sequence_is_refused(baskets: Baskets) -> None:
    with pytest.raises(InvalidInput, match="older_than is '7'; write an age such as 30 days ago"):
        await PruneSnapshots(older_than=Place("7")).plan(baskets.store, baskets.registry)


async def test_interrupted_prune_goes_on_behind_the_last_aggregate(baskets: Baskets) -> None:
    prune = PruneSnapshots(scope="type", type=baskets.type, keep=1)
    first = Cut(reports_left=1)
    with pytest.raises(RunInterrupted):
        await prune.run(baskets.store, baskets.registry, first)
    await take(baskets.store, baskets.definition, baskets.ref("b"), by="ada", version=9)

    outcome = await prune.run(baskets.store, baskets.registry, Noted(checkpoint=first.checkpoint))

    assert outcome.sentence.startswith("Removed 3 snapshots of 2 aggregates")
    assert [await baskets.versions(name) for name in "ab"] == [[3], [9]]
