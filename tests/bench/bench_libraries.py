"""This module is the measure beside two other libraries: append, load, and project a hundred thousand events, all on the same payloads.

Ours works in the stream of the stage, which holds at least as much as theirs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.projections import Orders, ensure_record, run_projection
from apps.persistence.snapshots import state_at
from apps.persistence.store import append, head_of
from apps.persistence.store.publish import MAX_BATCH

from .bench_replay import forget
from .data_set import picked
from .figures import Figure, Spread, rate_words
from .measured_domain import CONTEXT, ORDER, TYPE, USUAL, order_totals, payload_of
from .other_libraries import InSqlite, InStreams, open_streams
from .stage import Stage

APPENDS, LOADS, LARGE_LOADS = 1_000, 300, 5
EVENTS, SMALL, LARGE = 100_000, 100, 10_000
_NAME = "measured-beside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many events the others get, in all and in the large order; a tenth of the rest in orders of a hundred, others in tens."""

    events: int
    large: int

    @property
    def hundreds(self) -> int:
        return (self.events - self.large) // 10 // SMALL

    @property
    def tens(self) -> int:
        return (self.events - self.large - self.hundreds * SMALL) // 10


async def measure(stage: Stage) -> list[Figure]:
    sizes = Sizes(events=min(stage.data.events, stage.times(EVENTS)), large=stage.times(LARGE))
    ours = await _ours(stage, sizes)
    sqlite = await asyncio.to_thread(_sqlite, stage, sizes)
    async with open_streams(stage.server.settings("worker")) as streams:
        jetstream = await _streams(stage, streams, sizes)
    return [
        _compare(what, mine, {"eventsourcing": one, "message-store": other})
        for what, mine, one, other in zip(_names(sizes), ours, sqlite, jetstream, strict=True)
    ]


def _names(sizes: Sizes) -> list[str]:
    return [
        "append one event",
        f"state of an aggregate of {SMALL} events",
        f"state of an aggregate of {sizes.large:,} events, without a snapshot",
        f"project {sizes.events:,} events",
    ]


async def _ours(stage: Stage, sizes: Sizes) -> list[Spread | float]:
    refs = picked(stage.data.sevens, 1, seed=11)
    head = await head_of(stage.store, refs[0])

    async def add(number: int) -> None:
        nonlocal head
        stored = await append(stage.store, head, [NewEvent(type=USUAL, payload=payload_of(number), actor="bench")])
        head = stored[-1].head

    large = await _large(stage, sizes.large)
    hundreds: list[AggregateRef] = picked(stage.data.hundreds, stage.times(LOADS), seed=12)
    return [
        await _spread(add, stage.times(APPENDS)),
        await _spread(
            lambda number: state_at(stage.store, ORDER, hundreds[number % len(hundreds)], use_snapshot=False), stage.times(LOADS)
        ),
        await _spread(lambda _: state_at(stage.store, ORDER, large, use_snapshot=False), LARGE_LOADS),
        await _project_ours(stage, sizes.events),
    ]


async def _large(stage: Stage, size: int) -> AggregateRef:
    """An aggregate of so many events."""
    head = Head(aggregate=AggregateRef(CONTEXT, TYPE, new_id()))
    for start in range(0, size, MAX_BATCH):
        events = [NewEvent(type=USUAL, payload=payload_of(number), actor="bench") for number in range(start, min(start + MAX_BATCH, size))]
        head = (await append(stage.store, head, events))[-1].head
    return head.aggregate


async def _project_ours(stage: Stage, events: int) -> float:
    definition = order_totals(_NAME)
    await ensure_record(stage.store.connection, definition)
    began = time.perf_counter()
    position = await run_projection(stage.store, definition, 1, Orders(until=events))
    rate = position.applied / (time.perf_counter() - began)
    await forget(stage.store.connection, _NAME)
    return rate


def _sqlite(stage: Stage, sizes: Sizes) -> list[Spread | float]:
    folder = stage.folder / "eventsourcing"
    folder.mkdir()
    library = InSqlite(folder)
    order = library.write([])
    appended = _timed_each(lambda number: library.write([payload_of(number)], order), stage.times(APPENDS))
    hundreds: list[UUID] = [library.write(_payloads(SMALL)).id for _ in range(sizes.hundreds)]
    large = library.write(_payloads(sizes.large)).id
    for _ in range(sizes.tens):
        library.write(_payloads(10))
    loaded = _timed_each(lambda number: library.load(hundreds[number % len(hundreds)]), stage.times(LOADS))
    whole = _timed_each(lambda _: library.load(large), LARGE_LOADS)
    began = time.perf_counter()
    library.project()
    projected = library.stored / (time.perf_counter() - began)
    library.close()
    return [appended, loaded, whole, projected]


async def _streams(stage: Stage, library: InStreams, sizes: Sizes) -> list[Spread | float]:
    appended = await _spread(lambda number: library.write("first", [payload_of(number)]), stage.times(APPENDS))
    await library.write_all({f"hundred-{number}": _payloads(SMALL) for number in range(sizes.hundreds)})
    await library.write_all({f"ten-{number}": _payloads(10) for number in range(sizes.tens)})
    await library.write("large", _payloads(sizes.large))
    loaded = await _spread(lambda number: library.load(f"hundred-{number % sizes.hundreds}"), stage.times(LOADS))
    whole = await _spread(lambda _: library.load("large"), LARGE_LOADS)
    began = time.perf_counter()
    await library.project()
    return [appended, loaded, whole, sizes.events / (time.perf_counter() - began)]


def _payloads(count: int) -> list[dict[str, Any]]:
    return [dict(payload_of(number)) for number in range(count)]


async def _spread(doing: Callable[[int], Awaitable[object]], rounds: int) -> Spread:
    seconds = []
    for number in range(rounds):
        began = time.perf_counter()
        await doing(number)
        seconds.append(time.perf_counter() - began)
    return Spread.of(seconds)


def _timed_each(doing: Callable[[int], object], rounds: int) -> Spread:
    seconds = []
    for number in range(rounds):
        began = time.perf_counter()
        doing(number)
        seconds.append(time.perf_counter() - began)
    return Spread.of(seconds)


def _compare(what: str, ours: Spread | float, others: dict[str, Spread | float]) -> Figure:
    """The ratio is that to the quicker of the others."""
    ratios = [_ratio(ours, other) for other in others.values()]
    words = " · ".join(f"{name} {_words(other)}" for name, other in others.items())
    return Figure(what=what, measured=_words(ours), bare=words, ratio=min(ratios), target="ahead of both", is_met=min(ratios) > 1)


def _words(measured: Spread | float) -> str:
    return measured.words(50, 99) if isinstance(measured, Spread) else rate_words(measured)


def _ratio(ours: Spread | float, other: Spread | float) -> float:
    if isinstance(ours, Spread) and isinstance(other, Spread):
        return other.p50 / ours.p50
    assert isinstance(ours, float)
    assert isinstance(other, float)
    return ours / other
