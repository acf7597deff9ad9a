"""This module is the measure of replaying into a projection and of verifying a stream, by one worker and by two at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from apps.persistence.chain import verify_stream
from apps.persistence.projections import RECORDS_BUCKET, Orders, bucket_of, ensure_record, run_projection
from apps.persistence.store import EVENTS, Connection, ConnectionSettings, Store, get_stream, kv_delete, open_store

from .figures import Clock, Figure, rate_words
from .measured_domain import order_totals
from .stage import Stage

REPLAYED_PER_SECOND, VERIFIED_PER_SECOND = 20_000, 30_000
BY_TWO = 200_000
"""So many events each of two workers takes."""
_NAME = "measured-replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a worker did: events, and from when to when by the clock of the machine."""

    events: int
    began: float
    ended: float


async def measure(stage: Stage) -> list[Figure]:
    figures = [await _replay(stage), await _by_two(stage, "replay into two projections", _replay_apart), *await _verify(stage)]
    for number in range(3):
        await forget(stage.store.connection, f"{_NAME}-{number}")
    return figures


async def forget(connection: Connection, name: str) -> None:
    """Leave nothing of a projection that no worker will feed on."""
    await connection.api(f"CONSUMER.DELETE.{EVENTS.stream}.{bucket_of(name, 1)}", stream=EVENTS.stream)
    await connection.api(f"STREAM.DELETE.KV_{bucket_of(name, 1)}")
    await kv_delete(connection, RECORDS_BUCKET, name)


async def _replay(stage: Stage) -> Figure:
    definition = order_totals(f"{_NAME}-2")
    last = (await get_stream(stage.store.connection, EVENTS.stream)).last_sequence
    await ensure_record(stage.store.connection, definition)
    clock = Clock()
    position = await run_projection(stage.store, definition, 1, Orders(until=last))
    rate = clock.rate_of(position.applied)
    assert position.applied >= stage.data.events
    return Figure(
        what=f"replay {position.applied:,} events into a projection of {stage.data.aggregates:,} models, one worker",
        measured=rate.words(),
        target=f"≥ {REPLAYED_PER_SECOND:,}/s",
        is_met=rate.per_second >= REPLAYED_PER_SECOND,
    )


async def _verify(stage: Stage) -> list[Figure]:
    clock = Clock()
    verdict = await verify_stream(stage.store)
    rate = clock.rate_of(verdict.checked)
    assert verdict.intact, verdict
    one = Figure(
        what=f"verify the stream of {verdict.checked:,} events, one worker",
        measured=rate.words(),
        target=f"≥ {VERIFIED_PER_SECOND:,}/s",
        is_met=rate.per_second >= VERIFIED_PER_SECOND,
        note="read, hash, strict decode, links, subjects",
    )
    return [one, await _by_two(stage, "verify two ranges", _verify_apart)]


Apart = Callable[[ConnectionSettings, int, int], Done]


async def _by_two(stage: Stage, what: str, function: Apart) -> Figure:
    """Two processes at once; the rate is all their events over the time from the first start to the last end."""
    each = min(BY_TWO, stage.data.events // 2)
    loop, settings = asyncio.get_running_loop(), stage.server.settings("worker")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, time.sleep, 0.5) for _ in range(2)))  # both have started
        done = await asyncio.gather(*(loop.run_in_executor(pool, function, settings, number, each) for number in range(2)))
    seconds = max(one.ended for one in done) - min(one.began for one in done)
    return Figure(what=f"{what} of {each:,} events, two workers", measured=rate_words(sum(one.events for one in done) / seconds))


def _replay_apart(settings: ConnectionSettings, number: int, events: int) -> Done:
    async def replay(store: Store) -> int:
        definition = order_totals(f"{_NAME}-{number}")
        await ensure_record(store.connection, definition)
        position = await run_projection(store, definition, 1, Orders(until=events))
        return position.applied

    return asyncio.run(_timed(settings, replay))


def _verify_apart(settings: ConnectionSettings, number: int, events: int) -> Done:
    async def verify(store: Store) -> int:
        verdict = await verify_stream(store, from_sequence=number * events + 1, to_sequence=(number + 1) * events)
        assert verdict.intact, verdict
        return verdict.checked

    return asyncio.run(_timed(settings, verify))


async def _timed(settings: ConnectionSettings, work: Callable[[Store], Awaitable[int]]) -> Done:
    async with open_store(settings) as store:
        began = time.time()
        events = await work(store)
        return Done(events=events, began=began, ended=time.time())
