"""An answer that fails when it has begun: who waits for the rest is told by the end of the connection."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

SECONDS = 30.0


@pytest.fixture
def port() -> Iterator[int]:
    """Where Daphne serves the application that breaks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(number), "-v", "0", "tests.web.breaking_stage:application"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as daphne:
        deadline = time.monotonic() + SECONDS
        while not _answers(number):
            assert time.monotonic() < deadline
            threading.Event().wait(0.1)
        yield number
        daphne.terminate()


def test_connection_of_an_answer_that_breaks_is_closed(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("GET", "/")

    with pytest.raises(http.client.IncompleteRead) as broken:
        connection.getresponse().read()

    assert broken.value.partial == b"12345"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
