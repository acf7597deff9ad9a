"""Resetting a consumer: what is delivered again or skipped is counted before, it happens once, and nobody's position is trodden on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from apps.persistence.console import load_registry
from apps.persistence.errors import InvalidInput, PlanStale, StreamNotFound, Unavailable
from apps.persistence.operations.reset_consumer import ResetConsumer
from apps.persistence.store import Store, delete_consumer, get_message, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState
from tests.persistence.bad_network import proxy_to
from tests.persistence.changing_consumers import Deaf, Killed, KilledAtTheEnd, consume, consumer_of, make_consumer
from tests.persistence.changing_streams import carry_out, facts, make_stream, one_of, open_stage, plan, publish
from tests.persistence.engine_stage import Stage
from tests.persistence.operating import Noted


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("consumers")) as running:
        yield running


@pytest.fixture
async def stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with open_stage(server) as opened:
        yield opened


@pytest.fixture
async def stream(stage: Stage) -> str:
    """Six messages: under a at 1, 3 and 5, under b at 2, 4 and 6; `packer` has acknowledged the first four."""
    name = await make_stream(stage.store)
    await publish(stage.store, name, "a.1", "b.1", "a.2", "b.2", "a.3", "b.3")
    await make_consumer(stage.store, name)
    await consume(stage.store, name, "packer", 4)
    return name


def reset(stream: str, start: str) -> ResetConsumer:
    return ResetConsumer(stream=stream, consumer="packer", start=start)  # type: ignore[arg-type]


# -- where to -----------------------------------------------------------------------------------------------------------------------------


async def test_reset_back_counts_what_is_delivered_again_and_delivers_it(stage: Stage, stream: str) -> None:
    planned = await plan(stage, "reset-consumer", stream=stream, consumer="packer", start="2")
    before = await consumer_of(stage.store, stream)

    run = await carry_out(stage, "reset-consumer", stream=stream, consumer="packer", start="2")

    assert facts(planned) == {"Next event": ("5", "2"), "Events to process": ("2", "5")}
    assert "3 events from sequence 2 to 4, processed before, are delivered again" in one_of(planned.notes, "again")
    assert (planned.confirm_with, planned.undo.partition(";")[0]) == ("", "Reset it to sequence 5")
    assert run.outcome == f"packer of {stream} goes on at sequence 2, with 5 events to process."
    assert (await consumer_of(stage.store, stream)).created == before.created
    assert await consume(stage.store, stream, "packer", 5) == [2, 3, 4, 5, 6]


async def test_reset_forward_counts_what_is_skipped_and_asks_for_the_name(stage: Stage, stream: str) -> None:
    planned = await plan(stage, "reset-consumer", stream=stream, consumer="packer", start="7")

    await carry_out(stage, "reset-consumer", stream=stream, consumer="packer", start="7")

    assert "2 events from sequence 5 to 6 are skipped" in one_of(planned.notes, "skipped")
    assert planned.confirm_with == "packer"
    assert (await consumer_of(stage.store, stream)).lag == 0


async def test_reset_counts_only_what_the_consumer_reads(stage: Stage, stream: str) -> None:
    await make_consumer(stage.store, stream, name="late", filter_subjects=[f"{stream}.a.>"])
    await consume(stage.store, stream, "late", 3)

    planned = await plan(stage, "reset-consumer", stream=stream, consumer="late", start="2")

    assert facts(planned)["Events to process"] == ("0", "2")
    assert dict(planned.counts) == {"delivered again": 2}


async def test_reset_to_a_time_begins_with_what_was_stored_then(stage: Stage, stream: str) -> None:
    third = await get_message(stage.store.connection, stream, 3)

    run = await carry_out(stage, "reset-consumer", stream=stream, consumer="packer", start=third.time.isoformat())

    assert run.figures["sequence"] == 3
    assert await consume(stage.store, stream, "packer", 1) == [3]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"start": "5"}, "is there already"),
        ({"start": "8"}, "ends at 6; write 7"),
        ({"start": "soon"}, "neither a sequence nor a time"),
        ({"consumer": "nobody"}, "has none of that name"),
        ({"consumer": "a.b"}, "no white space and none of"),
        ({"consumer": "*"}, "no white space and none of"),
        ({"consumer": "<script>\n"}, "no white space and none of"),
        ({"consumer": "cim-orders-1"}, "the console's own"),
        ({"stream": "CIM-CONSOLE", "consumer": "packer"}, "no operation changes its consumers"),
        ({"stream": "KV_cim-leases", "consumer": "packer"}, "no operation changes its consumers"),
        ({"stream": "KEPT-1", "consumer": "packer"}, "CIM_PROTECTED_STREAMS names KEPT-"),
        ({"stream": "a.b"}, "no stream's name"),
    ],
)
async def test_reset_that_makes_no_sense_is_refused_in_plain_words(stage: Stage, stream: str, given: dict[str, str], refusal: str) -> None:
    with pytest.raises(InvalidInput, match=refusal):
        await plan(stage, "reset-consumer", **{"stream": stream, "consumer": "packer", "start": "1", **given})


async def test_reset_needs_the_setting_and_the_stream(stage: Stage, stream: str) -> None:
    with pytest.raises(InvalidInput, match="CIM_STREAM_CHANGES is off"):
        await plan(stage, "reset-consumer", load_registry([]), stream=stream, consumer="packer", start="1")
    with pytest.raises(StreamNotFound):
        await plan(stage, "reset-consumer", stream="NOWHERE", consumer="packer", start="1")


async def test_consumer_that_reads_events_beside_the_console_may_be_reset(stage: Stage) -> None:
    await make_consumer(stage.store, "CIM-EVENTS", name="billing", deliver_policy="new")

    with pytest.raises(InvalidInput, match="is there already"):
        await plan(stage, "reset-consumer", stream="CIM-EVENTS", consumer="billing", start="1")


# -- whether the plan holds ---------------------------------------------------------------------------------------------------------------


async def test_plan_no_longer_holds_once_the_consumer_has_moved_on(stage: Stage, stream: str) -> None:
    async with stage.commands_alone():
        run_id = await stage.ask("reset-consumer", {"stream": stream, "consumer": "packer", "start": "1"})
    await consume(stage.store, stream, "packer", 1)

    async with stage.worker():
        run = await stage.wait(run_id)

    assert run.state is RunState.FAILED
    assert run.outcome == "The plan no longer holds: position was 4 and is 5. Plan again."
    assert (await consumer_of(stage.store, stream)).position == 5


async def test_plan_no_longer_holds_once_the_consumer_was_made_anew(stage: Stage, stream: str) -> None:
    async with stage.commands_alone():
        run_id = await stage.ask("reset-consumer", {"stream": stream, "consumer": "packer", "start": "2"})
    await delete_consumer(stage.store.connection, stream, "packer")
    await make_consumer(stage.store, stream)

    async with stage.worker():
        run = await stage.wait(run_id)

    assert (run.state, run.outcome.partition(":")[0]) == (RunState.FAILED, "The plan no longer holds")


async def test_plan_says_that_somebody_reads_it_and_what_is_not_acknowledged(stage: Stage, stream: str) -> None:
    await consume(stage.store, stream, "packer", 1, is_acknowledged=False)

    planned = await plan(stage, "reset-consumer", stream=stream, consumer="packer", start="1")

    assert "1 event is given out and not acknowledged" in one_of(planned.notes, "given out")


async def test_plan_warns_of_a_push_consumer_to_which_somebody_listens(stage: Stage, stream: str) -> None:
    await make_consumer(stage.store, stream, name="pushed", deliver_subject=f"deliver.{stream}")
    async with stage.store.connection.subscribe(f"deliver.{stream}", lambda _: None):
        await stage.store.connection.round_trip_ms()

        planned = await plan(stage, "reset-consumer", stream=stream, consumer="pushed", start="3")

    assert "Somebody is subscribed and is sent what comes next at once" in one_of(planned.notes, "Somebody")


# -- where the server does not move it ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def old_store(server: EmbeddedServer) -> AsyncIterator[Store]:
    """A store on a server that says it is 2.12."""
    async with (
        proxy_to(server.port, version="2.12.1") as proxy,
        open_store(replace(server.settings(), url=f"nats://127.0.0.1:{proxy.port}")) as opened,
    ):
        yield opened


async def test_older_server_makes_it_anew_with_the_same_settings(stage: Stage, stream: str, old_store: Store) -> None:
    await make_consumer(stage.store, stream, name="packer2", filter_subjects=[f"{stream}.a.>"], max_deliver=7, metadata={"team": "depot"})
    operation = ResetConsumer(stream=stream, consumer="packer2", start="3")  # type: ignore[arg-type]

    planned = await operation.plan(old_store, stage.registry)
    await operation.run(old_store, stage.registry, Noted())

    made = await consumer_of(stage.store, stream, "packer2")
    assert facts(planned)["Consumer"][1] == "made anew"
    assert "nats-server 2.12.1 cannot move a consumer (that needs 2.14)" in one_of(planned.notes, "made anew")
    assert (made.config["max_deliver"], made.filter_subjects, made.config["metadata"]["team"]) == (7, (f"{stream}.a.>",), "depot")
    assert await consume(stage.store, stream, "packer2", 2) == [3, 5]


@pytest.mark.parametrize(
    ("policy", "start"), [({"deliver_policy": "new"}, "2"), ({"deliver_policy": "by_start_sequence", "opt_start_seq": 4}, "2")]
)
async def test_consumer_that_the_server_would_not_move_is_made_anew(
    stage: Stage, stream: str, policy: dict[str, object], start: str
) -> None:
    await make_consumer(stage.store, stream, name="newest", **policy)

    run = await carry_out(stage, "reset-consumer", stream=stream, consumer="newest", start=start)

    assert run.state is RunState.FINISHED
    assert await consume(stage.store, stream, "newest", 5) == [2, 3, 4, 5, 6]


async def test_paused_consumer_that_is_made_anew_stays_paused(stage: Stage, stream: str, old_store: Store) -> None:
    await carry_out(stage, "pause-consumer", stream=stream, consumer="packer", until="1 d")

    await reset(stream, "1").run(old_store, stage.registry, Noted())

    assert (await consumer_of(stage.store, stream)).is_paused


# -- killed on the way --------------------------------------------------------------------------------------------------------------------


async def test_attempt_that_was_killed_after_the_reset_does_not_reset_again(stage: Stage, stream: str) -> None:
    progress = KilledAtTheEnd()
    with pytest.raises(Killed):
        await reset(stream, "2").run(stage.store, stage.registry, progress)
    await consume(stage.store, stream, "packer", 2)

    outcome = await reset(stream, "2").run(stage.store, stage.registry, Noted(checkpoint=progress.checkpoint))

    assert outcome.figures["to_process"] == 3
    assert await consume(stage.store, stream, "packer", 3) == [4, 5, 6]


async def test_attempt_that_was_killed_before_the_reset_is_carried_out(stage: Stage, stream: str) -> None:
    before = await consumer_of(stage.store, stream)
    checkpoint = {"start": 2, "created": str(before.created), "position": 4, "delivered": 4, "deliveries": 4, "config": ""}

    await reset(stream, "2").run(stage.store, stage.registry, Noted(checkpoint=dict(checkpoint)))

    assert (await consumer_of(stage.store, stream)).lag == 5


@pytest.mark.parametrize("is_made", [False, True])
async def test_attempt_that_was_killed_after_deleting_makes_it_anew_once(
    stage: Stage, stream: str, old_store: Store, is_made: bool
) -> None:
    progress = KilledAtTheEnd()
    with pytest.raises(Killed):
        await reset(stream, "3").run(old_store, stage.registry, progress)
    made = await consumer_of(stage.store, stream)
    if is_made:
        await consume(stage.store, stream, "packer", 1)
    else:
        await delete_consumer(stage.store.connection, stream, "packer")

    outcome = await reset(stream, "3").run(old_store, stage.registry, Noted(checkpoint=progress.checkpoint))

    assert outcome.figures["to_process"] == (3 if is_made else 4)
    assert ((await consumer_of(stage.store, stream)).created == made.created) is is_made


async def test_reset_ends_where_somebody_else_made_the_consumer_anew_meanwhile(stage: Stage, stream: str) -> None:
    progress = KilledAtTheEnd()
    with pytest.raises(Killed):
        await reset(stream, "2").run(stage.store, stage.registry, progress)
    await delete_consumer(stage.store.connection, stream, "packer")
    await make_consumer(stage.store, stream)

    with pytest.raises(PlanStale, match="made anew by somebody else meanwhile"):
        await reset(stream, "2").run(stage.store, stage.registry, Noted(checkpoint=progress.checkpoint))


async def test_reset_that_heard_no_answer_is_not_repeated(stage: Stage, stream: str, server: EmbeddedServer) -> None:
    progress = Deaf()
    async with (
        proxy_to(server.port) as progress.proxy,
        open_store(replace(server.settings(), url=f"nats://127.0.0.1:{progress.proxy.port}")) as far,
    ):
        with pytest.raises(Unavailable, match="was not answered within 5 s"):
            await reset(stream, "2").run(far, stage.registry, progress)
    assert await consume(stage.store, stream, "packer", 1) == [2]

    await reset(stream, "2").run(stage.store, stage.registry, Noted(checkpoint=progress.checkpoint))

    assert await consume(stage.store, stream, "packer", 1) == [3]
