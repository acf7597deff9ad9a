"""Archives: a range of a stream that is verified, written with its proof, and brought back into a stream of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.encoding import Cid, cid_of, decode, encode
from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.events import AggregateRef
from apps.persistence.store import Layout, Outgoing, Store, get_stream, head_of, read_batch, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.store.positions import last_sequence_at
from apps.persistence.transfer import Archive, ensure_files, get_file, open_file, read_archive
from apps.persistence.work.run import RunState

from .backing_up import car_of, sections
from .changing_streams import carry_out, facts, make_stream, open_stage, plan
from .engine_stage import Stage
from .test_transfer_resumed import worker_to_be_killed
from .transferring import ORDER, OTHER, append_chain, append_hard, blocks, content, export, upload


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(own_nats_server) as opened:
        await ensure_files(opened.store.connection)
        yield opened


async def archived(stage: Stage, last: str) -> str:
    """The name of the archive's file."""
    run = await carry_out(stage, "archive", last=last)
    assert run.state is RunState.FINISHED, run.outcome
    return str(run.figures["file"])


async def opened(store: Store, name: str) -> Archive:
    return await read_archive(open_file(store.connection, await get_file(store.connection, name)))


async def refusal(stage: Stage, operation: str, **given: str) -> str:
    with pytest.raises((InvalidInput, NotFound)) as refused:
        await plan(stage, operation, **given)
    return str(refused.value)


async def test_archive_names_the_range_the_heads_and_the_verification(stage: Stage) -> None:
    await append_hard(stage.store)
    first_three = (await blocks(stage.store))[:3]

    run = await carry_out(stage, "archive", last="3")

    assert run.state is RunState.FINISHED, run.outcome
    assert run.figures["file"] == "CIM-EVENTS-1-3.archive.car"
    manifest, heads = (found := await opened(stage.store, "CIM-EVENTS-1-3.archive.car")).manifest, found.heads
    assert (manifest.stream, manifest.generation, manifest.first, manifest.last, manifest.events) == ("CIM-EVENTS", 1, 1, 3, 3)
    assert heads == {"sales.order.o1": (2, cid_of(first_three[2][1])), "sales.order.o2": (1, cid_of(first_three[1][1]))}
    assert (manifest.verified["checked"], manifest.verified["findings"]) == (3, 0)
    assert run.figures["root"] == str(cid_of(manifest.to_block()))
    parts = await sections(await content(stage.store, "CIM-EVENTS-1-3.archive.car"))
    assert parts[2:] == [data for _, data in first_three]
    assert (await get_stream(stage.store.connection, "CIM-EVENTS")).messages == 5


async def test_end_as_a_time_means_the_last_event_stored_until_then(stage: Stage) -> None:
    await append_hard(stage.store)
    third, fourth = (await read_batch(stage.store.connection, "CIM-EVENTS", from_sequence=3, limit=2)).messages
    between = third.time if fourth.time - third.time < timedelta(microseconds=2) else fourth.time - timedelta(microseconds=1)

    assert (await plan(stage, "archive", last=between.isoformat())).saw["last sequence that is archived"] == 3
    assert (await plan(stage, "archive", last="now")).saw["last sequence that is archived"] == 5
    for operation in ("archive", "export"):
        assert "CIM-EVENTS holds no event up to 90 days ago" in await refusal(stage, operation, last="90 days ago")
        assert "CIM-EVENTS holds no event up to 0001-01-01" in await refusal(stage, operation, last="0001-01-01")
    assert await last_sequence_at(stage.store.connection, "CIM-EVENTS", "4") == 4


