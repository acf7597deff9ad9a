"""Creating, pausing, resuming and deleting consumers: what it means is told before, and what is refused says why in plain words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from apps.persistence.console import load_registry
from apps.persistence.errors import FeatureUnavailable, InvalidInput, PermissionDenied
from apps.persistence.events import now
from apps.persistence.operations.delete_consumer import DeleteConsumer
from apps.persistence.operations.pause_consumer import PauseConsumer
from apps.persistence.store import delete_consumer, find_consumer, get_message, open_store, pause_consumer, reset_consumer
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.run import RunState
from tests.persistence.bad_network import proxy_to
from tests.persistence.changing_consumers import Killed, KilledAtTheEnd, consume, consumer_of, make_consumer
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
    """Six messages: under a at 1, 3 and 5, under b at 2, 4 and 6; `packer` has acknowledged two and holds one."""
    name = await make_stream(stage.store)
    await publish(stage.store, name, "a.1", "b.1", "a.2", "b.2", "a.3", "b.3")
    await make_consumer(stage.store, name)
    await consume(stage.store, name, "packer", 2)
    await consume(stage.store, name, "packer", 1, is_acknowledged=False)
    return name


# -- pause and resume ---------------------------------------------------------------------------------------------------------------------


async def test_paused_consumer_is_given_nothing_until_it_is_resumed(stage: Stage, stream: str) -> None:
    planned = await plan(stage, "pause-consumer", stream=stream, consumer="packer", until="2 h")

    await carry_out(stage, "pause-consumer", stream=stream, consumer="packer", until="2 h")
    paused = await consumer_of(stage.store, stream)
    await carry_out(stage, "resume-consumer", stream=stream, consumer="packer")

    assert facts(planned)["State"][0] == "delivering"
    assert "3 events wait for it now" in one_of(planned.notes, "wait")
    assert "1 were given out" in one_of(planned.notes, "given out")
    assert paused.is_paused
    assert paused.pause_until is not None
    assert abs(paused.pause_until - now() - timedelta(hours=2)) < timedelta(minutes=2)
    assert not (await consumer_of(stage.store, stream)).is_paused
    assert await consume(stage.store, stream, "packer", 3) == [4, 5, 6]


async def test_consumer_is_paused_until_a_certain_time(stage: Stage, stream: str) -> None:
    run = await carry_out(stage, "pause-consumer", stream=stream, consumer="packer", until="2099-01-01T12:00")

    planned = await plan(stage, "resume-consumer", stream=stream, consumer="packer")

    assert run.outcome == f"packer of {stream} is given nothing until 2099-01-01 12:00:00 UTC."
    assert facts(planned)["State"] == ("paused until 2099-01-01 12:00:00 UTC", "delivering")


@pytest.mark.parametrize(
    ("until", "refusal"),
    [
        ("2020-01-01", "which is past"),
        ("0 s", "which is past"),
        ("5 min ago", "write for how long"),
        ("17", "write for how long"),
        ("soon", "neither a sequence nor a time"),
        ("99999999999 y", "write for how long|neither"),
        ("<b>1 h</b>", "neither a sequence nor a time"),
    ],
)
async def test_pause_until_what_is_no_time_to_come_is_refused(stage: Stage, stream: str, until: str, refusal: str) -> None:
    with pytest.raises(InvalidInput, match=refusal):
        await plan(stage, "pause-consumer", stream=stream, consumer="packer", until=until)


async def test_consumer_that_is_not_paused_cannot_be_resumed(stage: Stage, stream: str) -> None:
    with pytest.raises(InvalidInput, match="is not paused"):
        await plan(stage, "resume-consumer", stream=stream, consumer="packer")


async def test_plan_to_pause_no_longer_holds_once_somebody_else_paused_it(stage: Stage, stream: str) -> None:
    async with stage.commands_alone():
        run_id = await stage.ask("pause-consumer", {"stream": stream, "consumer": "packer", "until": "2 h"})
    await pause_consumer(stage.store.connection, stream, "packer", now() + timedelta(hours=9))

    async with stage.worker():
        run = await stage.wait(run_id)

    assert (run.state, run.outcome) == (RunState.FAILED, "The plan no longer holds: paused was False and is True. Plan again.")


async def test_pause_that_was_killed_ends_at_the_same_time(stage: Stage, stream: str) -> None:
    until = now() + timedelta(minutes=7)
    operation = PauseConsumer(stream=stream, consumer="packer", until="10 min")

    await operation.run(stage.store, stage.registry, Noted(checkpoint={"until": until.isoformat()}))

    assert (await consumer_of(stage.store, stream)).pause_until == until


async def test_older_server_is_not_asked_to_pause_or_to_reset(stage: Stage, stream: str, server: EmbeddedServer) -> None:
    async with (
        proxy_to(server.port, version="2.10.25") as proxy,
        open_store(replace(server.settings(), url=f"nats://127.0.0.1:{proxy.port}")) as old,
    ):
        with pytest.raises(InvalidInput, match=r"nats-server 2\.10\.25 cannot pause a consumer; that needs 2\.11"):
            await PauseConsumer(stream=stream, consumer="packer").plan(old, stage.registry)
        with pytest.raises(FeatureUnavailable, match=r"cannot pause a consumer; it needs 2\.11"):
            await pause_consumer(old.connection, stream, "packer", None)
        with pytest.raises(FeatureUnavailable, match=r"cannot reset a consumer; it needs 2\.14"):
            await reset_consumer(old.connection, stream, "packer", 1)


# -- create -------------------------------------------------------------------------------------------------------------------------------


async def test_consumer_is_created_as_it_was_planned(stage: Stage, stream: str) -> None:
    given = {
        "stream": stream,
        "name": "late",
        "filter_subjects": f"{stream}.a.>\n{stream}.b.3",
        "ack_wait": "2 min",
        "max_deliver": "5",
        "max_ack_pending": "50",
        "inactive_threshold": "7 d",
        "description": "what is late",
    }
    planned = await plan(stage, "create-consumer", **given)

    run = await carry_out(stage, "create-consumer", **given)

    config = (await consumer_of(stage.store, stream, "late")).config
    assert facts(planned)["Events to process"] == ("–", "4")
    assert facts(planned)["Acknowledgements"][1] == "each event, within 2 min, else given out again, at most 5 times; at most 50 at once"
    assert run.outcome == f"late reads {stream}.a.> {stream}.b.3 of {stream}: 4 events wait."
    assert (config["ack_wait"], config["max_deliver"], config["max_ack_pending"]) == (120 * 10**9, 5, 50)
    assert (config["inactive_threshold"], config["description"]) == (7 * 86_400 * 10**9, "what is late")


async def test_consumer_begins_where_it_was_asked_to(stage: Stage, stream: str) -> None:
    fifth = await get_message(stage.store.connection, stream, 5)

    await carry_out(stage, "create-consumer", stream=stream, name="at", start="4")
    await carry_out(stage, "create-consumer", stream=stream, name="since", start=fifth.time.isoformat())
    await carry_out(stage, "create-consumer", stream=stream, name="fresh", deliver="new")
    await carry_out(
        stage, "create-consumer", stream=stream, name="newest", deliver="last_per_subject", filter_subjects=">", ack_policy="none"
    )

    left = [(await consumer_of(stage.store, stream, name)).pending for name in ("at", "since", "fresh", "newest")]
    assert left == [3, 2, 0, 6]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"name": "packer"}, "has a consumer of that name"),
        ({"name": "a b"}, "name is 'a b', which is no consumer name"),
        ({"name": "cim-mine"}, "the console's own"),
        ({"filter_subjects": "invoices.>"}, "stores only"),
        ({"filter_subjects": "a..b"}, "empty token"),
        ({"filter_subjects": ">\n*.a.1"}, "overlap; keep the wider one"),
        ({"deliver": "new", "start": "3"}, "exclude each other"),
        ({"deliver": "last_per_subject"}, "needs filter_subjects"),
        ({"deliver": "sometimes"}, "must be one of all, new, last, last_per_subject"),
        ({"start": "99"}, "ends at 6"),
        ({"ack_wait": "soon"}, "ack_wait is 'soon'"),
        ({"ack_wait": "0 s"}, "takes as no limit"),
        ({"ack_policy": "none", "max_deliver": "3"}, "needs acknowledgements"),
        ({"max_deliver": "0"}, "at least 1"),
        ({"inactive_threshold": "9e99 d"}, "inactive_threshold is"),
    ],
)
async def test_consumer_that_cannot_be_is_refused_in_plain_words(stage: Stage, stream: str, given: dict[str, str], refusal: str) -> None:
    with pytest.raises(InvalidInput, match=refusal):
        await plan(stage, "create-consumer", **{"stream": stream, "name": "late", **given})


async def test_second_consumer_of_the_same_messages_of_a_work_queue_is_refused(stage: Stage) -> None:
    queue = await make_stream(stage.store, retention="workqueue")
    await carry_out(stage, "create-consumer", stream=queue, name="north", filter_subjects=f"{queue}.north.>")

    planned = await plan(stage, "create-consumer", stream=queue, name="south", filter_subjects=f"{queue}.south.>")

    assert "what is acknowledged to this consumer is removed" in planned.notes[0]
    with pytest.raises(InvalidInput, match=r"north reads .*\.north\.> already"):
        await plan(stage, "create-consumer", stream=queue, name="all")
    with pytest.raises(InvalidInput, match="begin with all"):
        await plan(stage, "create-consumer", stream=queue, name="fresh", deliver="new", filter_subjects=f"{queue}.south.>")


async def test_refusal_of_the_server_to_create_stands_in_the_receipt(stage: Stage) -> None:
    full = await make_stream(stage.store, max_consumers=1)
    await make_consumer(stage.store, full)

    run = await carry_out(stage, "create-consumer", stream=full, name="second")

    assert run.state is RunState.FAILED
    assert run.outcome == "The server refused: maximum consumers limit reached (code 10026)."


# -- delete -------------------------------------------------------------------------------------------------------------------------------


async def test_delete_tells_what_it_leaves_undone(stage: Stage, stream: str) -> None:
    planned = await plan(stage, "delete-consumer", stream=stream, consumer="packer")

    run = await carry_out(stage, "delete-consumer", stream=stream, consumer="packer")

    assert planned.confirm_with == "packer"
    assert facts(planned)["Events not processed"][0] == "3"
    assert facts(planned)["Given out, not acknowledged"][0] == "1"
    assert planned.notes == ("Nobody reads it at this moment.",)
    assert run.outcome == f"Deleted the consumer packer of {stream}, which had finished to sequence 2."
    assert await find_consumer(stage.store.connection, stream, "packer") is None


async def test_delete_that_was_killed_ends_the_same(stage: Stage, stream: str) -> None:
    operation, progress = DeleteConsumer(stream=stream, consumer="packer"), KilledAtTheEnd()
    with pytest.raises(Killed):
        await operation.run(stage.store, stage.registry, progress)

    outcome = await operation.run(stage.store, stage.registry, Noted(checkpoint=progress.checkpoint))

    assert outcome.figures == {"position": 2, "not_processed": 4}


async def test_delete_leaves_a_consumer_alone_that_somebody_made_anew_meanwhile(stage: Stage, stream: str) -> None:
    operation, progress = DeleteConsumer(stream=stream, consumer="packer"), KilledAtTheEnd()
    with pytest.raises(Killed):
        await operation.run(stage.store, stage.registry, progress)
    await make_consumer(stage.store, stream)

    with pytest.raises(InvalidInput, match="made anew by somebody else meanwhile, and is left alone"):
        await operation.run(stage.store, stage.registry, Noted(checkpoint=progress.checkpoint))

    assert await find_consumer(stage.store.connection, stream, "packer") is not None


async def test_plan_to_delete_no_longer_holds_once_somebody_reads_on(stage: Stage, stream: str) -> None:
    async with stage.commands_alone():
        run_id = await stage.ask("delete-consumer", {"stream": stream, "consumer": "packer"})
    await delete_consumer(stage.store.connection, stream, "packer")
    await make_consumer(stage.store, stream)

    async with stage.worker():
        run = await stage.wait(run_id)

    assert (run.state, run.outcome.partition(":")[0]) == (RunState.FAILED, "The plan no longer holds")
    assert await find_consumer(stage.store.connection, stream, "packer") is not None


@pytest.mark.parametrize("operation", ["pause-consumer", "resume-consumer", "delete-consumer"])
async def test_consumers_of_the_console_and_of_protected_streams_are_left_alone(stage: Stage, stream: str, operation: str) -> None:
    with pytest.raises(InvalidInput, match="the console's own"):
        await plan(stage, operation, stream="CIM-CONSOLE", consumer="cim-runs")
    with pytest.raises(InvalidInput, match="the console's own"):
        await plan(stage, operation, stream="CIM-EVENTS", consumer="cim-orders-1")
    with pytest.raises(InvalidInput, match="CIM_PROTECTED_STREAMS"):
        await plan(stage, operation, stream="KEPT-1", consumer="packer")
    with pytest.raises(InvalidInput, match="CIM_STREAM_CHANGES is off"):
        await plan(stage, operation, load_registry([]), stream=stream, consumer="packer")


async def test_worker_whose_user_may_not_change_consumers_says_which_right_is_missing(
    stage: Stage, stream: str, server: EmbeddedServer
) -> None:
    async with open_store(server.settings("web")) as limited:
        with pytest.raises(PermissionDenied, match=r"may not publish to \$JS\.API\.CONSUMER\.DELETE\."):
            await DeleteConsumer(stream=stream, consumer="packer").run(limited, stage.registry, Noted())

    assert await find_consumer(stage.store.connection, stream, "packer") is not None
