"""Purging, deleting and sealing streams through runs: what would go is counted exactly, and only that goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from apps.persistence.chain.removals import find_removal
from apps.persistence.errors import EventNotFound, InvalidInput, PermissionDenied, StreamNotFound
from apps.persistence.registry import StreamChanges
from apps.persistence.store import get_message, get_stream, open_store, read_batch
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState
from tests.persistence.changing_streams import carry_out, facts, make_stream, one_of, open_stage, plan, publish
from tests.persistence.engine_stage import Stage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("removal")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(server) as opened:
        yield opened


@pytest.fixture
async def stream(stage: Stage) -> str:
    """Six messages: under a at 1, 3 and 5, under b at 2, 4 and 6."""
    name = await make_stream(stage.store)
    await publish(stage.store, name, "a.1", "b.1", "a.2", "b.2", "a.3", "b.3")
    return name


async def left(stage: Stage, stream: str) -> list[int]:
    return [message.sequence for message in (await read_batch(stage.store.connection, stream)).messages]


# -- purge -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "count", "kept"),
    [
        ({}, 6, []),
        ({"subject": "a.>"}, 3, [2, 4, 6]),
        ({"before": "4"}, 3, [4, 5, 6]),
        ({"subject": "a.>", "before": "4"}, 2, [2, 4, 5, 6]),
        ({"keep": "2"}, 4, [5, 6]),
        ({"subject": "b.>", "keep": "1"}, 2, [1, 3, 5, 6]),
        ({"keep": "0"}, 6, []),
    ],
)
async def test_purge_counts_what_would_go_and_only_that_goes(
    stage: Stage, stream: str, given: dict[str, str], count: int, kept: list[int]
) -> None:
    if "subject" in given:
        given = given | {"subject": f"{stream}.{given['subject']}"}

    planned = await plan(stage, "purge", stream=stream, **given)
    run = await carry_out(stage, "purge", stream=stream, **given)

    assert planned.counts[0][1] == count
    assert facts(planned)["Messages"] == ("6", str(6 - count))
    assert planned.confirm_with == stream
    assert (run.state, run.figures["events"]) == (RunState.FINISHED, count)
    assert await left(stage, stream) == kept


async def test_purge_counts_also_where_direct_get_is_forbidden(stage: Stage) -> None:
    name = await make_stream(stage.store, allow_direct=False)
    await publish(stage.store, name, "a.1", "a.2", "a.3", "a.4")
    await stage.store.connection.api(f"STREAM.MSG.DELETE.{name}", {"seq": 2})

    planned = await plan(stage, "purge", stream=name, before="4")

    assert planned.counts[0][1] == 2
    with pytest.raises(InvalidInput, match="allow_direct"):
        await plan(stage, "purge", stream=name, subject=f"{name}.a.>")


async def test_purge_is_refused_where_more_would_go_than_was_shown(stage: Stage, stream: str) -> None:
    run_id = ""
    async with stage.commands_alone():
        run_id = await stage.ask("purge", {"stream": stream, "subject": f"{stream}.a.>"})
        await stage.wait(run_id, lambda run: True)
    await publish(stage.store, stream, "a.4")

    async with stage.worker():
        run = await stage.wait(run_id)

    assert run.state is RunState.FAILED
    assert "messages that would go was 3 and is 4" in run.outcome
    assert await left(stage, stream) == [1, 2, 3, 4, 5, 6, 7]


async def test_purge_before_a_sequence_holds_while_new_messages_arrive(stage: Stage, stream: str) -> None:
    async with stage.commands_alone():
        run_id = await stage.ask("purge", {"stream": stream, "before": "3"})
        await stage.wait(run_id, lambda run: True)
    await publish(stage.store, stream, "a.4")

    async with stage.worker():
        run = await stage.wait(run_id)

    assert run.state is RunState.FINISHED
    assert await left(stage, stream) == [3, 4, 5, 6, 7]


async def test_purge_that_was_interrupted_after_it_was_recorded_ends_with_the_same_messages(stage: Stage, stream: str) -> None:
    run = await carry_out(stage, "purge", stream=stream, before="3")
    removal = await find_removal(stage.store.connection, run.id)
    assert removal is not None
    await publish(stage.store, stream, "a.4")

    operation = stage.operations["purge"](stream=stream)  # type: ignore[call-arg]
    outcome = await operation.run(stage.store, stage.registry, Again(run.id))

    assert outcome.figures["events"] == 2
    assert await left(stage, stream) == [3, 4, 5, 6, 7]


class Again:
    """The progress of a run that is taken up a second time."""

    checkpoint = None
    requested_by = "olga"
    reason = "because"

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id

    async def report(self, done: int, total: int, **_: object) -> None: ...

    def log(self, line: str) -> None: ...


async def test_plan_of_a_purge_names_who_reads_and_copies_the_stream(stage: Stage, stream: str) -> None:
    connection = stage.store.connection
    config = {"durable_name": "billing", "ack_policy": "explicit"}
    await connection.api(f"CONSUMER.CREATE.{stream}.billing", {"stream_name": stream, "config": config})
    copy = f"COPY-{stream}"
    await connection.api(f"STREAM.CREATE.{copy}", {"name": copy, "sources": [{"name": stream}]})

    planned = await plan(stage, "purge", stream=stream)

    assert one_of(planned.notes, "billing") == "Consumer billing reads it: 6 pending, 0 not acknowledged."
    assert one_of(planned.notes, copy) == f"{copy} copies from it; what was copied stays there."


async def test_purge_without_anything_to_purge_and_with_two_ends_is_refused(stage: Stage, stream: str) -> None:
    with pytest.raises(InvalidInput, match="Nothing of"):
        await plan(stage, "purge", stream=stream, subject=f"{stream}.c.>")
    with pytest.raises(InvalidInput, match="keep and before"):
        await plan(stage, "purge", stream=stream, keep="2", before="3")
    with pytest.raises(InvalidInput, match="only be its last token"):
        await plan(stage, "purge", stream=stream, subject="a.>.b")


# -- one message, seal, delete ----------------------------------------------------------------------------------------------------------


async def test_message_is_deleted_and_its_sequence_stays_empty(stage: Stage, stream: str) -> None:
    planned = await plan(stage, "delete-message", stream=stream, sequence="3")
    run = await carry_out(stage, "delete-message", stream=stream, sequence="3")

    assert planned.counts == ((f"{stream}.a.2", 1),)
    assert run.outcome == f"Deleted message 3 of {stream}, {stream}.a.2."
    assert await left(stage, stream) == [1, 2, 4, 5, 6]
    with pytest.raises(EventNotFound):
        await plan(stage, "delete-message", stream=stream, sequence="3")


async def test_sealed_stream_is_read_on_and_can_only_be_deleted(stage: Stage, stream: str) -> None:
    run = await carry_out(stage, "seal", stream=stream)

    assert run.outcome == f"{stream} is sealed with 6 messages."
    assert (await get_message(stage.store.connection, stream, 6)).subject == f"{stream}.b.3"
    for operation in ("seal", "purge"):
        with pytest.raises(InvalidInput, match="is sealed"):
            await plan(stage, operation, stream=stream)
    assert (await carry_out(stage, "delete-stream", stream=stream)).state is RunState.FINISHED


async def test_deleted_stream_is_gone_with_its_consumers(stage: Stage, stream: str) -> None:
    planned = await plan(stage, "delete-stream", stream=stream)
    run = await carry_out(stage, "delete-stream", stream=stream)

    assert (planned.confirm_with, planned.saw["messages"]) == (stream, 6)
    assert run.outcome == f"Deleted {stream} with 6 messages."
    with pytest.raises(StreamNotFound):
        await get_stream(stage.store.connection, stream)


# -- what is not allowed ----------------------------------------------------------------------------------------------------------------


async def test_nothing_is_changed_where_the_setting_does_not_allow_it(server: EmbeddedServer, stream: str) -> None:
    async with open_stage(server, StreamChanges()) as stage:
        for operation in ("purge", "seal", "delete-stream"):
            with pytest.raises(InvalidInput, match="CIM_STREAM_CHANGES is off"):
                await plan(stage, operation, stream=stream)


@pytest.mark.parametrize("operation", ["purge", "seal", "delete-stream"])
async def test_streams_of_the_console_and_protected_ones_are_never_changed(stage: Stage, operation: str) -> None:
    name = await make_stream(stage.store, name="KEPT-LEDGER")

    with pytest.raises(InvalidInput, match="CIM_PROTECTED_STREAMS names KEPT-"):
        await plan(stage, operation, stream=name)
    for own in ("CIM-EVENTS", "KV_cim-leases"):
        with pytest.raises(InvalidInput, match="console's own"):
            await plan(stage, operation, stream=own)


async def test_what_a_stream_denies_is_refused_before_the_server_does(stage: Stage) -> None:
    name = await make_stream(stage.store, deny_purge=True, deny_delete=True)
    await publish(stage.store, name, "a")

    with pytest.raises(InvalidInput, match="deny_purge is set"):
        await plan(stage, "purge", stream=name)
    with pytest.raises(InvalidInput, match="deny_delete is set"):
        await plan(stage, "delete-message", stream=name, sequence="1")
    with pytest.raises(InvalidInput, match="keeps every message"):
        await plan(stage, "delete-stream", stream=name)


@pytest.mark.parametrize("call", ["PURGE", "DELETE", "MSG.DELETE", "UPDATE", "CREATE"])
async def test_user_of_the_web_process_may_change_no_stream(server: EmbeddedServer, stream: str, call: str) -> None:
    async with open_store(server.settings("web")) as store:
        with pytest.raises(PermissionDenied):
            await store.connection.api(f"STREAM.{call}.{stream}", {})