async def test_restored_archive_is_verified_in_a_stream_of_its_own(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await archived(stage, "5")

    run = await carry_out(stage, "restore-archive", file=name, stream="OLD", root="old.events")

    assert run.state is RunState.FINISHED, run.outcome
    assert "5 events of 2 aggregates are intact, and their heads and digest are those of the archive" in run.outcome
    assert await blocks(stage.store, "OLD") == await blocks(stage.store)
    old = stage.store.on(Layout(stream="OLD", root="old.events", is_pinned=True))
    assert (await head_of(old, ORDER)).cid == (await head_of(stage.store, ORDER)).cid
    assert (await verify_stream(old)).intact


async def test_archive_can_be_imported_as_any_export_can(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await archived(stage, "5")

    run = await carry_out(stage, "import", file=name)

    assert run.outcome == "Brought 5 events into CIM-EVENTS on home: 0 stored, 5 already there."


async def test_plan_counts_the_range_and_says_that_nothing_is_taken_out(stage: Stage) -> None:
    await append_hard(stage.store)

    found = await plan(stage, "archive", last="4")

    assert facts(found)["Events in it"] == ("none", "4, as they are stored")
    assert facts(found)["CIM-EVENTS"] == ("5 events", "5 events")
    assert found.saw["last sequence that is archived"] == 4


async def test_range_that_is_not_intact_is_not_archived(stage: Stage) -> None:
    await append_hard(stage.store)
    await store_message(stage.store.connection, Outgoing("cim.events.sales.order.o1.closed.v4", b"not a block", {}))

    broken = await carry_out(stage, "archive", last="6")
    before_it = await carry_out(stage, "archive", last="5")

    assert "CIM-EVENTS is not intact up to 6, so it is not archived: 1 findings, the first:" in broken.outcome
    assert before_it.state is RunState.FINISHED


async def test_impossible_archives_and_restores_are_refused_with_the_reason(stage: Stage) -> None:
    assert "CIM-EVENTS holds no event up to 5" in await refusal(stage, "archive", last="5")
    await append_hard(stage.store)
    lines, name = await export(stage), await archived(stage, "5")

    assert "PLAIN holds no chains that this console knows of" in await refusal(stage, "archive", stream="PLAIN", last="5")
    assert "no archive" in await refusal(stage, "restore-archive", file=lines)
    assert "There is no file 'nothing.car'" in await refusal(stage, "restore-archive", file="nothing.car")
    assert "there is a stream of that name" in await refusal(stage, "restore-archive", file=name, stream=await make_stream(stage.store))
    assert "overlaps cim.events.> of CIM-EVENTS" in await refusal(stage, "restore-archive", file=name, root="cim.events")
    assert "is the console's own" in await refusal(stage, "restore-archive", file=name, stream="CIM-OLD")


async def test_changed_cut_off_and_rearranged_archives_are_refused_and_make_no_stream(stage: Stage) -> None:
    await append_chain(stage.store, 10)
    await append_chain(stage.store, 10, to=OTHER)
    data = await content(stage.store, await archived(stage, "20"))
    parts = await sections(data)
    flipped = bytearray(data)
    flipped[-20] ^= 1
    root = decode(parts[0])
    assert isinstance(root, dict)
    other_root = encode({**root, "events": 19})
    await upload(stage.store, "flipped.car", bytes(flipped))
    await upload(stage.store, "cut.car", car_of(parts[:-1]))
    await upload(stage.store, "swapped.car", car_of([*parts[:2], *parts[12:], *parts[2:12]]))
    await upload(stage.store, "other.car", car_of([other_root, *parts[1:]]))

    found = [(await carry_out(stage, "restore-archive", file=f"{name}.car")).outcome for name in ("flipped", "cut", "swapped", "other")]

    assert "flipped.car is damaged, and nothing was restored. The section at byte" in found[0]
    assert "19 events are there, and the archive is of 20; their digest is" in found[1]
    assert "1 aggregates end elsewhere, the first is sales.order.o2" in found[1]
    assert "swapped.car is not what its own proof says, and nothing was restored: their digest is" in found[2]
    assert "20 events are there, and the archive is of 19" in found[3]
    assert "ARCHIVED" not in (await stage.store.connection.api("STREAM.NAMES"))["streams"]


async def test_archive_and_restore_whose_workers_are_killed_end_as_unbroken_ones(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    await append_chain(stage.store, 1000)
    await append_chain(stage.store, 500, to=AggregateRef("sales", "order", "o3"))

    async with worker_to_be_killed(own_nats_server) as process:
        writing = await stage.ask("archive", {"last": "1500"})
        await stage.wait_for_progress(writing, lambda progress: progress.done > 3000)
        process.kill()
    async with stage.worker():
        written = await stage.wait(writing)
    async with worker_to_be_killed(own_nats_server) as process:
        bringing = await stage.ask("restore-archive", {"file": str(written.figures["file"])})
        await stage.wait_for_progress(bringing, lambda progress: progress.done > 3250)
        process.kill()
    async with stage.worker():
        brought = await stage.wait(bringing)

    assert written.state is RunState.FINISHED, written.outcome
    assert brought.state is RunState.FINISHED, brought.outcome
    parts = await sections(await content(stage.store, str(written.figures["file"])))
    assert parts[2:] == [data for _, data in await blocks(stage.store)]
    assert await blocks(stage.store, "ARCHIVED") == await blocks(stage.store)


async def test_heads_of_an_archive_are_links_that_anybody_can_follow(stage: Stage) -> None:
    await append_hard(stage.store)
    parts = await sections(await content(stage.store, await archived(stage, "5")))

    root, heads = decode(parts[0]), decode(parts[1])

    assert isinstance(root, dict)
    assert root["heads"] == [cid_of(parts[1])]
    assert isinstance(heads, list)
    assert [type(head[2]) for head in heads if isinstance(head, list)] == [Cid, Cid]
