"""A witness that clients try to hold answers the others all the same."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import HTTPServer
from pathlib import Path

import pytest

from apps.persistence.log import KeyKind, SigningKey
from apps.persistence.log.checkpoints import Checkpoint, sign_checkpoint
from apps.persistence.log.witness import CLIENT_SECONDS, MOST_CLIENTS, open_witness, serving
from apps.persistence.log.witnessing import Request

LOG = SigningKey.generate("cim-7f3c", KeyKind.LOG)
NOTE = sign_checkpoint(Checkpoint(origin="cim-7f3c/S", size=7, root=bytes(32)), LOG.named("cim-7f3c/S")).raw
GOOD = Request(old_size=0, proof=(), note=NOTE).raw


@contextmanager
def witness_in(folder: Path, seconds: float) -> Iterator[HTTPServer]:
    with open_witness(folder, "witness.example", [LOG.verifier]) as witness, serving(witness, "127.0.0.1", 0, seconds=seconds) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HTTPServer]:
    with witness_in(tmp_path, CLIENT_SECONDS) as running:
        yield running


def post(server: HTTPServer, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("POST", "/add-checkpoint", GOOD, headers)
    status = connection.getresponse().status
    connection.close()
    return status


@contextmanager
def hanging(server: HTTPServer, count: int) -> Iterator[list[socket.socket]]:
    """Clients that say that a body comes, and send none."""
    with ExitStack() as held:
        clients = []
        for _ in range(count):
            client = held.enter_context(socket.create_connection(("127.0.0.1", server.server_port), timeout=30))
            client.sendall(b"POST /add-checkpoint HTTP/1.0\r\nContent-Length: 7000\r\n\r\n")
            clients.append(client)
        yield clients


@pytest.mark.parametrize("count", [1, MOST_CLIENTS + 8])
def test_clients_that_hang_keep_nobody_waiting(server: HTTPServer, count: int) -> None:
    with hanging(server, count):
        assert post(server) == 200


def is_cut_off(client: socket.socket) -> bool:
    """Send a byte now and then for half a minute, which is less than was said to come."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            client.sendall(b"o")
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_client_that_sends_a_byte_now_and_then_is_cut_off_all_the_same(tmp_path: Path) -> None:
    with witness_in(tmp_path, 0.5) as server, hanging(server, 1) as (client,):
        assert is_cut_off(client)
        assert post(server) == 200


def test_endless_head_is_refused(server: HTTPServer) -> None:
    assert post(server, **{f"X-{number}": "x" * 1000 for number in range(9)}) == 431
