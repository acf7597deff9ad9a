"""A witness that clients try to hold answers the others all the same, and says in plain text what is no request."""

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


def raw_answer(server: HTTPServer, request: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of the answer to these bytes."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        whole = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


POST, PUT = b"POST /add-checkpoint HTTP/1.1\r\n", b"PUT /add-checkpoint HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
BAD_REQUESTS = {
    PUT: 405,
    b"DELETE /newest HTTP/1.0\r\n\r\n": 405,
    b"garbage\r\n\r\n": 400,
    b"\r\n\r\n": 400,
    b"POST /add-checkpoint\r\n\r\n": 400,
    b"GET /newest HTTP/x\r\n\r\n": 400,
    b"GET /newest HTTP/9.9\r\n\r\n": 400,
    b"GET /newest\r\n\r\n": 404,
    b"GET http://[/newest HTTP/1.1\r\n\r\n": 404,
    b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n": 431,
    POST + b"\r\n": 411,
    POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 411,
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n": 411,
    POST + b"Content-Length: -5\r\n\r\n": 400,
    POST + b"Content-Length: x\r\n\r\n": 400,
    POST + b"Content-Length: \xb2\r\n\r\n": 400,
    POST + b"Content-Length:\r\n\r\n": 400,
    POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd": 400,
    POST + b"Content-Length: 16385\r\n\r\n": 413,
    POST + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n": 413,
}


@pytest.mark.parametrize("request_bytes", BAD_REQUESTS, ids=lambda one: repr(one[:60]))
def test_request_that_is_none_is_answered_in_plain_text(server: HTTPServer, request_bytes: bytes) -> None:
    status, head, body = raw_answer(server, request_bytes)

    assert status == BAD_REQUESTS[request_bytes]
    assert b"Content-Type: text/plain" in head
    assert body.endswith(b".\n")
    assert b"<" not in body
    assert (b"Allow: GET, POST" in head) == (status == 405)


def test_head_of_an_answer_is_all_that_is_sent_where_only_that_is_asked(server: HTTPServer) -> None:
    status, _, body = raw_answer(server, b"HEAD /newest HTTP/1.0\r\n\r\n")

    assert (status, body) == (405, b"")
