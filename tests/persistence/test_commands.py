"""Commands through the work queue, end to end on a real server: stored, carried out once, refused with a reason."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.encoding import encode
from apps.persistence.errors import Unavailable
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.registry import Command
from apps.persistence.store import COMMANDS_STREAM, Outgoing, Store, ensure_home, get_stream, load, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import Accepted, Rejected, send_command
from tests.persistence.commanding import SECONDS, count, events_of, new_command, queue_is_empty, refusal_of, working


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


async def test_command_that_takes_long_keeps_none_waiting_that_comes_later(store: Store) -> None:
    slow, quick = new_command(1), new_command(2)
    is_begun, may_end = asyncio.Event(), asyncio.Event()

    async def handle(store: Store, command: Command) -> None:
        if command.aggregate == slow.aggregate:
            is_begun.set()
            await may_end.wait()
        await count(store, command)

    async with working(store, handle):
        await send_command(store.connection, slow)
        async with asyncio.timeout(SECONDS):
            await is_begun.wait()
        await send_command(store.connection, quick)
        await events_of(store, quick.aggregate)
        before = await load(store, slow.aggregate)
        may_end.set()
        await events_of(store, slow.aggregate)

    assert before.events == ()


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
