"""This module is the measure of growth: what loads and pages cost with ten times the events, both sizes one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from . import bench_load, bench_pages
from .figures import Figure
from .stage import Stage, open_stage

TIMES = 10
FLAT = 1.5
"""So much dearer may the dearest be on a machine that is not quiet, and still be called flat."""


async def measure(stage: Stage) -> list[Figure]:
    async with open_stage(events=stage.data.events // TIMES, share=stage.share) as small:
        return [
            compare("loads", await bench_load.measure(small), await bench_load.measure(stage)),
            compare("pages", await bench_pages.measure(small), await bench_pages.measure(stage)),
        ]


def compare(what: str, small: Sequence[Figure], large: Sequence[Figure]) -> Figure:
    """The row that grew most of those that both sizes have; a load of the large aggregate is no such row, as it is larger there."""
    before = {figure.what: figure.p50 for figure in small if figure.p50}
    grown = {figure.what: figure.p50 / then for figure in large if figure.p50 and (then := before.get(figure.what))}
    usual, dearest = sorted(grown.values())[len(grown) // 2], max(grown, key=lambda name: grown[name])
    return Figure(
        what=f"{what}: p50 with {TIMES} times the events",
        measured=f"{usual:.2f} times (the middle one); at most {grown[dearest]:.2f} times ({dearest})",
        target=f"flat (at most {FLAT} times)",
        is_met=grown[dearest] <= FLAT,
        note=f"{len(grown)} compared",
    )
