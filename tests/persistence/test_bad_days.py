from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.errors import AppendUnresolved, Unavailable
from apps.persistence.events import AggregateRef, Head, NewEvent, now
from apps.persistence.store import Message, Store, append, ensure_event_stream, load, open_reader, open_store
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.bad_network import Proxy, proxy_to
from tests.persistence.conftest import fresh_layout

LOST_ACKNOWLEDGEMENTS = 200
KILLS = 200
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
async def proxied(nats_server: EmbeddedServer) -> AsyncIterator[tuple[Store, Proxy]]:
    """A store behind a proxy that can lose the server's answers."""
    layout = fresh_layout()
    async with proxy_to(nats_server.port) as proxy:
        settings = replace(nats_server.settings(), url=f"nats://127.0.0.1:{proxy.port}")
        async with open_store(settings, layout=layout) as store:
            await ensure_event_stream(store.connection, layout)
            yield store, proxy


async def test_200_appends_whose_acknowledgement_was_lost_are_stored_exactly_once(
    proxied: tuple[Store, Proxy], order: AggregateRef
) -> None:
    store, proxy = proxied
    head = Head(aggregate=order)
    for number in range(LOST_ACKNOWLEDGEMENTS):
        count = 1 + number % 3
        proxy.is_dropping_answers = True
        appending = asyncio.create_task(append(store, head, [NewEvent(type="item_added", payload={"number": number})] * count))
        await asyncio.sleep(0.01)
        proxy.is_dropping_answers = False
        await proxy.cut()
        head = (await appending)[-1].head

    found = await load(store, order)
    assert [stored.event.version for stored in found.events] == list(range(1, head.version + 1))
    assert found.head == head


async def test_an_append_that_cannot_be_resolved_says_so_and_may_be_repeated(proxied: tuple[Store, Proxy], order: AggregateRef) -> None:
    store, proxy = proxied
    event = NewEvent(type="created", id="019a0000-0000-7000-8000-000000000001", time=now())
    proxy.is_dropping_answers = True
    with pytest.raises(AppendUnresolved, match="Appending the same events again is safe"):
        await append(store, Head(aggregate=order), [event], retry_seconds=0.5)
    proxy.is_dropping_answers = False
    await proxy.cut()

    await _eventually(lambda: append(store, Head(aggregate=order), [event]))

    assert len((await load(store, order)).events) == 1


async def test_in_200_kills_nothing_acknowledged_is_lost_and_nothing_stored_twice(own_nats_server: EmbeddedServer, tmp_path: Path) -> None:
    """A writer process notes on disk what was acknowledged to it; it and the server are killed in turn, at random moments."""
    layout = fresh_layout()
    async with open_store(own_nats_server.settings(), layout=layout) as store:
        await ensure_event_stream(store.connection, layout)
    acknowledged = tmp_path / "acknowledged"
    chance = random.Random(1)
    for cycle in range(KILLS):
        writer = await _start_writer(own_nats_server, layout.stream, layout.root, acknowledged)
        await _wait_for_first_append(writer)
        await asyncio.sleep(chance.uniform(0.0, 0.05))
        if cycle % 2:
            await asyncio.to_thread(own_nats_server.kill)
        writer.kill()
        await writer.wait()
        if cycle % 2:
            await asyncio.to_thread(own_nats_server.start)

    noted = [tuple(line.split()) for line in acknowledged.read_text().splitlines() if line.endswith(";")]
    async with open_store(own_nats_server.settings(), layout=layout) as store:
        messages = await _everything(store)
    stored = {(message.subject.split(".")[4], message.subject.rpartition(".v")[2]): str(message.sequence) for message in messages}
    assert len(noted) > KILLS
    assert {(aggregate, version): sequence for aggregate, version, sequence, _ in noted}.items() <= stored.items()
    assert len(stored) == len(messages)
    assert _versions(messages) == {entity: list(range(1, len(versions) + 1)) for entity, versions in _versions(messages).items()}


async def _start_writer(server: EmbeddedServer, stream: str, root: str, acknowledged: Path) -> asyncio.subprocess.Process:
    arguments = [server.url, "worker", server.password("worker"), stream, root, str(acknowledged)]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.persistence.killed_writer", *arguments, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
    )


async def _wait_for_first_append(writer: asyncio.subprocess.Process) -> None:
    assert writer.stdout is not None
    async with asyncio.timeout(60):
        assert await writer.stdout.readline() == b"appending\n"


async def _everything(store: Store) -> list[Message]:
    async with open_reader(store.connection, store.layout.stream) as reader:
        return [message async for batch in reader for message in batch]


def _versions(messages: list[Message]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for message in messages:
        found.setdefault(message.subject.split(".")[4], []).append(int(message.subject.rpartition(".v")[2]))
    return found


async def _eventually(action: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await action()
                return
            except Unavailable:
                await asyncio.sleep(0.05)
