"""This module is the measure of loading an aggregate: of ten, a hundred and many events, from cold and from warm memory of the server."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from apps.persistence.events import AggregateRef
from apps.persistence.snapshots import SNAPSHOTS_BUCKET, state_at, take
from apps.persistence.store import EVENTS, load

from .data_set import picked
from .figures import Figure, Spread
from .measured_domain import ORDER
from .stage import Stage

FIRST_TOUCHES, WARM_AGGREGATES, WARM_ROUNDS = 200, 20, 20
LARGE_ROUNDS, TAIL_ROUNDS = 10, 200
TAIL = 50
"""A snapshot every hundred events is, on average, so many events old."""
P50_MILLISECONDS, P99_MILLISECONDS = 5.0, 50.0
TARGET = f"p50 < {P50_MILLISECONDS:.0f} ms, p99 < {P99_MILLISECONDS:.0f} ms"
_PAGE = 1_000

Load = Callable[[AggregateRef], Awaitable[object]]


async def measure(stage: Stage) -> list[Figure]:
    tail = min(TAIL, stage.data.large_size // 2)
    at = stage.data.large_size - tail
    await take(stage.store, ORDER, stage.data.large, by="bench", version=at)
    await stage.restart_server()
    return [
        *await _measure_small(stage, "10", stage.data.tens, has_target=False),
        *await _measure_small(stage, "100", stage.data.hundreds, has_target=True),
        *await _measure_tail(stage, at, tail),
        *await _measure_whole(stage),
    ]


async def _measure_small(stage: Stage, size: str, refs: Sequence[AggregateRef], *, has_target: bool) -> list[Figure]:
    """First each aggregate for the first time since the server started, then some of them again and again."""
    chosen = picked(refs, 2 * stage.times(FIRST_TOUCHES, least=1), seed=3)
    cold = await _in_turn(stage, chosen[::2], chosen[1::2] or chosen)
    warm = await _in_turn(stage, *[chosen[:WARM_AGGREGATES] * stage.times(WARM_ROUNDS)] * 2)
    return [
        _figure(f"load {size} events, first touched since the server started", *cold, has_target=has_target),
        _figure(f"load {size} events, warm", *warm, has_target=has_target),
    ]


async def _measure_tail(stage: Stage, at: int, tail: int) -> list[Figure]:
    """The state of the large aggregate from a snapshot."""
    large = stage.data.large
    patterns = [EVENTS.at_version(large, version) for version in range(at, stage.data.large_size + 1)]

    async def ours() -> object:
        state = await state_at(stage.store, ORDER, large)
        assert (state.snapshot_version, state.events_read) == (at, tail), state
        return state

    async def bare() -> object:
        await stage.bare.last(f"KV_{SNAPSHOTS_BUCKET}", f"$KV.{SNAPSHOTS_BUCKET}.{large}")
        return await stage.bare.last_of_each(EVENTS.stream, patterns)

    what = f"state of {stage.data.large_size:,} events from a snapshot {tail} back"
    first = Spread.of([await _timed(ours())])
    spreads = await _both(ours, bare, stage.times(TAIL_ROUNDS))
    return [_figure(f"{what}, first touched", first, None, has_target=True), _figure(f"{what}, warm", *spreads, has_target=True)]


async def _measure_whole(stage: Stage) -> list[Figure]:
    """The state of the large aggregate by folding every event; it has no target, as snapshots exist."""
    large, size = stage.data.large, stage.data.large_size

    async def ours() -> object:
        state = await state_at(stage.store, ORDER, large, use_snapshot=False)
        assert state.events_read == size, state
        return state

    async def bare() -> object:
        for first in range(1, size + 1, _PAGE):
            patterns = [EVENTS.at_version(large, version) for version in range(first, min(first + _PAGE, size + 1))]
            await stage.bare.last_of_each(EVENTS.stream, patterns)
        return None

    what = f"state of {size:,} events without a snapshot"
    first = Spread.of([await _timed(ours())])
    spreads = await _both(ours, bare, stage.times(LARGE_ROUNDS, least=2))
    return [_figure(f"{what}, first touched", first, None, has_target=False), _figure(f"{what}, warm", *spreads, has_target=False)]


async def _in_turn(stage: Stage, ours: Sequence[AggregateRef], bare: Sequence[AggregateRef]) -> tuple[Spread, Spread]:
    own, other = [], []
    for mine, theirs in zip(ours, bare, strict=False):
        own.append(await _timed(load(stage.store, mine)))
        other.append(await _timed(stage.bare.last_of_each(EVENTS.stream, [EVENTS.all_of(theirs)])))
    return Spread.of(own), Spread.of(other)


async def _both(ours: Callable[[], Awaitable[object]], bare: Callable[[], Awaitable[object]], rounds: int) -> tuple[Spread, Spread]:
    own, other = [], []
    for _ in range(rounds):
        own.append(await _timed(ours()))
        other.append(await _timed(bare()))
    return Spread.of(own), Spread.of(other)


async def _timed(doing: Awaitable[object]) -> float:
    began = time.perf_counter()
    await doing
    return time.perf_counter() - began


def _figure(what: str, ours: Spread, bare: Spread | None, *, has_target: bool) -> Figure:
    is_met = ours.p50 < P50_MILLISECONDS and ours.p99 < P99_MILLISECONDS
    return Figure(
        what=what,
        measured=ours.words(50, 99),
        bare=bare.words(50, 99) if bare else "",
        ratio=bare.p50 / ours.p50 if bare else None,
        target=TARGET if has_target else "",
        is_met=is_met if has_target else None,
        p50=ours.p50,
    )
