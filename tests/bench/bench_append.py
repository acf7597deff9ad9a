"""This module is the measure of appending: one event, and ten at once, to aggregates among all the others, beside plain publishing."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import replace

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Outgoing, append, head_of

from .data_set import make_outgoing, picked, writing_on
from .figures import Figure, Spread
from .measured_domain import USUAL, payload_of
from .stage import Stage

ONES, TENS = 2_000, 300
WARM_UP = 20
ONE_P99_MILLISECONDS, ONE_RATIO = 10.0, 0.8


async def measure(stage: Stage) -> list[Figure]:
    one, bare_one = await _measure(stage, size=1, rounds=stage.times(ONES), seed=1)
    ten, bare_ten = await _measure(stage, size=10, rounds=stage.times(TENS), seed=2)
    ratio = bare_one.p50 / one.p50
    first = Figure(
        what="append one event, acknowledged",
        measured=one.words(50, 99),
        bare=bare_one.words(50, 99),
        ratio=ratio,
        target=f"p99 < {ONE_P99_MILLISECONDS:.0f} ms; ≥ {ONE_RATIO} × the bare publish",
        is_met=one.p99 < ONE_P99_MILLISECONDS and ratio >= ONE_RATIO,
    )
    second = Figure(what="append ten events at once", measured=ten.words(50, 99), bare=bare_ten.words(50, 99), ratio=bare_ten.p50 / ten.p50)
    return [first, second]


async def _measure(stage: Stage, *, size: int, rounds: int, seed: int) -> tuple[Spread, Spread]:
    """In turn ours and the bare client's, each to the next of two rows of aggregates, so that both meet the same moments."""
    ours, bare = [], []
    heads = await _heads(stage, 2 * min(rounds + WARM_UP, len(stage.data.sevens) // 2), seed)
    half = len(heads) // 2
    for number in range(rounds + WARM_UP):
        place = number % half
        taken, heads[place] = await _append(stage, heads[place], size, number)
        ours.append(taken)
        taken, heads[half + place] = await _publish(stage, heads[half + place], size, number)
        bare.append(taken)
    return Spread.of(ours[WARM_UP:]), Spread.of(bare[WARM_UP:])


async def _heads(stage: Stage, count: int, seed: int) -> list[Head]:
    refs: list[AggregateRef] = picked(stage.data.sevens, count, seed=seed)
    return [await head_of(stage.store, ref) for ref in refs]


async def _append(stage: Stage, head: Head, size: int, number: int) -> tuple[float, Head]:
    events = [NewEvent(type=USUAL, payload=payload_of(number), actor="bench") for _ in range(size)]
    began = time.perf_counter()
    stored = await append(stage.store, head, events)
    return time.perf_counter() - began, stored[-1].head


async def _publish(stage: Stage, head: Head, size: int, number: int) -> tuple[float, Head]:
    writing = writing_on(head)
    messages: list[Outgoing] = [make_outgoing(writing, number=number) for _ in range(size)]
    began = time.perf_counter()
    sent: Awaitable[None] = stage.bare.publish(messages[0]) if size == 1 else stage.bare.publish_batch(messages)
    await sent
    return time.perf_counter() - began, replace(head, version=writing.version, cid=writing.cid)
