"""A stream held against its heads manifest: what shows when an aggregate, or its newest versions, are left out of the stream later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.events import AggregateRef
from apps.persistence.heads import (
    compare_with_manifest,
)
from apps.persistence.operations import RecordHeads
from apps.persistence.store import ensure_stream
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.operation import RunInterrupted
from tests.persistence.changing_streams import carry_out as carry_out_run
from tests.persistence.changing_streams import open_stage, three_known_chains
from tests.persistence.engine_stage import Stage
from tests.persistence.heads_stage import events_of, manifest_of, omissions, record, recreate, rows_of
from tests.persistence.operating import Noted
from tests.persistence.raw_stream import (
    ORDER,
    OTHER,
    THIRD,
    RawStream,
    edited,
    make_chain,
    outgoing,
    renamed,
    with_bytes,
)
from tests.persistence.snapshotting import Cut


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("heads")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(server) as opened:
        yield opened


@pytest.fixture
async def raw(stage: Stage) -> RawStream:
    """Three chains of eight versions in turn: the heads of ORDER, OTHER and THIRD lie at 22, 23 and 24. The registry knows the stream."""
    return await three_known_chains(stage)


async def test_stream_that_only_grew_holds(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    await raw.write(*make_chain(AggregateRef("sales", "order", "o3"), 2))

    found = await compare_with_manifest(raw.store, await manifest_of(raw))

    assert (found.holds, found.aggregates, found.removed) == (True, 3, 0)


async def test_aggregate_whose_subjects_an_attacker_removed_is_omitted(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    body = {"filter": raw.layout.all_of(OTHER)}
    await raw.store.connection.api(f"STREAM.PURGE.{raw.layout.stream}", body, stream=raw.layout.stream)

    assert await omissions(raw) == [(OTHER, 8, 23, None, 0)]


async def test_what_the_limits_of_the_stream_removed_hides_no_omission(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    await raw.write(*make_chain(AggregateRef("sales", "order", "o3"), 1))
    connection, stream = raw.store.connection, raw.layout.stream
    config = (await connection.api(f"STREAM.INFO.{stream}", stream=stream))["config"]
    await connection.api(f"STREAM.UPDATE.{stream}", config | {"max_msgs": 3})
    await connection.api(f"STREAM.PURGE.{stream}", {"filter": raw.layout.all_of(THIRD)}, stream=stream)

    found = await compare_with_manifest(raw.store, await manifest_of(raw))

    assert [one.aggregate for one in found.omitted] == [THIRD]
    assert (found.omitted_count, found.removed) == (1, 1)


async def test_aggregate_is_omitted_in_a_stream_that_was_made_anew_without_it(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    left = [event for event in await events_of(raw) if event.aggregate != OTHER]
    await recreate(raw, *(outgoing(raw.layout, event) for event in left))

    assert await omissions(raw) == [(OTHER, 8, 23, None, 0)]


async def test_newest_versions_that_were_cut_off_are_omitted(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    await raw.delete(19)
    await raw.delete(22)

    assert await omissions(raw) == [(ORDER, 8, 22, None, 6)]


async def test_stream_that_forbids_direct_get_is_compared_too(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    await raw.delete(22)
    await raw.forbid_direct_get()

    assert await omissions(raw) == [(ORDER, 8, 22, None, 7)]


async def test_head_that_was_rewritten_is_named_with_what_lies_there(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    events = await events_of(raw)
    forged = renamed(with_bytes(outgoing(raw.layout, events[-1]), edited(events[-1])))
    await recreate(raw, *(outgoing(raw.layout, event) for event in events[:-1]), forged)

    assert await omissions(raw) == [(THIRD, 8, 24, str(cid_of(forged.data)), None)]


async def test_what_a_recorded_run_purged_is_no_omission_and_leaves_the_next_manifest(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    await carry_out_run(stage, "purge", stream=raw.layout.stream, subject=raw.layout.all_of(OTHER))
    await carry_out_run(stage, "delete-message", stream=raw.layout.stream, sequence="22")

    found = await compare_with_manifest(raw.store, await manifest_of(raw))
    await raw.write(*make_chain(AggregateRef("sales", "order", "o3"), 1))
    outcome = await record(stage, raw, "run-2")

    assert (found.holds, found.removed) == (True, 2)
    assert [(row.name, row.version) for row in await rows_of(raw)] == [
        ("people.person.p1", 8),
        ("sales.order.o1", 7),
        ("sales.order.o3", 1),
    ]
    assert outcome.figures["intact"] is True


async def test_stream_that_a_recorded_run_deleted_may_begin_anew_under_its_name(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    config = (await raw.store.connection.api(f"STREAM.INFO.{raw.layout.stream}", stream=raw.layout.stream))["config"]
    await carry_out_run(stage, "delete-stream", stream=raw.layout.stream)
    await ensure_stream(raw.store.connection, config)
    await raw.write(*make_chain(OTHER, 2))

    assert await omissions(raw) == []
    await record(stage, raw, "run-2")
    assert [(row.name, row.version, row.sequence) for row in await rows_of(raw)] == [("sales.order.o2", 2, 2)]


async def test_nothing_is_recorded_over_an_omission_until_a_person_asks_for_it_anew(stage: Stage, raw: RawStream) -> None:
    await record(stage, raw)
    await raw.delete(23)

    refused = await record(stage, raw, "run-2")
    anew = await record(stage, raw, "run-3", anew=True)

    findings: Any = refused.figures["findings"]
    assert refused.sentence == (
        f"{raw.layout.stream}: nothing is recorded, 1 aggregate of the manifest before is not as it names them; that manifest stands."
    )
    assert [(one["cause"], one["aggregate"], one["version"], one["sequence"]) for one in findings] == [("omitted", "sales.order.o2", 8, 23)]
    assert findings[0]["explanation"] == (
        "sales.order.o2 was at version 8, sequence 23, when the heads were recorded; it ends at version 7 now."
    )
    assert (refused.figures["intact"], anew.figures["intact"]) == (False, False)
    assert [(row.name, row.version) for row in await rows_of(raw)][-1] == ("sales.order.o2", 7)
    assert await omissions(raw) == []


async def test_interrupted_run_records_each_stream_once(stage: Stage, raw: RawStream) -> None:
    operation = RecordHeads(scope="stream", stream=raw.layout.stream)
    progress = Cut(reports_left=1)
    with pytest.raises(RunInterrupted):
        await operation.run(stage.store, stage.registry, progress)

    await operation.run(stage.store, stage.registry, Noted(run_id=progress.run_id, checkpoint=progress.checkpoint))

    assert (await manifest_of(raw)).version == 1
