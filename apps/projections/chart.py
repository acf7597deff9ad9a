"""This module is the chart of one projection's lag: what is drawn, and the same as rows of a table for who reads without a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from apps.persistence.errors import InvalidInput
from apps.persistence.projections import Sample, TierName
from apps.persistence.work.run import Run

POINTS = 360
TABLE_ROWS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time that can be looked at: its name in the address, its words, and the samples that cover it."""

    name: str
    words: str
    tier: TierName
    every: str
    length: timedelta


SPANS = (
    Span(name="1h", words="1 hour", tier="5s", every="5 s", length=timedelta(hours=1)),
    Span(name="24h", words="24 hours", tier="1m", every="1 min", length=timedelta(hours=24)),
    Span(name="7d", words="7 days", tier="10m", every="10 min", length=timedelta(days=7)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that somebody did to the projection, and that may explain its lag."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The samples of a span, oldest first, and what happened meanwhile."""

    span: Span
    samples: tuple[Sample, ...]
    marks: tuple[Mark, ...]

    @property
    def points(self) -> str:
        """What the picture is drawn from, as JSON: times in seconds, lag, rates, marks."""
        shown = thin_samples(self.samples, POINTS)
        return json.dumps(
            {
                "times": [int(sample.time.timestamp()) for sample in shown],
                "lag": [sample.lag for sample in shown],
                "incoming": [round(sample.rate_in, 2) for sample in shown],
                "applied": [round(sample.rate_applied, 2) for sample in shown],
                "marks": [{"at": int(mark.at.timestamp()), "words": mark.words} for mark in self.marks],
            },
            separators=(",", ":"),
        )

    @property
    def rows(self) -> list[Sample]:
        """Some samples, those with the highest lag of their share, newest first."""
        return thin_samples(self.samples, TABLE_ROWS)[::-1]

    @property
    def peak(self) -> Sample | None:
        """The sample with the highest lag."""
        return max(self.samples, key=lambda sample: sample.lag, default=None)


def span_of(name: str) -> Span:
    """The span of this name; the first where there is none given. Raises InvalidInput."""
    found = next((span for span in SPANS if span.name == (name or SPANS[0].name)), None)
    if found is None:
        raise InvalidInput(f"{name[:80]!r} is no span of the chart; it shows {', '.join(span.name for span in SPANS)}.")
    return found


def make_chart(span: Span, samples: Sequence[Sample], runs: Sequence[Run]) -> Chart:
    """The chart of a span, with a mark for every run that was started in it."""
    since = samples[0].time if samples else None
    marks = [Mark(at=run.started_at, words=run.summary) for run in runs if run.started_at and since and run.started_at >= since]
    return Chart(span=span, samples=tuple(samples), marks=tuple(marks))


def thin(values: Sequence[float], points: int) -> list[float]:
    """At most `points` values, each the highest of its share."""
    return [max(values[first:end]) for first, end in _shares(len(values), points)]


def thin_samples(samples: Sequence[Sample], points: int) -> list[Sample]:
    """At most `points` samples, each that with the highest lag of its share."""
    return [max(samples[first:end], key=lambda sample: sample.lag) for first, end in _shares(len(samples), points)]


def _shares(length: int, points: int) -> list[tuple[int, int]]:
    count = min(length, points)
    borders = [length * index // count for index in range(count + 1)] if count else []
    return list(pairwise(borders))
