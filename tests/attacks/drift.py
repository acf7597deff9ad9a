"""This module is settings that somebody changes past the console: each must be an alarm that names the field.

The watch is the one that a worker runs, with its own pauses.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from apps.persistence.drift import DriftAlarm, read_drift, watch_drift
from apps.persistence.drift.record import drop_record
from apps.persistence.events import new_id
from apps.persistence.store import CONSOLE, Layout, Store, ensure_event_stream, ensure_home, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .detection import Layer
from .rounds import Outcome

AT_ONCE = 2
EVENTS = 20
MOST_SECONDS = 90
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftAttack:
    """One row of the table: what is done to a stream, and the field that has to be named for it."""

    field: str
    change: Callable[[Store], Awaitable[None]]

    @property
    def name(self) -> str:
        return f"{self.field} (settings)"


async def set_field(store: Store, **config: Any) -> None:
    """What anybody with the right on the server can do."""
    stream, connection = store.layout.stream, store.connection
    before = (await connection.api(f"STREAM.INFO.{stream}"))["config"]
    await connection.api(f"STREAM.UPDATE.{stream}", {**before, **config})


async def move_subjects(store: Store) -> None:
    await set_field(store, subjects=[f"{store.layout.root}.elsewhere.>"])


async def make_anew(store: Store) -> None:
    stream, connection = store.layout.stream, store.connection
    config = (await connection.api(f"STREAM.INFO.{stream}"))["config"]
    await connection.api(f"STREAM.DELETE.{stream}")
    await connection.api(f"STREAM.CREATE.{stream}", config)


async def delete(store: Store) -> None:
    await store.connection.api(f"STREAM.DELETE.{store.layout.stream}")


DRIFT_ATTACKS = (
    DriftAttack(field="max_msgs", change=partial(set_field, max_msgs=10)),
    DriftAttack(field="max_msgs_per_subject", change=partial(set_field, max_msgs_per_subject=1)),
    DriftAttack(field="max_age", change=partial(set_field, max_age=3_600_000_000_000)),
    DriftAttack(field="subjects", change=move_subjects),
    DriftAttack(field="sealed", change=partial(set_field, sealed=True)),
    DriftAttack(field="allow_direct", change=partial(set_field, allow_direct=False)),
    DriftAttack(field="created", change=make_anew),
    DriftAttack(field="exists", change=delete),
)


async def play_drift(server: EmbeddedServer, *, rounds: int, seed: int) -> list[list[Outcome]]:
    """So many rounds of every change, each on a stream of its own; the outcomes of each attack together."""
    outcomes: list[list[Outcome]] = [[] for _ in DRIFT_ATTACKS]
    for first in range(0, rounds, AT_ONCE):
        numbers = range(first, min(rounds, first + AT_ONCE))
        async with asyncio.TaskGroup() as group, open_watched(server, count=len(DRIFT_ATTACKS) * len(numbers)) as stores:
            tasks = [[group.create_task(_play(stores.pop(), attack, number, seed=seed)) for number in numbers] for attack in DRIFT_ATTACKS]
            await asyncio.wait([task for some in tasks for task in some])
        for found, some in zip(outcomes, tasks, strict=True):
            found += [task.result() for task in some]
    return outcomes


@asynccontextmanager
async def open_watched(server: EmbeddedServer, *, count: int) -> AsyncIterator[list[Store]]:
    """Streams with some events, watched as a worker does it, and seen by the watch once; gone after the rounds."""
    async with open_store(server.settings("worker"), layouts=[CONSOLE]) as store:
        await ensure_home(store.connection)
        names = [new_id().replace("-", "")[-12:] for _ in range(count)]
        stores = [store.on(Layout(stream=f"DRIFT-{name}", root=f"drifting.{name}")) for name in names]
        for one in stores:
            await ensure_event_stream(store.connection, one.layout)
            for number in range(EVENTS):
                await store.connection.publish(f"{one.layout.root}.n{number % 3}", b"event")
        streams = [one.layout.stream for one in stores]
        watching = asyncio.create_task(watch_drift(store, lambda: streams, _held))
        try:
            await _until_watched(store, streams)
            yield list(stores)
        finally:
            watching.cancel()
            await asyncio.wait({watching})
            for stream in streams:
                await store.connection.request(f"$JS.API.STREAM.DELETE.{stream}", b"")
                await drop_record(store.connection, f"stream/{stream}")


async def _play(store: Store, attack: DriftAttack, number: int, *, seed: int) -> Outcome:
    """Change the setting at some moment between two looks, and wait for the alarm."""
    await asyncio.sleep(random.Random(f"{seed}/{attack.name}/{number}").uniform(0, 5))
    began = time.perf_counter()
    await attack.change(store)
    alarms: Sequence[DriftAlarm] = ()
    while not alarms and time.perf_counter() - began < MOST_SECONDS:
        await asyncio.sleep(LOOK_SECONDS)
        alarms = (await read_drift(store)).of(store.layout.stream).alarms
    fields = [alarm.field for alarm in alarms]
    return Outcome(
        name=attack.name,
        number=number,
        expected=attack.field,
        named=attack.field if attack.field in fields else ", ".join(fields),
        layers=(Layer.DRIFT,) if alarms else (),
        seconds=time.perf_counter() - began,
        words="; ".join(f"{alarm.field}: {alarm.before} before, {alarm.after} after" for alarm in alarms),
    )


async def _until_watched(store: Store, streams: Sequence[str]) -> None:
    async with asyncio.timeout(MOST_SECONDS):
        while True:
            if {record.name for record in (await read_drift(store)).records} >= set(streams):
                return
            await asyncio.sleep(LOOK_SECONDS)


class _Held:
    """A lease that nobody takes away: there is one worker."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()


@asynccontextmanager
async def _held(_: str) -> AsyncIterator[_Held]:
    yield _Held()
