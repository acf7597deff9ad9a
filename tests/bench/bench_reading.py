"""This module is the measure of reading a whole stream in order, beside nats-py's own ordered consumer, and of the memory it takes."""

from __future__ import annotations

import gc

import psutil  # type: ignore[import-untyped]

from apps.persistence.store import EVENTS, open_reader

from .figures import Clock, Figure, Rate
from .stage import Stage

TOGETHER = 200_000
"""So many events are read by both clients in turn."""
ROUNDS = 3
PER_SECOND = 80_000
GROWTH_MEGABYTES = 20.0
"""What the allocator may keep; a reader that held what it read would take a gigabyte."""


async def measure(stage: Stage) -> list[Figure]:
    count = min(TOGETHER, stage.data.events)
    ours, bare = [], []
    for _ in range(stage.times(ROUNDS, least=1)):
        ours.append(await _read(stage, count))
        bare.append(await _read_bare(stage, count))
    together, ordered = max(ours, key=lambda rate: rate.per_second), max(bare, key=lambda rate: rate.per_second)
    whole, growth = await _read_whole(stage)
    return [
        Figure(
            what=f"read {count:,} events in order, one process",
            measured=together.words(),
            bare=ordered.words(),
            ratio=together.per_second / ordered.per_second,
            target=f"≥ {PER_SECOND:,}/s",
            is_met=together.per_second >= PER_SECOND,
            note="best of the rounds, nats-py's ordered consumer beside it",
        ),
        Figure(
            what=f"read all {stage.data.events:,} events; memory from the first tenth to the end",
            measured=f"{whole.words()}; {growth:+.1f} MB",
            target=f"≥ {PER_SECOND:,}/s; flat (< {GROWTH_MEGABYTES:.0f} MB)",
            is_met=whole.per_second >= PER_SECOND and growth < GROWTH_MEGABYTES,
        ),
    ]


async def _read(stage: Stage, count: int) -> Rate:
    gc.collect()
    clock, seen = Clock(), 0
    async with open_reader(stage.store.connection, EVENTS.stream, to_sequence=count) as reader:
        async for messages in reader:
            seen += len(messages)
    assert seen == count, seen
    return clock.rate_of(seen)


async def _read_bare(stage: Stage, count: int) -> Rate:
    gc.collect()
    clock = Clock()
    await stage.bare.read_in_order(EVENTS.stream, EVENTS.subjects, count)
    return clock.rate_of(count)


async def _read_whole(stage: Stage) -> tuple[Rate, float]:
    """Events in a second, and by how many megabytes this process grew after the first tenth, at its largest."""
    gc.collect()
    process = psutil.Process()
    settled, largest, seen = 0, 0, 0
    clock = Clock()
    async with open_reader(stage.store.connection, EVENTS.stream, to_sequence=stage.data.events) as reader:
        async for messages in reader:
            seen += len(messages)
            if seen < stage.data.events // 10:
                continue
            resident = process.memory_info().rss
            settled, largest = settled or resident, max(largest, resident)
    assert seen == stage.data.events, seen
    return clock.rate_of(seen), (largest - settled) / 1e6
