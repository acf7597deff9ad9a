"""Commands through the work queue, end to end on a real server: stored, carried out once, refused with a reason, never lost."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.encoding import Value, encode
from apps.persistence.errors import InvalidState, Unavailable, VersionConflict
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, NewEvent, State, new_id
from apps.persistence.registry import Command, CommandHandler, Domain, Registry
from apps.persistence.store import COMMANDS_STREAM, History, Outgoing, Store, ensure_home, get_stream, load, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import Accepted, Rejected, consume_commands, notice_subject, read_notice, send_command
from apps.persistence.work.decide import handler_of

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 15


def add(state: State, command: Command) -> list[NewEvent]:
    if command.payload["number"] == 13:
        raise InvalidState("13 is not counted here.")
    return [NewEvent(type="added", payload=command.payload)]


def apply(state: State, event: Event) -> State:
    return {**state, "newest": event.payload["number"]}


COUNTER = AggregateDefinition(context="shop", type="counter", title="Counter", apply=apply)
count = handler_of(COUNTER, add)


def registry_with(handler: CommandHandler) -> Registry:
    return Registry([Domain(name="shop", title="Shop", aggregates=[COUNTER], commands={COUNTER.key: handler})])


def new_command(number: Value = 1, *, to: AggregateRef | None = None, name: str = "add") -> Command:
    ref = to or AggregateRef("shop", "counter", new_id())
    return Command(id=new_id(), aggregate=ref, name=name, payload={"number": number}, actor="ada", correlation=new_id())


@pytest.fixture
async def store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """The home streams of the shared server, with an empty queue."""
    async with open_store(nats_server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        await opened.connection.api(f"STREAM.PURGE.{COMMANDS_STREAM}")
        yield opened


@pytest.fixture
async def own_store(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        yield opened


@asynccontextmanager
async def working(store: Store, handler: CommandHandler = count) -> AsyncIterator[None]:
    """A worker that runs for as long as the block lasts."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(consume_commands(store, registry_with(handler), stop, ack_wait_seconds=1))
        try:
            yield
        finally:
            stop.set()


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.02)


async def events_of(store: Store, ref: AggregateRef, *, at_least: int = 1) -> History:
    async def are_there() -> bool:
        return len((await load(store, ref)).events) >= at_least

    await until(are_there)
    return await load(store, ref)


async def queue_is_empty(store: Store) -> None:
    async def is_empty() -> bool:
        return (await get_stream(store.connection, COMMANDS_STREAM)).messages == 0

    await until(is_empty)


async def refusal_of(store: Store, command: Command, send: Callable[[], Awaitable[object]]) -> Rejected:
    """What is said of `command` after `send`."""
    notices: asyncio.Queue[bytes] = asyncio.Queue()
    async with store.connection.subscribe(notice_subject(command.id), lambda message: notices.put_nowait(message.data)):
        await send()
        async with asyncio.timeout(SECONDS):
            return read_notice(await notices.get())


# -- sending ---------------------------------------------------------------------------------------------------------------------------


async def test_accepted_command_lies_in_the_queue_under_its_own_subject(store: Store) -> None:
    command = new_command(to=AggregateRef("shop", "counter", "till-1"))

    acknowledgement = await send_command(store.connection, command)

    info = await store.connection.api(f"STREAM.INFO.{COMMANDS_STREAM}", {"subjects_filter": ">"})
    assert acknowledgement == Accepted(command_id=command.id)
    assert info["state"]["subjects"] == {"cim.commands.shop.counter.till-1.add": 1}


async def test_command_that_is_sent_twice_lies_in_the_queue_once(store: Store) -> None:
    command = new_command()

    await send_command(store.connection, command)
    await send_command(store.connection, command)

    assert (await get_stream(store.connection, COMMANDS_STREAM)).messages == 1


