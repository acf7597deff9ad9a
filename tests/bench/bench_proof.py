"""This module is the measure of blocks, verification, the log and evidence in the time of one core, without a server."""

from __future__ import annotations

import asyncio

from . import bench_chain, bench_encoding, bench_evidence, bench_log
from .figures import Figure, rate_words
from .stage import Stage


async def measure(stage: Stage) -> list[Figure]:
    return await asyncio.to_thread(_measure)


def _measure() -> list[Figure]:
    walk = bench_chain.measure_walk(bench_chain.make_messages())
    found = [(row.what, row.per_second, row.wanted_per_second) for row in bench_encoding.make_rows()]
    rates = [_figure(*row) for row in (*found, (walk.what, walk.per_second, walk.wanted_per_second))]
    return [*rates, *bench_log.measure_log(), *bench_evidence.measure_evidence()]


def _figure(what: str, per_second: int, wanted: int | None) -> Figure:
    return Figure(
        what=what,
        measured=rate_words(per_second),
        target=f"≥ {wanted:,}/s a core" if wanted else "",
        is_met=per_second >= wanted if wanted else None,
    )
