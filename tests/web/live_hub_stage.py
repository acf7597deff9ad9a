"""This module is the stage for tests of the hub: a source that the test feeds, a browser that the test reads, and a running hub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from apps.live.frames import Fragment, Frame
from apps.live.hub import Hub
from apps.live.sources import SOURCES, source
from apps.live.subscriber import Subscriber, Wire

DEADLINE_SECONDS = 30


class Stage:
    """A source whose frames the test puts in, one batch after the other."""

    def __init__(self) -> None:
        self.batches: asyncio.Queue[Sequence[Frame] | Exception] = asyncio.Queue()
        self.starts = 0
        self.running = 0
        self.arguments: list[str] = []

    async def generator(self, _store: object, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
        self.starts += 1
        self.running += 1
        self.arguments.append(argument)
        try:
            while True:
                batch = await self.batches.get()
                if isinstance(batch, Exception):
                    raise batch
                yield batch
        finally:
            self.running -= 1

    def put(self, *frames: Frame) -> None:
        self.batches.put_nowait(frames)


class Page:
    """A browser: keeps what it is sent, and acknowledges when told to."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.messages: list[str] = []
        self.closed_with: int | None = None
        self.subscriber = Subscriber(Wire(send=self.messages.append, close=self._close))
        hub.join(self.subscriber)

    def _close(self, code: int, _reason: str) -> None:
        self.closed_with = code
        self.hub.leave(self.subscriber)

    def look_at(self, *topics: str, positions: dict[str, int] | None = None, paused: frozenset[str] = frozenset()) -> None:
        self.hub.look_at(self.subscriber, topics, positions=positions or {}, paused=paused)

    def acknowledge(self) -> None:
        assert self.subscriber.acknowledge(self.subscriber.number)

    async def newest(self, number: int) -> dict:
        await until(lambda: len(self.messages) >= number)
        return json.loads(self.messages[number - 1])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110  (there is no event for what a test looks at)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running_hub(linger_seconds: float = 10.0) -> AsyncIterator[Hub]:
    async def open_store(_connection: str) -> str:
        return "the store"

    hub = Hub(open_store, linger_seconds=linger_seconds)
    task = asyncio.ensure_future(hub.run())
    await asyncio.sleep(0)
    try:
        yield hub
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with running_hub() as running:
        yield running


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    source("stage", permission=None)(stage.generator)
    yield stage
    del SOURCES["stage"]


def tick(number: int) -> Fragment:
    return Fragment(id="tick", html=f'<p id="tick">{number}</p>')
