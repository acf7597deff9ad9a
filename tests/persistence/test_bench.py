"""This module is the tests that the benchmark runs and says what it measured. How quick anything is, is not a matter of tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.persistence.store import EVENTS, get_stream, head_of
from tests.bench import bench_append, bench_load, bench_reading, bench_replay
from tests.bench.data_set import plan_data
from tests.bench.document import BEGIN, DOCUMENT, END, with_figures, write_document
from tests.bench.figures import Figure, Spread, to_text
from tests.bench.stage import Stage, open_stage

EVENTS_STORED = 2_000


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage(events=EVENTS_STORED, share=0.01) as opened:
        yield opened


async def test_data_set_holds_whole_chains_of_the_planned_lengths(stage: Stage) -> None:
    stored = await get_stream(stage.store.connection, EVENTS.stream)
    chosen = (stage.data.tens[0], stage.data.hundreds[0], stage.data.sevens[-1], stage.data.large)
    heads = [await head_of(stage.store, ref) for ref in chosen]

    assert stored.messages == 2_000
    assert [head.version for head in heads] == [10, 100, 7, 20]


def test_a_million_events_are_a_hundred_thousand_aggregates_and_one_of_ten_thousand_events() -> None:
    data = plan_data(1_000_000)

    assert (data.events, data.aggregates, data.large_size) == (1_000_000, 100_501, 10_000)


async def test_appending_loading_reading_and_replaying_are_measured(stage: Stage) -> None:
    figures = [
        *await bench_append.measure(stage),
        *await bench_load.measure(stage),
        *await bench_reading.measure(stage),
        *await bench_replay.measure(stage),
    ]

    verdicts = Counter("without a target" if figure.is_met is None else "with a target" for figure in figures)
    assert verdicts == {"with a target": 9, "without a target": 7}
    assert [figure.what for figure in figures if not figure.measured] == []
    assert len([figure for figure in figures if figure.ratio is not None]) == 9


def test_percentiles_are_times_that_were_measured() -> None:
    spread = Spread.of([number / 1000 for number in range(1, 101)])

    assert (spread.p50, spread.p95, spread.p99) == (50.0, 95.0, 99.0)


def test_table_says_what_was_missed() -> None:
    table = to_text([Figure(what="append", measured="12 ms", bare="3 ms", ratio=0.25, target="< 10 ms", is_met=False)])

    assert table.splitlines()[1].split() == ["append", "12", "ms", "3", "ms", "0.25", "<", "10", "ms", "missed"]


def test_document_keeps_what_stands_around_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n")

    write_document(["2 cores"], [Figure(what="append", measured="1 ms")], path=path)

    text = path.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert "| append | 1 ms |" in text
    assert "old" not in text


def test_document_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="measured: begin"):
        with_figures("No markers.", [], [])


def test_documentation_has_the_place_for_the_figures() -> None:
    assert [marker in DOCUMENT.read_text() for marker in (BEGIN, END)] == [True, True]
