"""This module is what the tests of observed connections look at: a second server, `prod`, with streams that home does not have."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import LazySettings

from apps import connection
from apps.persistence.store import Store
from apps.persistence.store.child import start_child, stop_child
from apps.persistence.store.embedded import EmbeddedServer, find_binary
from cimadmin.up import usable_port

from .conftest import Home, home_settings
from .stream_stage import add_consumer, append_story, fill, make_stream

START_SECONDS = 90
NOBODY_THERE = {"url": "nats://127.0.0.1:9"}


@pytest.fixture(scope="module")
def prod_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("prod")) as server:
        Home(server).run(_write_streams)
        yield server


async def _write_streams(store: Store) -> None:
    await make_stream(store, "PARCELS")
    await fill(store, "PARCELS", 3, subjects=("sent", "lost"), data=b'{"weight": 12}')
    await add_consumer(store, "PARCELS", "labels")
    await append_story(store)


@pytest.fixture
def prod(prod_server: EmbeddedServer, home: Home, settings: LazySettings) -> EmbeddedServer:
    """The console's home, which has no streams of its own, and the observed connection `prod`."""
    observe(settings, prod=home_settings(prod_server))
    return prod_server


def observe(settings: LazySettings, **connections: dict[str, str]) -> None:
    """From now on the console observes these connections, beside home."""
    settings.CIM_OBSERVED = connections
    connection.stop()


@contextmanager
def server_without_jetstream(folder: Path) -> Iterator[str]:
    """The address of a nats-server on which JetStream is off."""
    port = usable_port(0)
    with (folder / "plain.log").open("ab") as log:
        child = start_child([find_binary(), "-a", "127.0.0.1", "-p", str(port)], output=log)
    try:
        _wait_until_open(port)
        yield f"nats://127.0.0.1:{port}"
    finally:
        stop_child(child)


def _wait_until_open(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            assert time.monotonic() < deadline, "nats-server did not start"
            threading.Event().wait(0.02)
