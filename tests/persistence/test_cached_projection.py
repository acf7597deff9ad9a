"""The cached projection: computed once for each key, remembered for a time, and never more than it may hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.projections import CachedProjection


class Clock:
    """A time that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Computing:
    """Counts how often it was asked; waits until `go` is set."""

    def __init__(self) -> None:
        self.times = 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self) -> int:
        self.times += 1
        times = self.times
        await self.go.wait()
        return times


def cache(clock: Callable[[], float], *, most: int = 1000) -> CachedProjection[str, int]:
    return CachedProjection(ttl_seconds=10, most=most, clock=clock)


async def test_value_is_computed_once_and_again_after_its_time() -> None:
    clock, compute = Clock(), Computing()
    cached = cache(clock)

    first = [await cached.get_or_compute("a", compute), await cached.get_or_compute("a", compute)]
    clock.now = 10.0
    later = await cached.get_or_compute("a", compute)

    assert (first, later) == ([1, 1], 2)
    assert (cached.hits, cached.misses) == (1, 2)


async def test_many_who_ask_at_once_share_one_computation() -> None:
    compute = Computing()
    compute.go.clear()
    cached = cache(Clock())

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(cached.get_or_compute("a", compute)) for _ in range(50)]
        await asyncio.sleep(0)
        compute.go.set()

    assert [task.result() for task in asking] == [1] * 50
    assert compute.times == 1


async def test_keys_do_not_wait_for_each_other() -> None:
    slow, quick = Computing(), Computing()
    slow.go.clear()
    cached = cache(Clock())

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(cached.get_or_compute("slow", slow))
        answered = await cached.get_or_compute("quick", quick)
        slow.go.set()

    assert (answered, waiting.result()) == (1, 1)


async def test_failure_is_not_remembered() -> None:
    cached = cache(Clock())

    async def fail() -> int:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await cached.get_or_compute("a", fail)

    assert await cached.get_or_compute("a", Computing()) == 1


async def test_cancelled_computation_leaves_it_to_the_next_who_asks() -> None:
    compute = Computing()
    compute.go.clear()
    cached = cache(Clock())
    first = asyncio.create_task(cached.get_or_compute("a", compute))
    await asyncio.sleep(0)
    second = asyncio.create_task(cached.get_or_compute("a", compute))
    await asyncio.sleep(0)

    first.cancel()
    compute.go.set()

    assert await second == 2
    assert first.cancelled()


async def test_the_one_not_asked_for_longest_goes_first() -> None:
    cached, compute = cache(Clock(), most=2), Computing()
    for key in ("a", "b", "a", "c"):
        await cached.get_or_compute(key, compute)

    again = [await cached.get_or_compute("a", compute), await cached.get_or_compute("b", compute)]

    assert again == [1, 4]
    assert len(cached) == 2


async def test_forgotten_value_is_computed_anew() -> None:
    cached, compute = cache(Clock()), Computing()
    await cached.get_or_compute("a", compute)

    cached.forget("a")

    assert await cached.get_or_compute("a", compute) == 2


def test_cache_that_holds_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="A cache of 0 values for 1 seconds holds nothing"):
        CachedProjection[str, int](ttl_seconds=1, most=0)
