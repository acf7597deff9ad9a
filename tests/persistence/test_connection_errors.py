"""The five ways in which a server cannot be used as it is, and what an operator is told of each."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.errors import InvalidInput, JetStreamDisabled, PermissionDenied, Unreachable, WrongCredentials
from apps.persistence.store import ConnectionSettings, Link, check_health, get_stream, list_streams, open_connection
from apps.persistence.store.embedded import EmbeddedServer, find_binary


@pytest.fixture
def plain_server(tmp_path: Path) -> Iterator[str]:
    """A nats-server without JetStream."""
    yield from run_server(tmp_path, "")


@pytest.fixture
def careless_server(tmp_path: Path) -> Iterator[str]:
    """A nats-server that acknowledges before it writes to disk, as it does by default."""
    yield from run_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}/js" }}')


def run_server(folder: Path, extra: str) -> Iterator[str]:
    port, monitor = free_port(), free_port()
    config = folder / "server.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\nhttp: "127.0.0.1:{monitor}"\n{extra}\n')
    process = subprocess.Popen([find_binary(), "-c", config], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (answers(monitor) and answers(port)) and time.monotonic() < deadline:  # the one is open before the other
        time.sleep(0.02)
    yield f"nats://127.0.0.1:{port} http://127.0.0.1:{monitor}"
    process.terminate()
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def wait_for(wanted: Link, links: asyncio.Queue[Link]) -> None:
    async with asyncio.timeout(60):
        while await links.get() is not wanted:
            pass


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(Unreachable, match=r"No NATS server answers at nats://127.0.0.1:\d+ .*Check the address"):
        async with open_connection(ConnectionSettings(url=f"nats://127.0.0.1:{free_port()}")):
            pass


async def test_a_wrong_password_is_called_wrong(nats_server: EmbeddedServer) -> None:
    with pytest.raises(WrongCredentials, match="refused the credentials of connection home"):
        async with open_connection(replace(nats_server.settings(), password="guess")):
            pass


async def test_a_missing_right_names_the_subject(nats_server: EmbeddedServer) -> None:
    async with open_connection(nats_server.settings("web")) as connection:
        with pytest.raises(PermissionDenied, match=r"may not publish to \$JS\.API\.STREAM\.CREATE\.X"):
            await connection.api("STREAM.CREATE.X", {"name": "X"})


async def test_a_server_without_jetstream_says_how_to_enable_it(plain_server: str) -> None:
    url, _ = plain_server.split()
    async with open_connection(ConnectionSettings(url=url)) as connection:
        with pytest.raises(JetStreamDisabled, match="Start nats-server with -js"):
            await list_streams(connection)


async def test_an_account_without_jetstream_is_told_apart(nats_server: EmbeddedServer) -> None:
    async with open_connection(nats_server.settings("system")) as connection:
        with pytest.raises(JetStreamDisabled, match="not enabled"):
            await get_stream(connection, "CIM-EVENTS")


async def test_a_server_that_acknowledges_before_writing_is_not_called_durable(careless_server: str) -> None:
    url, monitor = careless_server.split()
    async with open_connection(ConnectionSettings(url=url, monitor_url=monitor)) as connection:
        health = await check_health(connection)

    assert health.is_durable is False
    assert "every 120 s" in health.durability
    assert "Set sync_interval: always" in health.durability


async def test_a_server_whose_configuration_cannot_be_read_is_not_called_durable(careless_server: str) -> None:
    url, _ = careless_server.split()
    async with open_connection(ConnectionSettings(url=url)) as connection:
        health = await check_health(connection)

    assert health.is_durable is None
    assert "Not known" in health.durability


async def test_the_embedded_server_is_durable_and_complete(nats_server: EmbeddedServer) -> None:
    async with open_connection(nats_server.settings("web")) as connection:
        health = await check_health(connection)

    assert health.is_durable is True
    assert health.missing == ()


async def test_the_link_is_restored_after_the_server_was_killed(own_nats_server: EmbeddedServer) -> None:
    async with open_connection(own_nats_server.settings()) as connection:
        links: asyncio.Queue[Link] = asyncio.Queue()
        connection.on_change(lambda state: links.put_nowait(state.link))

        await asyncio.to_thread(own_nats_server.kill)
        await wait_for(Link.RECONNECTING, links)
        with pytest.raises(Unreachable, match="is being restored"):
            await connection.publish("anything")
        await asyncio.to_thread(own_nats_server.start)
        await wait_for(Link.CONNECTED, links)

        assert await connection.round_trip_ms() > 0


async def test_a_message_that_is_too_large_names_both_sizes(nats_server: EmbeddedServer) -> None:
    async with open_connection(nats_server.settings()) as connection:
        with pytest.raises(InvalidInput, match=r"2,000,000 bytes is larger than the server takes \(1,048,576\)"):
            await connection.publish("anything", b"x" * 2_000_000)


def test_two_identities_at_once_are_refused() -> None:
    with pytest.raises(InvalidInput, match="only one of them"):
        ConnectionSettings(user="me", nkey_file="seed.nk")


async def test_a_missing_credentials_file_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"credentials file /no/such\.creds does not exist"):
        async with open_connection(ConnectionSettings(credentials_file="/no/such.creds")):
            pass


async def test_closing_after_the_server_is_gone_is_no_error(own_nats_server: EmbeddedServer) -> None:
    async with open_connection(own_nats_server.settings("worker")) as connection:
        await connection.publish("anything", b"x" * 100_000)
        await asyncio.to_thread(own_nats_server.kill)
