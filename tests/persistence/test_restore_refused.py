"""Restores that are refused before anything is sent: names that are taken, files of another kind, damaged files."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.encoding import decode, encode
from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.store import ensure_bucket
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files
from apps.persistence.work.run import RunState

from .backing_up import backed_up, car_of, delete, make_orders, restored_from, sections, streams
from .changing_streams import carry_out, open_stage, plan
from .engine_stage import Stage
from .transferring import append_hard, content, export, upload


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(own_nats_server) as opened:
        await ensure_files(opened.store.connection)
        yield opened


# -- refused before anything is sent -----------------------------------------------------------------------------------------------------


async def refusal(stage: Stage, **given: str) -> str:
    with pytest.raises((InvalidInput, NotFound)) as refused:
        await plan(stage, "restore", **given)
    return str(refused.value)


async def test_name_or_subjects_that_are_taken_are_refused(stage: Stage) -> None:
    await make_orders(stage.store)
    name = await backed_up(stage)

    assert "There is a stream ORDERS already, and a restore never adds to one" in await refusal(stage, file=name)
    await delete(stage.store, "ORDERS")
    await stage.store.connection.api("STREAM.CREATE.OTHER", {"name": "OTHER", "subjects": ["ORDERS.1"]})
    assert "subjects holds ORDERS.>, which overlaps ORDERS.1 of OTHER" in await refusal(stage, file=name)


async def test_protected_own_and_impossible_names_are_refused(stage: Stage) -> None:
    await make_orders(stage.store)
    name = await backed_up(stage)
    await ensure_bucket(stage.store.connection, "colours")
    bucket = await backed_up(stage, "KV_colours")

    assert "CIM-OTHER is a name of the console's own streams" in await refusal(stage, file=name, stream="CIM-OTHER")
    assert "CIM_PROTECTED_STREAMS names KEPT-*" in await refusal(stage, file=name, stream="KEPT-1")
    assert "no white space and none of" in await refusal(stage, file=name, stream="A B")
    assert "a bucket can be restored only under its own name, KV_colours" in await refusal(stage, file=bucket, stream="COLOURS")
    assert "There is no file" in await refusal(stage, file="none.backup")


async def test_own_stream_and_bucket_are_refused_with_the_ways_that_there_are(stage: Stage) -> None:
    await append_hard(stage.store)
    events, bucket = await backed_up(stage, "CIM-EVENTS"), await backed_up(stage, "KV_cim-projections")

    assert await refusal(stage, file=events) == (
        "CIM-EVENTS is a name of the console's own streams, which it writes all the time, so none is restored under it. Give stream "
        "another name, such as RESTORED-CIM-EVENTS, to look at what was backed up and verify it beside what is there. To put it in its "
        "place, stop the console and bring back a copy of the server's data; docs/operating.md says how."
    )
    assert (await plan(stage, "restore", file=events, stream="RESTORED-CIM-EVENTS")).summary.startswith("Restore RESTORED-CIM-EVENTS from")
    assert "KV_cim-projections is the console's own bucket" in await refusal(stage, file=bucket)


async def test_file_of_another_kind_is_refused_saying_what_it_is(stage: Stage) -> None:
    await append_hard(stage.store)
    lines, car = await export(stage), await export(stage, format="car")
    await upload(stage.store, "picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    await upload(stage.store, "empty", b"")

    assert "The file holds text, so it is no backup" in await refusal(stage, file=lines)
    assert "The file is an export of CIM-EVENTS, no backup; import it instead" in await refusal(stage, file=car)
    assert "The file is no backup, or its beginning is damaged" in await refusal(stage, file="picture.png")
    assert "empty" in await refusal(stage, file="empty")


async def test_backup_is_refused_by_an_import(stage: Stage) -> None:
    await make_orders(stage.store)
    name = await backed_up(stage)

    run = await carry_out(stage, "import", file=name, stream="CIM-EVENTS")

    assert run.outcome == "The file is the backup of a stream; it is restored, not imported."


async def test_flipped_byte_is_named_and_nothing_is_restored(stage: Stage) -> None:
    await make_orders(stage.store, size=40_000)
    data = bytearray(await content(stage.store, await backed_up(stage)))
    await delete(stage.store, "ORDERS")
    data[-200_000] ^= 1

    run = await restored_from(stage, bytes(data))

    assert run.state is RunState.FAILED
    assert "brought.backup is damaged, and nothing was restored. The section at byte" in run.outcome
    assert "does not have the hash of its CID" in run.outcome
    assert await streams(stage.store) == []


async def test_file_that_was_cut_off_is_refused_wherever_it_was_cut(stage: Stage) -> None:
    await make_orders(stage.store, size=40_000)
    data = await content(stage.store, await backed_up(stage))
    await delete(stage.store, "ORDERS")
    parts = await sections(data)

    inside = await restored_from(stage, data[:-100_000])
    at_a_block = await restored_from(stage, car_of(parts[:-1]))

    assert "is cut off" in inside.outcome
    assert "The backup is cut off after" in at_a_block.outcome
    assert await streams(stage.store) == []


async def test_file_put_together_anew_is_refused_although_each_block_is_right(stage: Stage) -> None:
    await make_orders(stage.store, size=40_000)
    parts = await sections(await content(stage.store, await backed_up(stage)))
    await delete(stage.store, "ORDERS")
    end = decode(parts[-1])
    assert isinstance(end, dict)

    swapped = await restored_from(stage, car_of([parts[0], parts[2], parts[1], *parts[3:]]))
    left_out = await restored_from(stage, car_of([*parts[:-2], encode({**end, "chunks": len(parts) - 3})]))
    longer = await restored_from(stage, car_of([*parts, parts[1]]))

    assert "is not chunk 0 of the backup" in swapped.outcome
    assert "names other chunks than those in the file" in left_out.outcome
    assert "Something follows the end of the backup" in longer.outcome
    assert await streams(stage.store) == []