@pytest.mark.parametrize(
    ("malformed", "reason"),
    [
        (new_command(name="add.more"), "'add.more' cannot be used as a command's name"),
        (new_command(float("nan")), "The number nan at payload.number cannot be stored"),
        (new_command("x" * 2_000_000), "store the large part elsewhere"),
        (replace(new_command(), id="42"), "The command's id is '42'"),
        (replace(new_command(), correlation="none"), "The command's correlation is 'none'"),
        (replace(new_command(), actor=""), "say who asks"),
    ],
    ids=["a dot in the name", "not a number", "too large", "an id that is none", "a correlation that is none", "no actor"],
)
async def test_command_with_a_form_that_cannot_be_is_rejected_and_not_stored(store: Store, malformed: Command, reason: str) -> None:
    acknowledgement = await send_command(store.connection, malformed)

    assert isinstance(acknowledgement, Rejected)
    assert reason in acknowledgement.reason
    assert (await get_stream(store.connection, COMMANDS_STREAM)).messages == 0


async def test_sending_to_a_server_that_is_away_is_no_acknowledgement(own_store: Store, own_nats_server: EmbeddedServer) -> None:
    own_nats_server.stop()

    with pytest.raises(Unavailable):
        await send_command(own_store.connection, new_command())


async def test_web_user_may_send_and_hear_of_a_refusal(store: Store, nats_server: EmbeddedServer) -> None:
    command = new_command(13)

    async with open_store(nats_server.settings("web")) as web, working(store):
        rejected = await refusal_of(web, command, lambda: send_command(web.connection, command))

    assert rejected.reason == "13 is not counted here."


# -- carrying out ------------------------------------------------------------------------------------------------------------------


async def test_accepted_command_becomes_an_event_that_names_it(store: Store) -> None:
    command = new_command(7)

    async with working(store):
        await send_command(store.connection, command)
        history = await events_of(store, command.aggregate)

    event = history.events[0].event
    assert (event.type, event.payload, event.actor) == ("added", {"number": 7}, "ada")
    assert (event.causation, event.correlation) == (command.id, command.correlation)


async def test_carried_out_command_leaves_the_queue(store: Store) -> None:
    async with working(store):
        await send_command(store.connection, new_command())

        await queue_is_empty(store)


async def test_command_sent_before_there_is_a_worker_is_carried_out(store: Store) -> None:
    command = new_command()
    await send_command(store.connection, command)

    async with working(store):
        history = await events_of(store, command.aggregate)

    assert history.head.version == 1


async def test_commands_for_one_aggregate_are_carried_out_in_their_order(store: Store) -> None:
    ref = AggregateRef("shop", "counter", new_id())
    for number in range(100, 140):
        await send_command(store.connection, new_command(number, to=ref))

    async with working(store):
        history = await events_of(store, ref, at_least=40)

    assert [stored.event.payload["number"] for stored in history.events] == list(range(100, 140))


async def test_two_workers_carry_out_each_command_once(store: Store) -> None:
    ref = AggregateRef("shop", "counter", new_id())
    for number in range(100, 160):
        await send_command(store.connection, new_command(number, to=ref))

    async with working(store), working(store):
        await queue_is_empty(store)

    history = await load(store, ref)
    assert sorted(stored.event.payload["number"] for stored in history.events) == list(range(100, 160))


async def test_command_that_is_delivered_again_after_it_was_done_does_nothing(store: Store) -> None:
    command = new_command(7)
    await send_command(store.connection, command)
    queued = await store.connection.api(f"STREAM.MSG.GET.{COMMANDS_STREAM}", {"last_by_subj": ">"})

    async with working(store):
        await queue_is_empty(store)
        await _store_again(store, queued["message"])
        await queue_is_empty(store)

    history = await load(store, command.aggregate)
    assert [stored.event.payload for stored in history.events] == [{"number": 7}]


async def _store_again(store: Store, message: dict[str, str]) -> None:
    """As after the server's duplicate window: the same bytes without the id that would make them a duplicate."""
    await store_message(store.connection, Outgoing(message["subject"], base64.b64decode(message["data"]), {}))


# -- refusing ----------------------------------------------------------------------------------------------------------------------


async def test_refused_command_says_why_and_leaves_no_event(store: Store) -> None:
    command = new_command(13)

    async with working(store):
        rejected = await refusal_of(store, command, lambda: send_command(store.connection, command))
        await queue_is_empty(store)

    assert rejected == Rejected(command_id=command.id, reason="13 is not counted here.")
    assert (await load(store, command.aggregate)).events == ()


