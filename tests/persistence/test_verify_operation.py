"""Verification as an operation: of a stream, a type, an aggregate or everything, from a mark or anew, in ranges or in one go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from apps.persistence.chain import read_mark
from apps.persistence.console import load_registry
from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef
from apps.persistence.operations import DropSnapshots, ProveSnapshots, PruneSnapshots, TakeSnapshot, Verify, verify
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import Outgoing, Store, ensure_event_stream, ensure_home, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.findings import read_findings
from apps.persistence.work.operation import Operation, Outcome, RunInterrupted
from apps.persistence.work.run import RunState

from .conftest import fresh_layout
from .engine_stage import Stage, append_events
from .operating import Noted, carry_out, carry_out_on_record
from .raw_stream import make_event, outgoing
from .snapshotting import Cut


@pytest.fixture
async def store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """A stream of its own with 10 events of one order and 5 of another."""
    layout = fresh_layout()
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as opened:
        await ensure_home(opened.connection)
        await ensure_event_stream(opened.connection, layout)
        await append_events(opened, 10, aggregate="o1")
        await append_events(opened, 5, aggregate="o2")
        yield opened


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry([Domain(name="test", title="Test", layouts=[store.layout])])


async def tamper(store: Store, *, aggregate: str = "o9") -> None:
    """Bytes that are no event, and an event whose versions before it are missing."""
    subject = f"{store.layout.root}.sales.order.{aggregate}.item_added.v1"
    await store_message(store.connection, Outgoing(subject, b"rust", {}))
    stray = make_event(AggregateRef("sales", "order", f"{aggregate}-stray"), 7, cid_of(b"the one before"))
    await store_message(store.connection, outgoing(store.layout, stray))


async def verify_stream(store: Store, registry: Registry, **given: Any) -> Outcome:
    return await carry_out_on_record(store, registry, Verify(stream=store.layout.stream, **given), name="verify")


async def test_stream_is_verified_from_the_mark_and_moves_it(store: Store, registry: Registry) -> None:
    first = await verify_stream(store, registry)
    await append_events(store, 2, aggregate="o1")
    second = await verify_stream(store, registry)

    mark = await read_mark(store, store.layout.stream)
    assert first.sentence == "Intact: 15 events, sequence 1 to 15."
    assert second.sentence == "Intact: 2 events, sequence 16 to 17."
    assert mark is not None
    assert (mark.sequence, mark.checked, mark.intact) == (17, 17, True)


async def test_plan_is_refused_where_nothing_is_new_and_says_what_was_found(store: Store, registry: Registry) -> None:
    await verify_stream(store, registry)

    with pytest.raises(
        InvalidInput, match=r"Nothing is new in EVENTS-\w+ since sequence 15, to where olga verified it on .* UTC: intact; set full"
    ):
        await verify_stream(store, registry)


async def test_plan_is_refused_in_a_red_stream_with_nothing_new_and_says_that_it_is_red(store: Store, registry: Registry) -> None:
    await tamper(store)
    await verify_stream(store, registry)

    with pytest.raises(InvalidInput, match="UTC: 2 findings; set full to verify all of it again"):
        await verify_stream(store, registry)


async def test_stream_without_events_is_said_to_be_empty(store: Store) -> None:
    layout = fresh_layout()
    await ensure_event_stream(store.connection, layout)

    with pytest.raises(InvalidInput, match="holds no event yet, so there is nothing to verify"):
        await Verify(stream=layout.stream).plan(store, Registry([Domain(name="test", title="Test", layouts=[layout])]))


async def test_earlier_findings_stand_beside_what_is_new(store: Store, registry: Registry) -> None:
    await tamper(store)
    await verify_stream(store, registry)
    await append_events(store, 2, aggregate="o1")

    plan = await Verify(stream=store.layout.stream).plan(store, registry)
    outcome = await verify_stream(store, registry)

    assert f"{store.layout.stream} has earlier findings, 2 of them; they stand until all of it is verified again." in plan.notes
    assert outcome.sentence == (
        "Nothing wrong in what is new: 2 events, sequence 18 to 19; but 2 earlier findings stand, the first at sequence 16. "
        "Verify all again to see what is so now."
    )
    assert (outcome.figures["intact"], outcome.figures["earlier_findings"]) == (False, 2)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Verify(aggregate="sales.order.o1"), "aggregate is 'sales.order.o1', and scope is stream"),
        (Verify(scope="everything", type="sales.order"), "type is 'sales.order', and scope is everything"),
        (TakeSnapshot(scope="all", aggregate="sales.order.o1"), "choose the scope aggregate, or leave aggregate empty"),
        (DropSnapshots(scope="all", type="sales.order"), "choose the scope type, or leave type empty"),
        (PruneSnapshots(scope="all", aggregate="sales.order.o1"), "scope is all"),
        (ProveSnapshots(scope="type", type="sales.order", aggregate="sales.order.o1"), "scope is type"),
    ],
)
async def test_nothing_is_done_to_more_than_was_named(store: Store, registry: Registry, operation: Operation, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        await operation.plan(store, registry)


async def test_type_is_verified_alone_and_moves_no_mark(store: Store, registry: Registry) -> None:
    await tamper(store, aggregate="o9")
    await append_events(store, 1, aggregate="o1")

    plan = await Verify(scope="type", stream=store.layout.stream, type="sales.order").plan(store, registry)
    outcome = await verify_stream(store, registry, scope="type", type="sales.order")

    assert plan.counts == (("sales.order", 18),)
    assert outcome.sentence == f"2 findings in 18 events, all of sales.order in {store.layout.stream}, the first at sequence 16."
    assert await read_mark(store, store.layout.stream) is None


async def test_long_aggregate_tells_how_far_it_is(store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.chain.verify.PROGRESS_SECONDS", 0.0)
    await append_events(store, 1_190, aggregate="o1")
    progress = Reported()

    await carry_out(store, registry, Verify(stream=store.layout.stream, scope="aggregate", aggregate="sales.order.o1"), progress)

    assert progress.done == [0, 500, 1_000, 1_200, 1_200]


@dataclass(slots=True)
class Reported(Noted):
    done: list[int] = field(default_factory=list)

    async def report(self, done: int, total: int, **more: Any) -> None:
        self.done.append(done)


async def test_aggregate_is_verified_alone(store: Store, registry: Registry) -> None:
    await tamper(store)

    outcome = await verify_stream(store, registry, scope="aggregate", aggregate="sales.order.o2")

    assert outcome.sentence == f"Intact: 5 events, aggregate sales.order.o2 in {store.layout.stream}."


async def test_what_is_not_there_or_not_named_is_refused(store: Store, registry: Registry) -> None:
    with pytest.raises(InvalidInput, match=r"holds no event of sales\.order\.none, so there is nothing to verify"):
        await verify_stream(store, registry, scope="aggregate", aggregate="sales.order.none")
    with pytest.raises(InvalidInput, match="type is missing: say which type of"):
        await verify_stream(store, registry, scope="type")


async def test_findings_lead_to_where_they_are(store: Store, registry: Registry) -> None:
    await tamper(store)

    outcome = await verify_stream(store, registry)

    found = cast("list[dict[str, Any]]", outcome.figures["findings"])
    stream = store.layout.stream
    assert [(one["cause"], one["sequence"], one["link"]) for one in found] == [
        ("undecodable", 16, f"/streams/{stream}/16/"),
        ("missing", 17, f"/streams/{stream}/17/"),
    ]


# -- everything, and ranges ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_store(own_nats_server.settings()) as opened:
        await ensure_home(opened.connection)
        yield Stage(store=opened, operations={"verify": Verify})


async def in_ranges(stage: Stage, monkeypatch: pytest.MonkeyPatch, size: int, **given: str) -> dict[str, object]:
    """The figures of a full verification in ranges of `size`, without what differs from time to time."""
    monkeypatch.setattr(verify, "PART_EVENTS", size)
    async with stage.worker(), stage.worker():
        run = await stage.wait(await stage.ask("verify", {"full": "on", **given}))
    assert run.state is RunState.FINISHED
    kept = await read_findings(stage.store.connection, run)
    return {name: value for name, value in run.figures.items() if name not in ("seconds", "mark", "marked")} | {
        "sentence": run.outcome,
        "kept": kept,
    }


async def test_verification_in_ranges_finds_what_one_in_one_go_finds(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await append_events(stage.store, 60, aggregate="o1")
    await tamper(stage.store)
    await append_events(stage.store, 60, aggregate="o2")
    await append_events(stage.store, 10, aggregate="o1")

    split = await in_ranges(stage, monkeypatch, 25)

    assert split["sentence"] == "2 findings in 132 events, sequence 1 to 132, the first at sequence 61."
    assert split == await in_ranges(stage, monkeypatch, 100_000)


async def test_everything_is_verified_stream_by_stream_and_each_gets_its_mark(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await append_events(stage.store, 60, aggregate="o1")
    await tamper(stage.store)

    split = await in_ranges(stage, monkeypatch, 25, scope="everything")

    events, console = cast("list[dict[str, Any]]", split["streams"])
    marks = [await read_mark(stage.store, name) for name in ("CIM-EVENTS", "CIM-CONSOLE")]
    assert (events["stream"], events["events"], events["finding_count"]) == ("CIM-EVENTS", 62, 2)
    assert (console["stream"], console["intact"]) == ("CIM-CONSOLE", True)
    assert [(mark.sequence, mark.intact) for mark in marks if mark] == [(62, False), (console["to"], True)]
    assert split["sentence"] == f"2 findings in {62 + console['events']} events in 2 streams: CIM-EVENTS 2."
    assert split["proves"] == [f"{one['stream']}: {sentence}" for one in (events, console) for sentence in one["proves"]]
    limits = cast("list[str]", split["does_not_prove"])
    assert limits[0].startswith("Each of the 2 streams: That ")
    assert limits[-1].endswith("none that this console knows of: only CIM-EVENTS, CIM-CONSOLE were read.")
    assert [one["stream"] for one in cast("list[dict[str, Any]]", split["findings"])] == ["CIM-EVENTS", "CIM-EVENTS"]


async def test_everything_names_the_streams_in_which_nothing_is_new(stage: Stage) -> None:
    registry = load_registry([])
    await append_events(stage.store, 5)
    await tamper(stage.store)
    await carry_out_on_record(stage.store, registry, Verify(), name="verify")
    async with stage.commands_alone():
        run_id = await stage.ask("verify", {"full": "on"})
        await stage.wait(run_id, lambda run: True)

    plan = await Verify(scope="everything").plan(stage.store, registry)
    outcome = await carry_out(stage.store, registry, Verify(scope="everything"))

    assert outcome.sentence.startswith("Nothing wrong in ")
    assert outcome.sentence.endswith(
        "in 1 stream; in CIM-EVENTS 2 earlier findings stand, the first at sequence 6; nothing new in CIM-EVENTS."
    )
    assert (outcome.figures["intact"], outcome.figures["earlier_findings"]) == (False, 2)
    assert cast("list[str]", outcome.figures["proves"])[0].startswith("CIM-CONSOLE: Every message from sequence 1 to ")
    assert cast("list[str]", outcome.figures["does_not_prove"])[-2:] == [
        "That CIM-EVENTS is still as it was: nothing is new there, so nothing was read.",
        "Anything of other streams, those that hold no chains, or none that this console knows of: only CIM-CONSOLE was read.",
    ]
    assert plan.notes[-1].startswith("Nothing is new in CIM-EVENTS since sequence 7")
    assert plan.notes[-1].endswith("UTC: 2 findings.")


async def test_interrupted_verification_keeps_the_streams_that_were_finished(stage: Stage) -> None:
    registry = load_registry([])
    await append_events(stage.store, 5)
    await tamper(stage.store)
    async with stage.commands_alone():
        await stage.wait(await stage.ask("verify", {"full": "on"}), lambda run: True)
    whole = await Verify(scope="everything", full=True).run(stage.store, registry, Noted(run_id="whole"))
    cut = Cut(reports_left=4, run_id="cut")
    with pytest.raises(RunInterrupted):
        await Verify(scope="everything", full=True).run(stage.store, registry, cut)

    resumed = await Verify(scope="everything", full=True).run(stage.store, registry, Noted(run_id="cut", checkpoint=cut.checkpoint))

    assert cut.checkpoint is not None
    assert len(cast("list[Any]", cut.checkpoint["finished"])) == 1
    assert resumed.sentence == whole.sentence
    assert resumed.figures["findings"] == whole.figures["findings"]
