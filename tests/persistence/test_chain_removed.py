"""Verification of streams from which operators removed events: explained by the run where it was recorded, a fault where it was not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from apps.persistence.chain import Cause, verify_aggregate, verify_stream, verify_type
from apps.persistence.chain.gaps import Range
from apps.persistence.chain.removal_runs import REMOVING, SAW_COUNT, SAW_SPAN, span_words
from apps.persistence.chain.removals import Removal, find_removal, stream_key, write_removal
from apps.persistence.encoding import Value
from apps.persistence.events import AggregateRef, Head, NewEvent, new_id, now
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import CONSOLE, append, get_stream, open_store
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.changing_streams import carry_out, one_of, open_stage, plan, three_known_chains
from tests.persistence.engine_stage import Stage
from tests.persistence.raw_stream import ORDER, OTHER, RawStream, facts, three_chains


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("removed")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(server) as opened:
        yield opened


@pytest.fixture
async def raw(stage: Stage) -> RawStream:
    """Three chains of eight versions in turn: version v of ORDER at 3v-2, of OTHER at 3v-1. The registry knows the stream."""
    return await three_known_chains(stage)


async def test_purged_beginning_is_explained_by_its_run(stage: Stage, raw: RawStream) -> None:
    run = await carry_out(stage, "purge", stream=raw.layout.stream, before="7")

    verdict = await verify_stream(raw.store)

    assert (verdict.intact, verdict.checked) == (True, 18)
    assert [(part.removal.run_id, part.count) for part in verdict.removed] == [(run.id, 6)]
    assert (
        verdict.proves[0]
        == "Every message from sequence 1 to 24 was read, and none is missing but the 6 that recorded runs removed, named below."
    )
    assert f"removed by run {run.id} of olga" in one_of(verdict.does_not_prove, "removed by run")
    assert "with the reason “because”" in one_of(verdict.does_not_prove, "removed by run")


async def test_purged_subject_and_deleted_message_are_explained(stage: Stage, raw: RawStream) -> None:
    await carry_out(stage, "purge", stream=raw.layout.stream, subject=f"{raw.layout.root}.sales.order.o1.>", keep="5")
    await carry_out(stage, "delete-message", stream=raw.layout.stream, sequence="8")

    verdict = await verify_stream(raw.store)

    assert (verdict.intact, [part.count for part in verdict.removed]) == (True, [3, 1])


async def test_events_that_went_without_a_record_stay_a_fault_beside_recorded_ones(stage: Stage, raw: RawStream) -> None:
    await carry_out(stage, "purge", stream=raw.layout.stream, before="7")
    await raw.delete(11)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISSING, OTHER, 4, 14)]


async def test_whole_aggregate_and_newest_events_that_were_purged_are_explained(stage: Stage, raw: RawStream) -> None:
    await carry_out(stage, "purge", stream=raw.layout.stream, subject=f"{raw.layout.root}.people.>")
    await carry_out(stage, "delete-message", stream=raw.layout.stream, sequence="22")

    assert (await verify_stream(raw.store)).intact


async def test_one_aggregate_and_one_type_are_explained_too(stage: Stage, raw: RawStream) -> None:
    await carry_out(stage, "purge", stream=raw.layout.stream, before="7")

    aggregate, of_type = await verify_aggregate(raw.store, ORDER), await verify_type(raw.store, "sales", "order")

    assert (aggregate.intact, of_type.intact) == (True, True)
    assert [part.count for part in aggregate.removed] == [2]


async def test_web_user_can_have_an_aggregate_explained(stage: Stage, raw: RawStream, server: EmbeddedServer) -> None:
    await carry_out(stage, "purge", stream=raw.layout.stream, before="7")

    async with open_store(server.settings("web"), layout=raw.layout) as store:
        assert (await verify_aggregate(store, ORDER)).intact


async def test_record_of_another_subject_explains_nothing(stage: Stage, raw: RawStream) -> None:
    await carry_out(stage, "purge", stream=raw.layout.stream, subject=f"{raw.layout.root}.people.>", before="7")
    await raw.delete(4)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISSING, ORDER, 2, 7)]


async def test_events_after_a_mark_are_held_against_what_was_removed_before_it(stage: Stage, raw: RawStream) -> None:
    await carry_out(stage, "purge", stream=raw.layout.stream, before="13")

    verdict = await verify_stream(raw.store, from_sequence=13)

    assert (verdict.intact, verdict.checked) == (True, 12)


async def test_record_that_its_run_does_not_confirm_is_no_explanation(stage: Stage, raw: RawStream) -> None:
    run = await carry_out(stage, "purge", stream=raw.layout.stream, before="4")
    removal = await find_removal(raw.store.connection, run.id)
    assert removal is not None
    await raw.delete(5)

    await write_removal(raw.store.connection, replace(removal, ranges=(Range(1, 5),), count=5))
    widened = await verify_stream(raw.store)
    await write_removal(raw.store.connection, removal)
    await write_removal(raw.store.connection, replace(removal, run_id="forged", ranges=(Range(5, 5),), count=1))
    forged = await verify_stream(raw.store)

    assert (widened.intact, forged.intact) == (False, False)


@pytest.mark.parametrize("operation", ["verify", "purge"])
@pytest.mark.parametrize("end", ["started", "failed", "cancelled"])
async def test_run_that_did_not_ask_for_what_a_record_names_explains_nothing(
    stage: Stage, raw: RawStream, operation: str, end: str
) -> None:
    run, stream = new_id(), raw.layout.stream
    asked: dict[str, Value] = {"operation": operation, "target": f"stream/{stream}", "reason": "daily", "summary": "", "digest": ""}
    asked |= {"parameters": {"stream": stream}, "saw": {SAW_COUNT: 1, SAW_SPAN: span_words(2, 2)}}
    ended = [] if end == "started" else [NewEvent(type=end, payload={"outcome": "x", "figures": {}}, actor="worker")]
    requested = NewEvent(type="requested", payload=asked, actor="olga")
    started = [NewEvent(type="confirmed", actor="olga"), NewEvent(type="started", payload={"worker": "worker"}, actor="worker")]
    await append(stage.store.on(CONSOLE), Head(aggregate=AggregateRef("console", "run", run)), [requested, *started, *ended])
    created = stream_key(await get_stream(stage.store.connection, stream))
    claim = {"run_id": run, "operation": operation, "stream": stream, "created": created, "pattern": ">", "by": "olga", "reason": "daily"}
    forged = Removal(**claim, ranges=(Range(11, 11),), is_exact=True, count=1, at=now())
    await raw.delete(11)

    await write_removal(stage.store.connection, forged)
    other = await verify_stream(raw.store)
    await raw.delete(2)
    await write_removal(stage.store.connection, replace(forged, ranges=(Range(2, 2),)))
    own = await verify_stream(raw.store)

    assert facts(other) == [(Cause.MISSING, OTHER, 4, 14)]
    assert [part.count for part in own.removed] == ([1] if operation == "purge" else [])


def test_every_operation_that_records_what_it_removes_is_one_that_may_explain_a_gap() -> None:
    assert set(REMOVING) == {"purge", "delete-message", "delete-stream"}
    assert set(REMOVING) <= set(OPERATIONS)


async def test_plan_warns_that_chains_lose_events(stage: Stage, raw: RawStream) -> None:
    found = await plan(stage, "purge", stream=raw.layout.stream, before="4")

    assert "could be written again" in one_of(found.notes, "holds chains")


async def test_purge_that_a_record_cannot_name_is_refused_before_anything_goes(
    stage: Stage, raw: RawStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.persistence.chain.removals.MAX_RANGES", 2)

    run = await carry_out(stage, "purge", stream=raw.layout.stream, subject=f"{raw.layout.root}.sales.order.o1.>")

    assert "in 8 places" in run.outcome
    assert (await verify_stream(raw.store)).checked == 24


async def test_receipt_of_a_verification_names_the_runs_that_removed_events(stage: Stage, raw: RawStream) -> None:
    purged = await carry_out(stage, "purge", stream=raw.layout.stream, before="7")

    outcome = await carry_out(stage, "verify", stream=raw.layout.stream)

    assert outcome.outcome == "Intact: 18 events, sequence 1 to 24; 6 more were removed by 1 recorded run."
    assert [part["run"] for part in outcome.figures["removed"]] == [purged.id]  # type: ignore[union-attr,index,call-overload]


async def test_later_stream_of_the_same_name_is_not_explained_by_what_was_removed_before(stage: Stage, raw: RawStream) -> None:
    name = raw.layout.stream
    await carry_out(stage, "purge", stream=name, before="7")
    config = (await stage.store.connection.api(f"STREAM.INFO.{name}"))["config"]
    await stage.store.connection.api(f"STREAM.DELETE.{name}")
    await stage.store.connection.api(f"STREAM.CREATE.{name}", config)
    await raw.write(*three_chains())
    await stage.store.connection.api(f"STREAM.PURGE.{name}", {"seq": 7})

    assert not (await verify_stream(raw.store)).intact


@pytest.mark.parametrize("limits", [{"max_msgs": 1_000}, {"max_age": 365 * 86_400 * 10**9}, {"max_bytes": 1 << 30}])
async def test_limit_that_was_never_reached_explains_no_missing_beginning(raw: RawStream, limits: dict[str, int]) -> None:
    connection, stream = raw.store.connection, raw.layout.stream
    config = (await connection.api(f"STREAM.INFO.{stream}"))["config"]
    await connection.api(f"STREAM.UPDATE.{stream}", config | limits)
    await connection.api(f"STREAM.PURGE.{stream}", {"seq": 8})

    verdict = await verify_stream(raw.store)

    assert (verdict.intact, verdict.removed) == (False, ())


async def test_limit_that_was_reached_explains_a_missing_beginning(raw: RawStream) -> None:
    connection, stream = raw.store.connection, raw.layout.stream
    config = (await connection.api(f"STREAM.INFO.{stream}"))["config"]
    await connection.api(f"STREAM.UPDATE.{stream}", config | {"max_msgs": 17})

    verdict = await verify_stream(raw.store)

    assert (verdict.intact, [part.sentence for part in verdict.removed]) == (
        True,
        ["7 messages at the beginning, which its limit of messages removed"],
    )
