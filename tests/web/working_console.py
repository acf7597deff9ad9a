"""This module is a console at work for the tests of its pages: the demo's first events, and a worker in a thread of this process."""

from __future__ import annotations

import asyncio
import html
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from django.http import HttpResponse
from django.test import Client

from apps.domain.demo.run import DemoOptions, play_beginning
from apps.domain.demo.tampered import write_tampered
from apps.persistence.console import load_registry
from apps.persistence.registry import StreamChanges
from apps.persistence.store import ConnectionSettings, Store, ensure_home, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.sync import Link
from apps.persistence.worker import work

DEADLINE_SECONDS = 90
FAILED_AT = 155
"""The sequence of the discount that the demo's audit cannot accept."""


class Worker:
    """A worker that lives as long as the block lasts."""

    def __init__(
        self,
        server: EmbeddedServer,
        domains: Sequence[str] = ("apps.domain",),
        *,
        changes: bool = False,
        link: Link | None = None,
        above: ConnectionSettings | None = None,
    ) -> None:
        """`changes`: operators may change streams. `link` leads to the server `above`."""
        self._server, self._link, self._above = server, link, above
        self._domains = domains
        self._changes = StreamChanges(are_allowed=changes)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(DEADLINE_SECONDS), "the worker did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE_SECONDS)

    async def _work(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with open_store(self._server.settings("worker")) as store:
            registry = load_registry(self._domains, stream_changes=self._changes)
            if self._link is not None and self._above is not None:
                registry.links, registry.observed = {self._link.name: self._link}, {self._link.name: self._above}
            await work(store, registry, self._stop, on_ready=self._ready.set)


async def write_demo(store: Store) -> None:
    """What the demo has in its first second, and its tampered stream."""
    await ensure_home(store.connection)
    await play_beginning(store, DemoOptions(seed=7))
    await write_tampered(store.connection, 7)


def page(client: Client, address: str, status: int = 200) -> str:
    response: HttpResponse = client.get(address)  # type: ignore[assignment]
    assert response.status_code == status, words(response.content.decode())[:3000]
    return response.content.decode()


def words(text: str) -> str:
    """What a person reads of the page itself."""
    main = text[text.index('<main id="page"') :] if '<main id="page"' in text else text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def read(client: Client, address: str, status: int = 200) -> str:
    return words(page(client, address, status))


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.05)


def wait_for(client: Client, address: str, text: str) -> str:
    """The words of the page once they hold `text`."""
    wait_until(lambda: text in read(client, address), f"{text!r} never came to {address}")
    return read(client, address)


def confirm(client: Client, review: str, status: int = 302, **given: str) -> HttpResponse:
    """Look at the plan and confirm it."""
    token = re.search(r'name="plan" value="([^"]+)"', page(client, review))
    assert token is not None
    response: HttpResponse = client.post(review, {"plan": token[1], "reason": "because", **given})  # type: ignore[assignment]
    assert response.status_code == status, words(response.content.decode())
    return response


def start_run(client: Client, review: str, **given: str) -> str:
    """Confirm the plan and return the address of its run."""
    return confirm(client, review, **given).headers["Location"]
