"""Proving kept snapshots as an operation: what holds, what drifted and where, what cannot be used, and that the run says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.events import Event, State
from apps.persistence.evolution import keep
from apps.persistence.operations import ProveSnapshots
from apps.persistence.registry import Domain, Registry
from apps.persistence.snapshots import Snapshot, Standing, prove, state_at, take
from apps.persistence.store import ensure_event_stream, ensure_home, kv_keys, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.findings import CHUNK, RunFinding, RunFindings
from apps.persistence.work.operation import Outcome, RunInterrupted

from .baskets import apply
from .conftest import fresh_layout
from .operating import Noted, carry_out
from .snapshotting import Baskets, Cut
from .stream_migrating import change_of, work_of


@pytest.fixture
async def baskets(nats_server: EmbeddedServer) -> AsyncIterator[Baskets]:
    layout = fresh_layout()
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as store:
        await ensure_home(store.connection)
        await ensure_event_stream(store.connection, layout)
        yield Baskets(store=store)


async def taken(baskets: Baskets, name: str, version: int) -> Snapshot:
    """A true snapshot of a basket of 5 events more."""
    await baskets.fill(name, 5)
    return await take(baskets.store, baskets.definition, baskets.ref(name), by="ada", version=version)


async def prove_type(baskets: Baskets) -> Outcome:
    return await carry_out(baskets.store, baskets.registry, ProveSnapshots(scope="type", type=baskets.type))


def found_in(outcome: Outcome) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", outcome.figures["findings"])


async def test_true_snapshots_are_proved(baskets: Baskets) -> None:
    await taken(baskets, "a", 3)
    await take(baskets.store, baskets.definition, baskets.ref("a"), by="ada")
    await taken(baskets, "b", 5)

    outcome = await prove_type(baskets)

    assert outcome.sentence == "Proved: 3 snapshots of 2 aggregates hold just what the events make."
    assert (outcome.figures["intact"], outcome.figures["events"], outcome.figures["findings"]) == (True, 10, [])


async def test_drift_names_the_aggregate_and_what_differs(baskets: Baskets) -> None:
    good = await taken(baskets, "a", 2)
    await taken(baskets, "b", 2)
    forged = replace(good, state={"items": ["item 0", "gold"], "count": 2})
    await baskets.keep(forged)

    outcome = await prove_type(baskets)

    (found,) = found_in(outcome)
    assert outcome.sentence == "Drift: 1 does not hold what the events make, of 3 snapshots of 2 aggregates."
    assert (outcome.figures["intact"], outcome.figures["by_cause"]) == (False, {"drift": 1})
    assert (found["aggregate"], found["version"]) == (str(baskets.ref("a")), 2)
    assert (found["expected"], found["found"]) == (str(good.state_cid), str(forged.state_cid))
    assert 'items[1]: expected "item 1", found "gold".' in found["explanation"]
    assert found["link"] == f"/aggregates/{baskets.type}/a/?version=2&prove=2#snapshots"


async def test_snapshot_of_another_event_is_found(baskets: Baskets) -> None:
    await baskets.keep(replace(await taken(baskets, "a", 2), cid=cid_of(b"another")))

    outcome = await prove_type(baskets)

    assert outcome.figures["by_cause"] == {"other_event": 1}
    assert outcome.sentence == "Not proved; 1 cannot be used, of 2 snapshots of 1 aggregate."


async def test_snapshots_of_another_generation_are_counted_and_are_no_fault(baskets: Baskets) -> None:
    old = baskets.store.layout.stream
    await taken(baskets, "a", 3)
    await taken(baskets, "b", 5)
    await baskets.keep(replace(await taken(baskets, "unrecorded", 5), generation=0))
    await renew(baskets)

    alone = await prove_type(baskets)
    await take(baskets.store, baskets.definition, baskets.ref("a"), by="ada")
    beside = await prove_type(baskets)

    said = f"4 belong to the generation {old} and are not used."
    assert alone.sentence == f"There is no snapshot that the events could be held against. {said}"
    assert (alone.figures["intact"], alone.figures["findings"], alone.figures["of_other_generations"]) == (True, [], 4)
    assert beside.sentence == f"Proved: 1 snapshot of 3 aggregates holds just what the events make. {said}"


async def test_snapshot_that_only_says_it_is_of_another_generation_is_found(baskets: Baskets) -> None:
    good = await taken(baskets, "a", 3)
    await renew(baskets)
    await baskets.keep(replace(good, cid=cid_of(b"another")))
    await baskets.keep(replace(good, cid=cid_of(b"another"), generation=9))

    outcome = await prove_type(baskets)

    assert outcome.figures["by_cause"] == {"other_event": 2}
    assert outcome.figures["of_other_generations"] == 1


async def test_snapshot_of_another_generation_is_set_aside_and_counts_as_none(baskets: Baskets) -> None:
    first = await taken(baskets, "a", 2)
    ref, later = first.aggregate, replace(first, generation=2)
    await baskets.keep(later)
    await baskets.keep(replace(later, version=9))

    found = await state_at(baskets.store, baskets.definition, ref)

    with pytest.raises(KeyNotFound, match="was taken of generation 2 of the stream, and generation 1 is read: it is not used"):
        await prove(baskets.store, baskets.definition, ref, version=9)
    assert (await prove(baskets.store, baskets.definition, ref, version=2)).equal
    assert (first.generation, found.snapshot_version) == (1, 2)
    assert [one.reason for one in found.unusable] == 2 * ["It was taken of generation 2 of the stream, and generation 1 is read."]
    assert Standing.of(baskets.definition, ref, 5, later).events_since == 5
    assert Standing.of(baskets.definition, ref, 5, later, generation=2).events_since == 3
    assert Standing.of(baskets.definition, ref, 5, replace(first, generation=0), generation=2).events_since == 5


async def renew(baskets: Baskets) -> None:
    """Migrate the stream into a new generation with the same events."""
    await change_of(baskets.store, transform=lambda event: [keep(event)]).up(work_of(baskets.store))


async def test_snapshot_ahead_of_the_head_is_found(baskets: Baskets) -> None:
    await baskets.keep(replace(await taken(baskets, "a", 5), version=9))

    (found,) = found_in(await prove_type(baskets))

    assert (found["cause"], found["expected"], found["found"]) == ("ahead", "version 5 at most", "version 9")
    assert found["link"] == f"/aggregates/{baskets.type}/a/#snapshots"


async def test_snapshot_of_another_schema_and_bytes_that_are_none_are_found(baskets: Baskets) -> None:
    await baskets.keep(replace(await taken(baskets, "a", 5), schema=3))
    await taken(baskets, "b", 5)
    await baskets.keep_bytes("b", b"rust")

    outcome = await prove_type(baskets)

    assert outcome.figures["by_cause"] == {"other_schema": 1, "undecodable": 1}
    assert [found["found"] for found in found_in(outcome)] == ["schema 3", "something else"]


async def test_snapshot_without_events_or_without_a_definition_is_found(baskets: Baskets) -> None:
    good = await taken(baskets, "a", 5)
    await baskets.keep(replace(good, aggregate=baskets.ref("ghost")))

    outcome = await prove_type(baskets)
    undeclared = await carry_out(baskets.store, Registry(), ProveSnapshots(scope="aggregate", aggregate=str(baskets.ref("a"))))

    assert [found["explanation"] for found in found_in(outcome)] == [
        f"It cannot be proved, as no event of {baskets.ref('ghost')} is stored."
    ]
    assert undeclared.figures["by_cause"] == {"unknown_aggregate": 1}


async def test_code_that_does_not_always_give_the_same_is_found(baskets: Baskets) -> None:
    await taken(baskets, "a", 3)
    calls: list[int] = []

    def apply_by_whim(state: State, event: Event) -> State:
        calls.append(1)
        return {**apply(state, event), "whim": len(calls)} if len(calls) > 3 else apply(state, event)

    whimsical = Registry([Domain(name="shop", title="Shop", aggregates=[replace(baskets.definition, apply=apply_by_whim)])])
    (found,) = found_in(await carry_out(baskets.store, whimsical, ProveSnapshots(scope="aggregate", aggregate=str(baskets.ref("a")))))

    assert found["cause"] == "drift"
    assert "the code that applies events does not always give the same" in found["explanation"]


async def test_events_that_cannot_be_folded_are_a_finding_and_others_are_still_proved(baskets: Baskets) -> None:
    await taken(baskets, "a", 5)
    await taken(baskets, "b", 5)

    def refuse_a(state: State, event: Event) -> State:
        return {} if event.aggregate.id == "b" else state["missing"]  # type: ignore[return-value]

    refusing = Registry([Domain(name="shop", title="Shop", aggregates=[replace(baskets.definition, apply=refuse_a)])])
    outcome = await carry_out(baskets.store, refusing, ProveSnapshots(scope="type", type=baskets.type))

    assert outcome.figures["by_cause"] == {"unfoldable": 1, "drift": 1}
    assert "KeyError: 'missing'" in found_in(outcome)[0]["explanation"]


async def test_interrupted_proof_goes_on_with_what_it_found(baskets: Baskets) -> None:
    for name in "abc":
        await baskets.keep(replace(await taken(baskets, name, 5), schema=3))
    prove, first = ProveSnapshots(scope="type", type=baskets.type), Cut(reports_left=2, run_id=baskets.context)
    with pytest.raises(RunInterrupted):
        await prove.run(baskets.store, baskets.registry, first)

    outcome = await prove.run(baskets.store, baskets.registry, Noted(checkpoint=first.checkpoint, run_id=baskets.context))

    assert outcome.sentence == "Not proved; 3 cannot be used, of 6 snapshots of 3 aggregates."
    assert [found["aggregate"] for found in found_in(outcome)] == [str(baskets.ref(name)) for name in "abc"]


async def test_nothing_to_prove_is_said_before(baskets: Baskets) -> None:
    with pytest.raises(InvalidInput, match=r"There is no snapshot of every .* to prove; take one first"):
        await prove_type(baskets)


async def test_findings_are_kept_once_whatever_the_attempts(baskets: Baskets) -> None:
    connection, run_id = baskets.store.connection, baskets.context
    finding = RunFinding(cause="drift", expected="one", found="other", explanation="It differs.")
    first = RunFindings(connection, run_id)
    for _ in range(CHUNK - 1):
        await first.add(finding)
    checkpoint = first.checkpoint
    await first.add(finding)
    await first.add(finding)

    second = RunFindings(connection, run_id, checkpoint)
    await second.add(finding)
    await second.add(finding)
    await second.save()

    assert (second.count, second.figures["finding_count"]) == (CHUNK + 1, CHUNK + 1)
    assert await kv_keys(connection, "cim-runs", prefix=run_id) == [f"{run_id}.findings.0000", f"{run_id}.findings.0001"]
