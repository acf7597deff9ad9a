"""The embedded server, always the real binary: what it keeps, whom it lets in, and how it comes back."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apps.persistence.errors import PermissionDenied, Unavailable, WrongCredentials
from apps.persistence.store.connection import Connection, open_connection
from apps.persistence.store.embedded import EmbeddedServer

ORDERS = {"name": "ORDERS", "subjects": ["orders.>"], "storage": "file"}


@pytest.fixture
async def web(nats_server: EmbeddedServer) -> AsyncIterator[Connection]:
    async with open_connection(nats_server.settings("web")) as connection:
        yield connection


def test_server_syncs_every_write_to_disk(nats_server: EmbeddedServer) -> None:
    config = monitor(nats_server, "/jsz?config=1")["config"]

    assert config["sync_always"] is True


def test_server_listens_on_loopback_alone(nats_server: EmbeddedServer) -> None:
    facts = monitor(nats_server, "/varz")

    assert (facts["host"], facts["http_host"]) == ("127.0.0.1", "127.0.0.1")


def test_files_with_passwords_are_readable_by_their_owner_alone(nats_server: EmbeddedServer) -> None:
    modes = [nats_server.data_dir.joinpath(name).stat().st_mode & 0o777 for name in ("", "passwords.json", "server.conf")]

    assert modes == [0o700, 0o600, 0o600]


@pytest.mark.parametrize("attempt", range(10))  # the server's reason and its closing of the socket race each other
async def test_wrong_password_is_refused(nats_server: EmbeddedServer, attempt: int) -> None:
    settings = dataclasses.replace(nats_server.settings("worker"), password="guessed")

    with pytest.raises(WrongCredentials):
        async with open_connection(settings):
            pass


async def test_system_user_reads_server_statistics(nats_server: EmbeddedServer) -> None:
    async with open_connection(nats_server.settings("system")) as connection:
        reply = await connection.request("$SYS.REQ.SERVER.PING.VARZ")

    assert json.loads(reply.data)["data"]["server_name"] == "cim-embedded"


async def test_web_user_reads_streams(web: Connection, nats_server: EmbeddedServer) -> None:
    async with open_connection(nats_server.settings("worker")) as worker:
        await worker.api("STREAM.CREATE.ORDERS", ORDERS)

    info = await web.api("STREAM.INFO.ORDERS")

    assert info["config"]["subjects"] == ["orders.>"]


@pytest.mark.parametrize(
    "subject",
    [
        "orders.7f3c.created",
        "cim.events.sales.order.7f3c.created.v1",
        "cim.console.run.1.confirmed.v1",
        "$KV.cim-projections.orders",
        "$JS.API.STREAM.CREATE.OTHER",
        "$JS.API.STREAM.DELETE.ORDERS",
        "$JS.API.STREAM.PURGE.ORDERS",
        "$JS.API.STREAM.MSG.DELETE.ORDERS",
        "$JS.API.CONSUMER.CREATE.ORDERS.x",
        "$JS.API.CONSUMER.DELETE.ORDERS.x",
        "$JS.API.CONSUMER.RESET.ORDERS.x",
    ],
)
async def test_web_user_may_not_publish_to(web: Connection, subject: str) -> None:
    with pytest.raises(PermissionDenied):
        await web.request(subject, timeout=30)


async def test_web_user_may_not_listen_to_the_answers_of_others(web: Connection, nats_server: EmbeddedServer) -> None:
    heard: list[str] = []
    last = asyncio.Event()

    async with (
        web.subscribe("_INBOX.>", lambda message: heard.append(message.subject)),
        web.subscribe("cim.live.last", lambda _: last.set()),
        open_connection(nats_server.settings("worker")) as worker,
    ):
        await web.api("INFO")  # by now the server has both subscriptions
        await worker.api("INFO")
        await worker.publish("cim.live.last")
        async with asyncio.timeout(60):
            await last.wait()

    assert heard == []


async def test_web_user_sends_commands(own_nats_server: EmbeddedServer) -> None:
    async with open_connection(own_nats_server.settings("worker")) as worker:
        await worker.api("STREAM.CREATE.COMMANDS", {"name": "COMMANDS", "subjects": ["cim.commands.>"], "storage": "memory"})

    async with open_connection(own_nats_server.settings("web")) as web:
        reply = await web.request("cim.commands.sales.order.7f3c.place", b"{}")

    assert json.loads(reply.data) == {"stream": "COMMANDS", "seq": 1}


async def test_restart_keeps_data_passwords_and_address(own_nats_server: EmbeddedServer) -> None:
    before = own_nats_server.settings("worker")
    await store_one_order(own_nats_server)

    own_nats_server.restart()

    assert own_nats_server.settings("worker") == before
    assert await count_orders(own_nats_server) == 1


async def test_another_start_on_the_same_folder_finds_the_same_data_and_passwords(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as first:
        await store_one_order(first)
        password = first.password("worker")

    with EmbeddedServer(tmp_path) as second:
        assert second.password("worker") == password
        assert await count_orders(second) == 1


async def test_kill_loses_nothing_that_was_acknowledged(own_nats_server: EmbeddedServer) -> None:
    await store_one_order(own_nats_server)

    own_nats_server.kill()
    own_nats_server.start()

    assert await count_orders(own_nats_server) == 1


def test_second_server_on_the_same_folder_is_refused(own_nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.store.embedded.LOCK_SECONDS", 0.2)

    with pytest.raises(Unavailable, match="Another nats-server is using"):
        EmbeddedServer(own_nats_server.data_dir).start()


def test_port_in_use_is_named_in_the_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(Unavailable, match=f"127.0.0.1:{port}.*address already in use"):
            EmbeddedServer(tmp_path, port=port).start()


def test_stop_ends_the_process(own_nats_server: EmbeddedServer) -> None:
    pid = int((own_nats_server.data_dir / "server.pid").read_text())

    own_nats_server.stop()

    assert not Path(f"/proc/{pid}").exists()
    assert own_nats_server.is_running is False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_server_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from apps.persistence.store.embedded import EmbeddedServer\n"
        "with EmbeddedServer(sys.argv[1]): print('ready', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    server_pid = int((tmp_path / "server.pid").read_text())

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    assert ends_within(server_pid, seconds=10)


def monitor(server: EmbeddedServer, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(server.monitor_url + path, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def store_one_order(server: EmbeddedServer) -> None:
    async with open_connection(server.settings("worker")) as connection:
        await connection.api("STREAM.CREATE.ORDERS", ORDERS)
        await connection.request("orders.7f3c.created", b"{}")


async def count_orders(server: EmbeddedServer) -> int:
    async with open_connection(server.settings("worker")) as connection:
        return int((await connection.api("STREAM.INFO.ORDERS"))["state"]["messages"])


def ends_within(pid: int, *, seconds: float) -> bool:
    """Wait for the process by its own descriptor: no polling, and no other process can be taken for it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([descriptor], [], [], seconds)
    os.close(descriptor)
    return bool(ended)
