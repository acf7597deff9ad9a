"""Taking snapshots as an operation: of one aggregate, a type or all, by new events or by policy, interrupted, with failures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.events import Event, SnapshotPolicy, State, now
from apps.persistence.operations import TakeSnapshot
from apps.persistence.registry import Domain, Registry
from apps.persistence.snapshots import list_snapshots, read_kept, state_at, take
from apps.persistence.store import Layout, ensure_event_stream, ensure_home, kv_history, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import RunInterrupted, build_operation

from .baskets import apply, named
from .conftest import fresh_layout
from .operating import Noted, carry_out
from .snapshotting import Baskets, Cut


@pytest.fixture
async def baskets(nats_server: EmbeddedServer) -> AsyncIterator[Baskets]:
    layout: Layout = fresh_layout()
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as store:
        await ensure_home(store.connection)
        await ensure_event_stream(store.connection, layout)
        yield Baskets(store=store)


def whole_type(baskets: Baskets, **more: object) -> TakeSnapshot:
    return TakeSnapshot(scope="type", type=baskets.type, **more)  # type: ignore[arg-type]


async def three_baskets(baskets: Baskets) -> None:
    """a with 3 events, b with 20, c with 7."""
    for name, count in (("a", 3), ("b", 20), ("c", 7)):
        await baskets.fill(name, count)
    await baskets.list_them()


async def test_one_aggregate_is_what_is_meant_where_only_that_is_given(baskets: Baskets) -> None:
    await baskets.fill("a", 3)
    operation = build_operation(TakeSnapshot, {"aggregate": str(baskets.ref("a"))})

    outcome = await carry_out(baskets.store, baskets.registry, operation)

    assert outcome.sentence.startswith(f"Kept the state of {baskets.ref('a')} at version 3, CID ")
    assert operation.target == f"aggregate/{baskets.ref('a')}"


async def test_aggregate_that_is_not_named_is_asked_for(baskets: Baskets) -> None:
    with pytest.raises(InvalidInput, match=r"aggregate is missing: write it as context\.type\.id"):
        await TakeSnapshot().plan(baskets.store, baskets.registry)


async def test_whole_type_is_taken_and_loads_the_same(baskets: Baskets) -> None:
    await three_baskets(baskets)
    before = await state_at(baskets.store, baskets.definition, baskets.ref("b"))

    plan = await whole_type(baskets).plan(baskets.store, baskets.registry)
    outcome = await whole_type(baskets).run(baskets.store, baskets.registry, Noted())
    after = await state_at(baskets.store, baskets.definition, baskets.ref("b"))

    assert [(change.what, change.now, change.after) for change in plan.changes] == [
        ("Aggregates to look at", "3", "as they are"),
        ("Snapshots to take", "none yet", "3"),
    ]
    assert plan.counts == ((baskets.type, 3),)
    assert outcome.sentence == "Took 3 snapshots; looked at 3 aggregates."
    assert (outcome.figures["taken"], outcome.figures["events"]) == (3, 30)
    assert (after.snapshot_version, after.events_read, after.state_cid) == (20, 0, before.state_cid)


async def test_only_aggregates_with_enough_new_events_are_taken(baskets: Baskets) -> None:
    await three_baskets(baskets)
    await take(baskets.store, baskets.definition, baskets.ref("b"), by="ada", version=15)

    await carry_out(baskets.store, baskets.registry, whole_type(baskets, at_least=6))

    assert [await baskets.versions(name) for name in "abc"] == [[], [15], [7]]


async def test_aggregate_with_nothing_new_is_left_and_a_plan_for_nothing_is_refused(baskets: Baskets) -> None:
    await three_baskets(baskets)
    await carry_out(baskets.store, baskets.registry, whole_type(baskets))

    with pytest.raises(InvalidInput, match="Nothing is due: of 3 aggregates none has 1 events since its newest snapshot"):
        await whole_type(baskets).plan(baskets.store, baskets.registry)

    assert [await baskets.versions(name) for name in "abc"] == [[3], [20], [7]]


async def test_snapshot_that_cannot_be_used_counts_as_none(baskets: Baskets) -> None:
    await three_baskets(baskets)
    good = await take(baskets.store, baskets.definition, baskets.ref("a"), by="ada")
    await baskets.keep(replace(good, schema=7))
    await baskets.keep_bytes("c", b"rust")

    outcome = await carry_out(baskets.store, baskets.registry, whole_type(baskets))

    assert outcome.figures["taken"] == 3
    assert (await list_snapshots(baskets.store, baskets.ref("a")))[0].schema == 1


async def test_dry_run_takes_nothing_and_says_what_is_due(baskets: Baskets) -> None:
    await three_baskets(baskets)

    outcome = await whole_type(baskets, at_least=5).dry_run(baskets.store, baskets.registry, Noted())

    assert outcome.sentence == "Would take 2 snapshots; looked at 3 aggregates."
    assert [(sample.now, sample.after, sample.note) for sample in outcome.samples] == [
        ("none", "version 20", "20 events since the newest"),
        ("none", "version 7", "7 events since the newest"),
    ]
    assert await baskets.versions("b") == []


async def test_interrupted_run_goes_on_behind_the_last_aggregate_and_takes_none_twice(baskets: Baskets) -> None:
    await three_baskets(baskets)
    first = Cut(reports_left=2)
    with pytest.raises(RunInterrupted):
        await whole_type(baskets).run(baskets.store, baskets.registry, first)

    second = Cut(checkpoint=first.checkpoint)
    outcome = await whole_type(baskets).run(baskets.store, baskets.registry, second)

    kept = [await read_kept(baskets.store, baskets.ref(name)) for name in "abc"]
    assert [len(one.snapshots) for one in kept] == [1, 1, 1]
    assert first.totals == [(1, 3), (2, 3)]
    assert second.totals == [(3, 3), (3, 3)]
    assert outcome.sentence == "Took 3 snapshots; looked at 3 aggregates."


def refuse_names(state: State, event: Event) -> State:
    if event.type == "named":
        raise ZeroDivisionError("no basket has a name")
    return apply(state, event)


async def test_aggregate_that_cannot_be_folded_fails_alone_and_is_retried_alone(baskets: Baskets) -> None:
    await three_baskets(baskets)
    await baskets.append("b", named("Sunday"))
    await baskets.list_them()
    broken = Registry([Domain(name="shop", title="Shop", aggregates=[replace(baskets.definition, apply=refuse_names)])])
    progress = Noted()
    outcome = await carry_out(baskets.store, broken, whole_type(baskets), progress)

    again = await carry_out(baskets.store, baskets.registry, whole_type(baskets, only=(str(baskets.ref("b")),)))

    assert outcome.sentence == "Took 2 snapshots; looked at 3 aggregates."
    assert progress.lines == [f"{baskets.ref('b')}: ZeroDivisionError: no basket has a name"]
    assert again.sentence == "Took 1 snapshot; looked at 1 aggregate."
    assert [await baskets.versions(name) for name in "abc"] == [[3], [21], [7]]


async def test_type_needs_a_directory_and_a_declaration(baskets: Baskets) -> None:
    await baskets.fill("a", 3)

    with pytest.raises(InvalidInput, match="There is no directory of aggregates to go by yet; start a worker"):
        await whole_type(baskets).plan(baskets.store, baskets.registry)
    with pytest.raises(InvalidInput, match=r"type is 'sales\.order', and no domain declares that; there are "):
        await TakeSnapshot(scope="type", type="sales.order").plan(baskets.store, baskets.registry)


async def test_plan_says_how_far_the_directory_is_behind(baskets: Baskets) -> None:
    await three_baskets(baskets)
    await baskets.fill("d", 4)

    plan = await whole_type(baskets).plan(baskets.store, baskets.registry)

    assert "The directory of aggregates is 4 events behind; what is newest may be left for another run." in plan.notes


# -- policies --------------------------------------------------------------------------------------------------------------------------


async def by_policy(baskets: Baskets, policy: SnapshotPolicy) -> list[list[int]]:
    """The snapshots of a, b and c after a run by this policy."""
    baskets.policy = policy
    await carry_out(baskets.store, baskets.registry, TakeSnapshot(scope="all", by_policy=True))
    return [await baskets.versions(name) for name in "abc"]


async def test_policy_by_number_of_events(baskets: Baskets) -> None:
    await three_baskets(baskets)

    assert await by_policy(baskets, SnapshotPolicy(every_events=7)) == [[], [20], [7]]


async def test_policy_by_type_of_event(baskets: Baskets) -> None:
    await three_baskets(baskets)
    await baskets.append("a", named("Sunday"))
    await baskets.append("c", named("Monday"))
    await take(baskets.store, baskets.definition, baskets.ref("c"), by="ada")
    await baskets.fill("c", 1)
    await baskets.list_them()

    assert await by_policy(baskets, SnapshotPolicy(event_types=("named",))) == [[4], [], [8]]


async def test_policy_by_age(baskets: Baskets) -> None:
    await three_baskets(baskets)
    old = await take(baskets.store, baskets.definition, baskets.ref("b"), by="ada", version=4)
    await baskets.keep(replace(old, version=4, taken_at=now() - timedelta(days=2)))
    await take(baskets.store, baskets.definition, baskets.ref("c"), by="ada", version=5)

    assert await by_policy(baskets, SnapshotPolicy(max_age=timedelta(days=1))) == [[3], [20, 4, 4], [5]]


async def test_policy_keeps_so_many(baskets: Baskets) -> None:
    baskets.policy = SnapshotPolicy(every_events=1, keep=2)
    await baskets.fill("a", 9)

    for version in (1, 4, 6, 9):
        await take(baskets.store, baskets.definition, baskets.ref("a"), by="ada", version=version)

    assert await baskets.versions("a") == [9, 6]
    assert len(await kv_history(baskets.store.connection, "cim-snapshots", str(baskets.ref("a")))) == 2


async def test_policy_is_refused_where_none_is_declared(baskets: Baskets) -> None:
    await three_baskets(baskets)

    with pytest.raises(InvalidInput, match="by_policy is on, and no policy is declared for every"):
        await whole_type(baskets, by_policy=True).plan(baskets.store, baskets.registry)


def test_policy_that_can_never_hold_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing is ever due"):
        SnapshotPolicy()
    with pytest.raises(InvalidInput, match="keep is 9; of each aggregate 1 to 5"):
        SnapshotPolicy(every_events=1, keep=9)


def test_policy_says_itself_in_words() -> None:
    policy = SnapshotPolicy(every_events=1000, max_age=timedelta(hours=36), event_types=("paid", "shipped"), keep=3)

    assert str(policy) == "every 1,000 events, or after 36 hours, or after paid or shipped; 3 kept"
