"""Restores of streams: the file is checked before anything is sent, the stream before the run says that it is restored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from blake3 import blake3

from apps.persistence.encoding import cid_of, decode, encode
from apps.persistence.errors import InvalidInput
from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.operations import Restore
from apps.persistence.store import Layout, Outgoing, append, ensure_bucket, get_stream, kv_get, kv_put, list_consumers, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files, get_file
from apps.persistence.work.run import RunState

from .backing_up import backed_up, blocks_of, car_of, delete, make_orders, restored_from, sections, streams
from .changing_streams import carry_out, facts, make_stream, open_stage, plan
from .engine_stage import Stage
from .operating import Noted
from .test_transfer_resumed import worker_to_be_killed
from .transferring import append_hard, blocks, content


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(own_nats_server) as opened:
        await ensure_files(opened.store.connection)
        yield opened


# -- round trips -----------------------------------------------------------------------------------------------------------------------


async def test_restored_stream_has_its_messages_sequences_gap_and_consumer(stage: Stage) -> None:
    await make_orders(stage.store)
    before = await blocks_of(stage.store, "ORDERS")
    name = await backed_up(stage)
    await delete(stage.store, "ORDERS")

    run = await carry_out(stage, "restore", file=name)

    assert run.outcome == f"Restored ORDERS from {name} and verified it: 24 messages read, up to sequence 25."
    assert await blocks_of(stage.store, "ORDERS") == before
    assert (await get_stream(stage.store.connection, "ORDERS")).config["metadata"]["cim-restored-by"] == run.id
    (consumer,) = await list_consumers(stage.store.connection, "ORDERS")
    assert (consumer.name, consumer.pending) == ("bill", 24)


async def test_restored_chains_are_verified_event_by_event_under_another_name(stage: Stage) -> None:
    await append_hard(stage.store)
    name = await backed_up(stage, "CIM-EVENTS")

    run = await carry_out(stage, "restore", file=name, stream="LOOK")

    assert "5 events of 2 aggregates intact, each by its bytes, its place and its link, up to sequence 5" in run.outcome
    assert await blocks(stage.store, "LOOK") == await blocks(stage.store)
    assert (await get_stream(stage.store.connection, "LOOK")).subjects == ("restored.LOOK",)


async def test_restored_bucket_answers_again(stage: Stage) -> None:
    await ensure_bucket(stage.store.connection, "colours", history=5)
    for colour in (b"blue", b"grey"):
        await kv_put(stage.store.connection, "colours", "sky", colour)
    name = await backed_up(stage, "KV_colours")
    await delete(stage.store, "KV_colours")

    run = await carry_out(stage, "restore", file=name)

    assert run.state is RunState.FINISHED, run.outcome
    entry = await kv_get(stage.store.connection, "colours", "sky")
    assert entry is not None
    assert (entry.value, entry.revision) == (b"grey", 2)


async def test_backup_that_was_downloaded_and_brought_again_can_be_restored(stage: Stage) -> None:
    await make_orders(stage.store)
    data = await content(stage.store, await backed_up(stage, consumers="off"))
    await delete(stage.store, "ORDERS")

    run = await restored_from(stage, data)

    assert run.state is RunState.FINISHED, run.outcome
    assert await list_consumers(stage.store.connection, "ORDERS") == []


async def test_restored_work_queue_keeps_its_messages(stage: Stage) -> None:
    stream = await make_stream(stage.store, name="JOBS", retention="workqueue")
    await store_message(stage.store.connection, Outgoing(f"{stream}.one", b"1", {}))
    name = await backed_up(stage, "JOBS")
    await delete(stage.store, "JOBS")

    run = await carry_out(stage, "restore", file=name)

    assert "1 message by its state, as reading would take them" in run.outcome
    assert (await get_stream(stage.store.connection, "JOBS")).messages == 1


async def test_plan_says_what_would_be_there(stage: Stage) -> None:
    await make_orders(stage.store)
    name = await backed_up(stage)
    await delete(stage.store, "ORDERS")

    found = await plan(stage, "restore", file=name)

    assert facts(found)["Messages"] == ("none", "24, up to sequence 25")
    assert facts(found)["Durable consumers"] == ("none", "bill")
    assert facts(found)["Subjects"] == ("free", "ORDERS.>")


# -- what the server makes of it ---------------------------------------------------------------------------------------------------------


async def test_bytes_that_the_server_cannot_read_leave_nothing(stage: Stage) -> None:
    """The file is whole by its own digests, and yet no backup: as one of a server that wrote nonsense."""
    await make_orders(stage.store, size=40_000)
    parts = await sections(await content(stage.store, await backed_up(stage)))
    await delete(stage.store, "ORDERS")
    chunk = bytes(10_000)
    end = {"chunks": 1, "bytes": len(chunk), "blake3": blake3(chunk).hexdigest(), "manifest": cid_of(parts[0])}

    run = await restored_from(stage, car_of([parts[0], encode({"number": 0, "data": chunk}), encode(end)]))

    assert run.state is RunState.FAILED
    assert "The server could not restore ORDERS, and nothing of it is left" in run.outcome
    assert await streams(stage.store) == []


@pytest.mark.parametrize(("when_wrong", "left"), [("keep", ["ORDERS"]), ("remove", [])])
async def test_stream_that_is_not_what_the_manifest_says_is_told_and_kept_or_removed(
    stage: Stage, when_wrong: str, left: list[str]
) -> None:
    await make_orders(stage.store)
    parts = await sections(await content(stage.store, await backed_up(stage)))
    await delete(stage.store, "ORDERS")
    manifest, end = decode(parts[0]), decode(parts[-1])
    assert isinstance(manifest, dict)
    assert isinstance(manifest["state"], dict)
    assert isinstance(end, dict)
    root = encode({**manifest, "durables": ["bill", "post"], "state": {**manifest["state"], "messages": 25}})

    run = await restored_from(stage, car_of([root, *parts[1:-1], encode({**end, "manifest": cid_of(root)})]), when_wrong=when_wrong)

    assert run.state is RunState.FAILED
    assert "ORDERS is not what was backed up: its consumer post did not come back; 24 messages can be read, and the backup's" in run.outcome
    assert await streams(stage.store) == left


async def test_event_that_was_removed_on_purpose_before_the_backup_is_no_fault(stage: Stage) -> None:
    """A stream without the guards that event streams have, declared to hold chains."""
    layout = Layout(stream="SALES", root="SALES")
    stage.registry.layouts = (*stage.registry.layouts, layout)
    await make_stream(stage.store, name="SALES", allow_atomic=True)
    order = AggregateRef("sales", "order", "o1")
    await append(stage.store.on(layout), Head(aggregate=order), [NewEvent(type="created"), NewEvent(type="closed")])
    await carry_out(stage, "delete-message", stream="SALES", sequence="1")
    name = await backed_up(stage, "SALES")
    await delete(stage.store, "SALES")

    run = await carry_out(stage, "restore", file=name)

    assert run.state is RunState.FINISHED, run.outcome


async def test_fault_within_a_restored_chain_is_found(stage: Stage) -> None:
    order = AggregateRef("sales", "order", "o1")
    await append(stage.store, Head(aggregate=order), [NewEvent(type="created"), NewEvent(type="closed")])
    await store_message(stage.store.connection, Outgoing("cim.events.sales.order.o1.closed.v3", b"not a block", {}))
    name = await backed_up(stage, "CIM-EVENTS")

    run = await carry_out(stage, "restore", file=name, stream="LOOK")

    assert run.state is RunState.FAILED
    assert "LOOK is not what was backed up: verification has 1 finding, the first:" in run.outcome


# -- interrupted -------------------------------------------------------------------------------------------------------------------------


async def test_cancelled_restore_leaves_nothing(stage: Stage) -> None:
    await make_orders(stage.store, 40, size=50_000)
    name = await backed_up(stage)
    size = (await get_file(stage.store.connection, name)).stored.size
    await delete(stage.store, "ORDERS")

    async with stage.worker():
        run_id = await stage.ask("restore", {"file": name}, limit=1_500_000)
        await stage.wait_for_progress(run_id, lambda progress: progress.done > size)
        await stage.tell("cancel", run_id)
        run = await stage.wait(run_id)
        await stage.at_rest(run_id)

    assert run.state is RunState.CANCELLED
    assert await streams(stage.store) == []


async def test_restore_whose_worker_is_killed_begins_again_and_is_verified(stage: Stage, own_nats_server: EmbeddedServer) -> None:
    await make_orders(stage.store, 40, size=50_000)
    name = await backed_up(stage)
    size = (await get_file(stage.store.connection, name)).stored.size
    await delete(stage.store, "ORDERS")

    async with worker_to_be_killed(own_nats_server) as process:
        run_id = await stage.ask("restore", {"file": name}, limit=1_500_000)
        with suppress(ProcessLookupError):
            await stage.wait_for_progress(run_id, lambda progress: progress.done > size)
            process.kill()
    await stage.tell("limit", run_id, {"limit": 0})
    async with stage.worker():
        run = await stage.wait(run_id)

    assert run.state is RunState.FINISHED, run.outcome
    assert "39 messages read, up to sequence 40" in run.outcome


async def test_attempt_behind_one_that_had_the_stream_made_only_verifies_it(stage: Stage) -> None:
    """As if the worker had been killed between the server's answer and the next checkpoint."""
    await make_orders(stage.store)
    name = await backed_up(stage)
    await delete(stage.store, "ORDERS")
    restore, before = Restore(file=name), Noted()
    await restore.run(stage.store, stage.registry, before)
    sent = Noted(checkpoint={"phase": "send"})

    outcome = await restore.run(stage.store, stage.registry, sent)

    assert outcome.sentence.endswith("24 messages read, up to sequence 25.")
    with pytest.raises(InvalidInput, match="There is a stream ORDERS already"):
        await restore.run(stage.store, stage.registry, Noted(run_id="another", checkpoint={"phase": "send"}))
