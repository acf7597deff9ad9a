"""This module is what surrounds a piece of work while a worker has it in hand: the claim on it is renewed, and its run is listened to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, cast

from ..errors import Unavailable
from ..events import Event
from ..store import CoreMessage, Store
from .lease import Lease
from .operation import Interruption
from .pull import Delivery, PullConsumer
from .run import load_run

BEATS_PER_CLAIM = 3
LOOK_SECONDS = 1.0
_STOPS: Mapping[str, Interruption] = {"paused": "paused", "cancelled": "cancelled", "finished": "lost", "failed": "lost"}


class Listener(Protocol):
    """What hears of its run: the progress of a run or of a part."""

    @property
    def limit(self) -> int: ...

    def interrupt(self, why: Interruption) -> None: ...

    def change_limit(self, limit: int) -> None: ...


@asynccontextmanager
async def watched(store: Store, run_id: str, listener: Listener, lease: Lease | None = None) -> AsyncIterator[None]:
    """Tell `listener` of a pause, a cancel and a new limit, and when the lease on the target is lost.

    An event flies by before it is stored, and none does while the link is broken: so the run itself is looked at, too, every second.
    """

    async def watch_lease() -> None:
        if lease is not None:
            await lease.lost.wait()
            listener.interrupt("lost")

    async def keep_looking() -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(Unavailable):
                await _look(store, run_id, listener)

    events = f"cim.console.run.{run_id}.*.*"
    async with store.connection.subscribe(events, lambda message: _hear(listener, message)), beside(watch_lease()):
        await _look(store, run_id, listener)
        async with beside(keep_looking()):
            yield


async def _look(store: Store, run_id: str, listener: Listener) -> None:
    now = await load_run(store, run_id)
    if now and now.state in _STOPS:
        listener.interrupt(_STOPS[now.state])
    if now and now.limit != listener.limit:
        listener.change_limit(now.limit)


def _hear(listener: Listener, message: CoreMessage) -> None:
    event = message.subject.split(".")[4]
    if event in _STOPS:
        listener.interrupt(_STOPS[event])
    elif event == "limited":
        listener.change_limit(cast(int, Event.from_block(message.data).payload["limit"]))


@asynccontextmanager
async def kept(queue: PullConsumer, delivery: Delivery, *, seconds: float) -> AsyncIterator[None]:
    """Say some times within `seconds` that the work item is still in hand."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(seconds / BEATS_PER_CLAIM)
            with suppress(Unavailable):
                await queue.touch(delivery)

    async with beside(beat()):
        yield


@asynccontextmanager
async def beside(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have a task run while the block lasts, and no longer."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
