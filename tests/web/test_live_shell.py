"""This module is the tests of the top bar's live part against a real server, and without one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings

from apps import connection
from apps.live.frames import Fragment, Frame
from apps.live.shell import shell
from apps.persistence.store import open_connection
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.heartbeat import beating, this_worker


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    connection.stop()
    yield
    connection.stop()


async def first_batch() -> dict[str, str]:
    """The HTML of the source's first frames by id, from a source that runs on the console's loop as the hub's do."""

    async def look() -> Sequence[Frame]:
        async with aclosing(shell(None, "")) as batches:
            return await anext(batches)

    loop = await sync_to_async(connection.loop)()
    frames = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(look(), loop))
    return {frame.id: frame.html for frame in frames if isinstance(frame, Fragment)}


async def test_the_top_bar_says_how_far_nats_is_and_that_no_worker_lives(settings: LazySettings, nats_server: EmbeddedServer) -> None:
    settings.CIM_HOME = {"url": nats_server.url, "user": "worker", "password": nats_server.password("worker")}

    shown = await first_batch()

    assert "home ·" in shown["connection-state"]
    assert " ms" in shown["connection-state"]
    assert "No worker" in shown["workers"]


async def test_the_top_bar_counts_the_workers_that_live(settings: LazySettings, own_nats_server: EmbeddedServer) -> None:
    password = own_nats_server.password("web")
    settings.CIM_HOME = {"url": own_nats_server.url, "user": "web", "password": password, "inbox_prefix": "_INBOX_web"}

    async with open_connection(own_nats_server.settings("worker")) as as_worker, beating(as_worker, this_worker(), list):
        shown = await first_batch()

    assert "1 worker" in shown["workers"]


async def test_without_nats_the_top_bar_says_so_and_claims_nothing_else(settings: LazySettings) -> None:
    settings.CIM_HOME = {"url": "nats://127.0.0.1:9"}

    shown = await first_batch()

    assert "reconnecting" in shown["connection-state"]
    assert "worker" not in shown["workers"].replace('id="workers" class="pill workers"', "")


async def test_a_server_that_is_silent_is_said_to_be_so_and_asked_nothing_more(
    settings: LazySettings, own_nats_server: EmbeddedServer
) -> None:
    password = own_nats_server.password("web")
    settings.CIM_HOME = {"url": own_nats_server.url, "user": "web", "password": password, "inbox_prefix": "_INBOX_web"}
    async with open_connection(own_nats_server.settings("worker")) as as_worker, beating(as_worker, this_worker(), list):
        await first_batch()
        pid = int((own_nats_server.data_dir / "server.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            shown = await first_batch()
        finally:
            os.kill(pid, signal.SIGCONT)

    assert " ms" not in shown["connection-state"]
    assert 'data-state="failed"' in shown["connection-state"]
    assert "worker" not in shown["workers"].replace('id="workers" class="pill workers"', "")