async def test_command_that_nobody_handles_is_refused(store: Store) -> None:
    command = new_command(to=AggregateRef("shop", "shelf", "s1"))

    async with working(store):
        rejected = await refusal_of(store, command, lambda: send_command(store.connection, command))

    assert rejected.reason == "Nobody here handles commands for shop.shelf; check CIM_DOMAINS on the workers."


async def test_bytes_that_are_no_command_are_refused_by_their_message_id(store: Store) -> None:
    command = new_command()
    garbage = Outgoing("cim.commands.shop.counter.till-1.add", b"{not a command}", {"Nats-Msg-Id": command.id})

    async with working(store):
        rejected = await refusal_of(store, command, lambda: store_message(store.connection, garbage))
        await queue_is_empty(store)

    assert rejected.command_id == command.id


async def test_body_that_names_another_command_than_its_subject_is_refused(store: Store) -> None:
    command = new_command()
    body = {
        "id": command.id,
        "name": "empty_the_till",
        "payload": {},
        "actor": "mallory",
        "correlation": command.correlation,
        "time": "2026-11-21T10:40:31.904218Z",
    }
    forged = Outgoing("cim.commands.shop.counter.till-1.add", encode(body), {"Nats-Msg-Id": command.id})

    async with working(store):
        rejected = await refusal_of(store, command, lambda: store_message(store.connection, forged))

    assert rejected.reason == "The command's body says 'empty_the_till' and its subject 'add'; they must agree."


# -- losing nothing ----------------------------------------------------------------------------------------------------------------


async def test_handler_that_loses_a_race_is_called_again_at_once(store: Store) -> None:
    command = new_command()
    races = iter([True, True, False])

    async def racing(store: Store, command: Command) -> None:
        if next(races):
            raise VersionConflict(command.aggregate, expected=0, actual=1)
        await count(store, command)

    async with working(store, racing):
        await send_command(store.connection, command)
        history = await events_of(store, command.aggregate)

    assert history.head.version == 1


async def test_handler_that_fails_is_called_again_later(store: Store) -> None:
    command = new_command()
    failures = iter([RuntimeError("a bug"), Unavailable("no disk"), None])

    async def failing(store: Store, command: Command) -> None:
        if (failure := next(failures)) is not None:
            raise failure
        await count(store, command)

    async with working(store, failing):
        await send_command(store.connection, command)
        history = await events_of(store, command.aggregate)

    assert history.events[0].event.causation == command.id


async def test_worker_goes_on_after_the_server_was_killed(own_store: Store, own_nats_server: EmbeddedServer) -> None:
    command = new_command()

    async with working(own_store):
        own_nats_server.kill()
        own_nats_server.start()
        async with open_store(own_nats_server.settings("web")) as web:
            await send_command(web.connection, command)
        history = await events_of_restored(own_store, command.aggregate)

    assert history.head.version == 1


async def events_of_restored(store: Store, ref: AggregateRef) -> History:
    """As `events_of`, over a link that is still being restored."""

    async def are_there() -> bool:
        try:
            return bool((await load(store, ref)).events)
        except Unavailable:
            return False

    await until(are_there)
    return await load(store, ref)


async def test_command_of_a_worker_that_was_killed_is_carried_out_by_another(own_store: Store, own_nats_server: EmbeddedServer) -> None:
    command = new_command(7)
    arguments = (str(Path(__file__).with_name("stuck_worker.py")), own_nats_server.url, own_nats_server.password("worker"))
    stuck = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)}
    )
    assert stuck.stdout is not None
    await send_command(own_store.connection, command)
    async with asyncio.timeout(SECONDS):
        held = await stuck.stdout.readline()

    stuck.kill()
    await stuck.wait()
    async with working(own_store):
        history = await events_of(own_store, command.aggregate)

    assert held.decode().strip() == f"holding {command.id}"
    assert [stored.event.payload for stored in history.events] == [{"number": 7}]


async def test_consumer_that_somebody_deleted_is_made_again(own_store: Store) -> None:
    command = new_command()

    async with working(own_store):
        await send_command(own_store.connection, new_command())
        await queue_is_empty(own_store)
        await own_store.connection.api(f"CONSUMER.DELETE.{COMMANDS_STREAM}.cim-commands")
        await send_command(own_store.connection, command)
        history = await events_of(own_store, command.aggregate)

    assert history.head.version == 1
