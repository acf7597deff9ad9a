"""This module is the measure of replaying into a projection and of verifying a stream, by one worker and by two at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from apps.persistence.chain import verify_stream
from apps.persistence.projections import Orders, build_beside, drop_build, ensure_record, run_projection
from apps.persistence.store import ConnectionSettings, Store, open_store

from .figures import Figure, rate_words
from .measured_domain import order_totals
from .stage import Stage

REPLAYED_PER_SECOND, VERIFIED_PER_SECOND = 20_000, 30_000
BY_TWO = 200_000
"""So many events each of two workers takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a worker did: events, and from when to when by the clock of the machine."""

    events: int
    began: float
    ended: float


async def measure(stage: Stage) -> list[Figure]:
    return [await _replay(stage), await _by_two(stage, "replay into two projections", _replay_apart), *await _verify(stage)]


async def _replay(stage: Stage) -> Figure:
    definition = order_totals("measured-replay")
    await ensure_record(stage.store.connection, definition)
    began = time.perf_counter()
    rebuilt = await build_beside(stage.store, definition)
    rate = rebuilt.applied / (time.perf_counter() - began)
    assert rebuilt.applied >= stage.data.events
    await drop_build(stage.store.connection, definition, rebuilt.build)
    return Figure(
        what=f"replay {rebuilt.applied:,} events into a projection of {stage.data.aggregates:,} models, one worker",
        measured=rate_words(rate),
        target=f"≥ {REPLAYED_PER_SECOND:,}/s",
        is_met=rate >= REPLAYED_PER_SECOND,
    )


async def _verify(stage: Stage) -> list[Figure]:
    verdict = await verify_stream(stage.store)
    assert verdict.intact, verdict
    one = Figure(
        what=f"verify the stream of {verdict.checked:,} events, one worker",
        measured=rate_words(verdict.rate),
        target=f"≥ {VERIFIED_PER_SECOND:,}/s",
        is_met=verdict.rate >= VERIFIED_PER_SECOND,
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
        definition = order_totals(f"measured-replay-{number}")
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
