"""Exports and imports through the engine, on real servers: the same blocks, the same CIDs, the same order, whatever comes between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.errors import InvalidInput, NotFound, StreamNotFound
from apps.persistence.events import Head, NewEvent
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import CONSOLE, EventBlock, Message, Store, append, append_blocks, ensure_home, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import (
    ensure_files,
    find_file,
    list_files,
)
from apps.persistence.transfer.lines import line_of
from apps.persistence.work.operation import build_operation
from apps.persistence.work.run import RunState

from .engine_stage import Stage
from .raw_stream import ORDER as RAW_ORDER
from .raw_stream import make_chain
from .transferring import ORDER, OTHER, append_hard, blocks, content, done, export, read_file, upload


@pytest.fixture
async def home(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings()) as store:
        await ensure_home(store.connection)
        await ensure_files(store.connection)
        yield store


@pytest.fixture
async def berlin(tmp_path: Path) -> AsyncIterator[Store]:
    """A second server."""
    with EmbeddedServer(tmp_path / "berlin") as server:
        async with open_store(server.settings()) as store:
            yield store


@pytest.fixture
def stage(home: Store) -> Stage:
    return Stage(store=home, operations=OPERATIONS)


async def refusal(stage: Stage, operation: str, given: dict[str, str]) -> str:
    """Why the plan is refused."""
    with pytest.raises((InvalidInput, NotFound)) as refused:
        await build_operation(stage.operations[operation], given).plan(stage.store, stage.registry)
    return str(refused.value)


# -- round trips -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "car"])
async def test_export_and_import_into_a_second_server_keep_every_block_and_their_order(stage: Stage, berlin: Store, form: str) -> None:
    await append_hard(stage.store)
    stage.registry.observed = {"berlin": berlin.connection.settings}

    name = await export(stage, format=form)
    run = await done(stage, "import", {"file": name, "connection": "berlin"})

    assert run.outcome == "Brought 5 events into CIM-EVENTS on berlin: 5 stored, 0 already there."
    assert await blocks(berlin, "CIM-EVENTS") == await blocks(stage.store)
    assert (await verify_stream(berlin)).intact


async def test_import_again_finds_everything_there(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await export(stage)

    run = await done(stage, "import", {"file": name})

    assert run.outcome == "Brought 5 events into CIM-EVENTS on home: 0 stored, 5 already there."


async def test_import_into_a_stream_that_is_made_for_it(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await export(stage, format="car")

    run = await done(stage, "import", {"file": name, "stream": "COPY", "root": "copied.events"})

    assert run.state is RunState.FINISHED, run.outcome
    assert await blocks(stage.store, "COPY") == await blocks(stage.store)


async def test_export_of_one_aggregate_holds_its_events_alone(stage: Stage) -> None:
    await append_hard(stage.store)

    name = await export(stage, aggregate=str(ORDER), format="car")

    assert name == "sales.order.o1.car"
    assert [(event.event.aggregate, event.event.version) for event in await read_file(await content(stage.store, name))] == [
        (ORDER, 1),
        (ORDER, 2),
        (ORDER, 3),
    ]


async def test_export_of_a_range_and_a_pattern_holds_what_both_select(stage: Stage) -> None:
    await append_hard(stage.store)

    name = await export(stage, first="2", last="4", subject="cim.events.*.*.o1.>")

    lines = [json.loads(line) for line in (await content(stage.store, name)).splitlines()]
    assert [line["source"]["sequence"] for line in lines] == [3, 4]


async def test_export_of_a_stream_without_blocks_keeps_the_bytes(stage: Stage) -> None:
    await stage.store.connection.api("STREAM.CREATE.PLAIN", {"name": "PLAIN", "subjects": ["plain.>"], "storage": "memory"})
    await stage.store.connection.request("plain.one", b'{"total": 3}')

    name = await export(stage, stream="PLAIN")

    (line,) = (await content(stage.store, name)).splitlines()
    assert json.loads(line)["data"] == {"/": {"bytes": "eyJ0b3RhbCI6IDN9"}}


async def test_file_says_what_it_is_who_made_it_and_by_which_run(stage: Stage) -> None:
    await append_hard(stage.store)

    run = await done(stage, "export", {})

    (file,) = await list_files(stage.store.connection)
    assert (file.kind, file.source, file.by, file.run, file.events) == ("export", "CIM-EVENTS 1 – 5", "olga", run.id, 5)
    assert run.figures["sha256"] == file.stored.digest


async def test_second_export_does_not_replace_the_first(stage: Stage) -> None:
    await append_hard(stage.store)

    names = [await export(stage), await export(stage)]

    assert names == ["CIM-EVENTS-1-5.jsonl", "CIM-EVENTS-1-5-2.jsonl"]


async def test_deleted_file_is_gone(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await export(stage)

    run = await done(stage, "delete-file", {"file": name})

    assert run.outcome == "Deleted CIM-EVENTS-1-5.jsonl."
    assert await find_file(stage.store.connection, name) is None


# -- what does not fit -----------------------------------------------------------------------------------------------------------------


async def test_import_names_a_conflict_and_stores_nothing(stage: Stage, berlin: Store) -> None:
    await append_hard(stage.store)
    name = await export(stage)
    stage.registry.observed = {"berlin": berlin.connection.settings}
    await ensure_home(berlin.connection)
    await append(berlin, Head(aggregate=OTHER), [NewEvent(type="created", payload={"by": "somebody else"})])

    run = await done(stage, "import", {"file": name, "connection": "berlin"})

    assert run.state is RunState.FAILED
    assert "Nothing was stored: sales.order.o2 has another event as version 1" in run.outcome
    assert len(await blocks(berlin, "CIM-EVENTS")) == 1


async def test_import_of_later_versions_alone_is_refused(stage: Stage) -> None:
    chain = make_chain(RAW_ORDER, 3)
    await upload(stage.store, "late.jsonl", _lines(chain[1:]))

    run = await done(stage, "import", {"file": "late.jsonl"})

    assert "sales.order.o1 begins with version 2 in line 1, and CIM-EVENTS does not hold version 1" in run.outcome


async def test_import_goes_on_from_a_version_that_is_there(stage: Stage) -> None:
    chain = make_chain(RAW_ORDER, 3)
    await append_blocks(stage.store, [EventBlock.read(chain[0].to_block())])
    await upload(stage.store, "late.jsonl", _lines(chain[1:]))

    run = await done(stage, "import", {"file": "late.jsonl"})

    assert run.outcome == "Brought 2 events into CIM-EVENTS on home: 2 stored, 0 already there."


async def test_import_of_a_gap_is_refused_with_its_place(stage: Stage) -> None:
    chain = make_chain(RAW_ORDER, 3)
    await upload(stage.store, "gap.jsonl", _lines([chain[0], chain[2]]))

    run = await done(stage, "import", {"file": "gap.jsonl"})

    assert "sales.order.o1 has version 3 in line 2 behind version 1" in run.outcome


async def test_import_of_a_broken_link_is_refused(stage: Stage) -> None:
    mine, other = make_chain(RAW_ORDER, 2), make_chain(RAW_ORDER, 2)
    await upload(stage.store, "broken.jsonl", _lines([mine[0], other[1]]))

    run = await done(stage, "import", {"file": "broken.jsonl"})

    assert f"sales.order.o1 version 2 in line 2 links to {other[1].previous}" in run.outcome


async def test_import_of_a_file_without_events_is_refused(stage: Stage) -> None:
    await upload(stage.store, "nothing.jsonl", b"\n")

    assert (await done(stage, "import", {"file": "nothing.jsonl"})).outcome == "The file holds no event."


async def test_nothing_is_brought_into_the_stream_of_receipts(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await export(stage)

    assert "holds this console's own receipts" in await refusal(stage, "import", {"file": name, "stream": CONSOLE.stream})


async def test_plan_of_an_import_refuses_what_cannot_be_meant(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await export(stage)
    await stage.store.connection.api("STREAM.CREATE.PLAIN", {"name": "PLAIN", "subjects": ["a", "b"], "storage": "memory"})

    assert "no layout declares it; give a root" in await refusal(stage, "import", {"file": name, "stream": "NEW"})
    assert "all subjects begin with one root" in await refusal(stage, "import", {"file": name, "stream": "PLAIN"})
    assert "There is no connection 'mars'" in await refusal(stage, "import", {"file": name, "connection": "mars"})
    assert "There is no file 'none.car'" in await refusal(stage, "import", {"file": "none.car"})


async def test_plan_of_an_export_refuses_what_cannot_be_meant(stage: Stage) -> None:
    await append_hard(stage.store)
    await stage.store.connection.api("STREAM.CREATE.EMPTY", {"name": "EMPTY", "subjects": ["empty.>"], "storage": "memory"})

    assert "There is no stream NONE" in await refusal(stage, "export", {"stream": "NONE"})
    assert "EMPTY holds nothing" in await refusal(stage, "export", {"stream": "EMPTY"})
    assert "it has 1 to 5" in await refusal(stage, "export", {"first": "9"})
    assert "exclude each other" in await refusal(stage, "export", {"subject": "a.>", "aggregate": "sales.order.o1"})
    assert "No event in CIM-EVENTS matches" in await refusal(stage, "export", {"aggregate": "sales.order.nobody"})


async def test_dry_run_of_an_import_checks_everything_and_stores_nothing(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await export(stage)

    run = await done(stage, "import", {"file": name, "stream": "COPY", "root": "copied"}, dry_run=True)

    assert run.outcome == "All 5 events fit: 5 would be stored, 0 already there."
    with pytest.raises(StreamNotFound):
        await blocks(stage.store, "COPY")


def _lines(events: list[Any]) -> bytes:
    return b"".join(line_of(Message("ELSEWHERE", "s", number, 0, b"", event.to_block())) for number, event in enumerate(events, start=1))
