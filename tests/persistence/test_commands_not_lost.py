"""Accepted commands are never lost: not by races, failing handlers, killed servers and workers, or a deleted consumer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.persistence.errors import Unavailable, VersionConflict
from apps.persistence.events import AggregateRef
from apps.persistence.registry import Command
from apps.persistence.store import COMMANDS_STREAM, History, Store, ensure_home, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import send_command
from tests.persistence.commanding import SECONDS, count, events_of, new_command, queue_is_empty, until, working

REPOSITORY = Path(__file__).resolve().parents[2]


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
