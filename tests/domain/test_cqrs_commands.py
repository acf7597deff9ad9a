"""Commands from whoever sends them to their acknowledgement, on a real server: an answer and no more, the same one for the same command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from apps.domain.cqrs import find_ack
from apps.domain.cqrs.acknowledged import TRIES_AFTER_CONFLICT, once
from apps.domain.cqrs.sending import Accepted, Rejected, Unanswered, new_command, submit
from apps.domain.orders.commands import AddItem, Create
from apps.domain.values import Money, Quantity, Sku, Text
from apps.persistence.errors import VersionConflict
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.registry import Command, load_domains
from apps.persistence.store import COMMANDS_STREAM, Store, ensure_home, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import consume_commands

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 90


@pytest.fixture
async def store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """The home streams of the shared server, with an empty queue."""
    async with open_store(nats_server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        await opened.connection.api(f"STREAM.PURGE.{COMMANDS_STREAM}")
        yield opened


@pytest.fixture
async def web(nats_server: EmbeddedServer, store: Store) -> AsyncIterator[Store]:
    """What a web process has: it may read and send commands, and nothing else."""
    async with open_store(nats_server.settings("web")) as opened:
        yield opened


@asynccontextmanager
async def working(store: Store) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(consume_commands(store, load_domains(["apps.domain"]), stop, ack_wait_seconds=1))
        try:
            yield
        finally:
            stop.set()


def new_order() -> AggregateRef:
    return AggregateRef("sales", "order", new_id())


def create(ref: AggregateRef) -> Command:
    return new_command(Create(customer="c-1", currency="EUR"), ref, actor="ada")


async def test_command_returns_an_acknowledgement_and_its_result_is_an_event(store: Store, web: Store) -> None:
    command = create(new_order())

    async with working(store):
        ack = await submit(web.connection, command, timeout_seconds=SECONDS)

    history = await load(store, command.aggregate)
    assert ack == Accepted(command_id=command.id)
    assert [(one.event.type, one.event.actor, one.event.correlation, one.event.causation) for one in history.events] == [
        ("created", "ada", command.correlation, command.id)
    ]


async def test_command_that_is_not_legal_is_rejected_with_the_reason(store: Store, web: Store) -> None:
    item = AddItem(sku=Sku("LAMP-042"), name=Text("Lamp"), quantity=Quantity(1), unit_price=Money(1250, "EUR"))
    command = new_command(item, new_order(), actor="ada")

    async with working(store):
        ack = await submit(web.connection, command, timeout_seconds=SECONDS)

    assert ack == Rejected(command_id=command.id, reason="There is no such order; create it first.")
    assert (await load(store, command.aggregate)).events == ()


async def test_same_command_twice_gives_the_same_answer_and_has_one_effect(store: Store, web: Store) -> None:
    command = create(new_order())

    async with working(store):
        first = await submit(web.connection, command, timeout_seconds=SECONDS)
        second = await submit(web.connection, command, timeout_seconds=SECONDS)
        at_once = create(new_order())
        both = await asyncio.gather(*(submit(web.connection, at_once, timeout_seconds=SECONDS) for _ in range(2)))

    assert first == second == Accepted(command_id=command.id)
    assert both == [Accepted(command_id=at_once.id)] * 2
    assert len((await load(store, command.aggregate)).events) == len((await load(store, at_once.aggregate)).events) == 1


async def test_refusal_stays_although_the_command_would_be_legal_by_now(store: Store, web: Store) -> None:
    ref = new_order()
    early = replace(create(ref), name="submit", payload={})

    async with working(store):
        refused = await submit(web.connection, early, timeout_seconds=SECONDS)
        await submit(web.connection, create(ref), timeout_seconds=SECONDS)
        again = await submit(web.connection, early, timeout_seconds=SECONDS)

    assert isinstance(refused, Rejected)
    assert again == refused
    assert len((await load(store, ref)).events) == 1


async def test_command_that_no_domain_handles_is_rejected(store: Store, web: Store) -> None:
    command = replace(create(new_order()), aggregate=AggregateRef("sales", "invoice", "i-1"))

    async with working(store):
        ack = await submit(web.connection, command, timeout_seconds=SECONDS)

    assert isinstance(ack, Rejected)
    assert "Nobody here handles commands for sales.invoice" in ack.reason


async def test_without_a_worker_there_is_no_answer_but_a_reason(store: Store, web: Store) -> None:
    command = create(new_order())

    with pytest.raises(Unanswered, match=r"after 0\.2 s there is no acknowledgement of create") as unanswered:
        await submit(web.connection, command, timeout_seconds=0.2)
    async with working(store):
        ack = await submit(web.connection, command, timeout_seconds=SECONDS)

    assert unanswered.value.command_id == command.id
    assert ack == Accepted(command_id=command.id)
    assert len((await load(store, command.aggregate)).events) == 1


async def test_conflicts_are_tried_again_a_bounded_number_of_times(store: Store) -> None:
    command, calls = create(new_order()), list[str]()

    async def always_late(store: Store, command: Command) -> None:
        calls.append(command.id)
        raise VersionConflict(command.aggregate, expected=0, actual=1)

    with pytest.raises(Exception, match="was changed by others 10 times while this was decided"):
        await once(store, command, always_late)

    assert len(calls) == TRIES_AFTER_CONFLICT
    assert isinstance(await find_ack(store.connection, command.id), Rejected)


async def test_worker_killed_between_events_and_answer_leaves_one_effect_and_the_same_answer(own_nats_server: EmbeddedServer) -> None:
    command = create(new_order())
    async with open_store(own_nats_server.settings("worker")) as store, open_store(own_nats_server.settings("web")) as web:
        await ensure_home(store.connection)
        arguments = (str(Path(__file__).with_name("unnoted_worker.py")), own_nats_server.url, own_nats_server.password("worker"))
        killed = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)}
        )
        assert killed.stdout is not None
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(submit(web.connection, command, timeout_seconds=2 * SECONDS))
            async with asyncio.timeout(SECONDS):
                said = await killed.stdout.readline()
            killed.kill()
            await killed.wait()
            before = len((await load(store, command.aggregate)).events)
            async with working(store):
                await answer

        assert (said.decode().strip(), before) == (f"appended {command.id}", 1)
        assert answer.result() == await submit(web.connection, command) == Accepted(command_id=command.id)
        assert len((await load(store, command.aggregate)).events) == 1
