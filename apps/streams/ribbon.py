"""This module is when the events of a stream came: how many in each of some equal times of its last hour, found without reading them.

The sequences at the ends of each time are looked up by Direct Get; their distance is the count, gaps included. Times that are over do
not change, so what was looked up for one page serves the next.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from apps.persistence.errors import FeatureUnavailable
from apps.persistence.store import Store, StreamInfo, at_time

HOUR_SECONDS = 3600
BAR_SECONDS = 60
AT_ONCE = 16
KEPT = 8192
HEIGHT = 40
LABELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The events of one time, by sequence; `x` and `height` are those of the drawing."""

    began: datetime
    first: int
    last: int
    x: int
    height: float

    @property
    def count(self) -> int:
        """How many there were at most: what is gone between them is counted, too."""
        return self.last - self.first + 1

    @property
    def y(self) -> float:
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """An hour in bars; `labels` are moments for the axis, evenly spread. `is_exact` where nothing is missing in the stream."""

    bars: tuple[Bar, ...]
    labels: tuple[datetime, ...]
    width: int
    bar_seconds: int
    busiest: int
    is_exact: bool


_sequences: OrderedDict[tuple[str, datetime | None, datetime], int] = OrderedDict()


async def read_ribbon(store: Store, stream: StreamInfo, now: datetime | None = None) -> Ribbon | None:
    """The hour up to now, or up to the last event where that is longer ago; None where nothing can be looked up by time."""
    if not stream.allows_direct or not stream.messages or stream.last_time is None:
        return None
    moment = now or datetime.now(UTC)
    end = moment if moment - stream.last_time < timedelta(seconds=HOUR_SECONDS) else stream.last_time
    edges = _edges(end)
    try:
        sequences = await _sequences_at(store, stream, edges, moment)
    except FeatureUnavailable:
        return None
    counts = [after - before for before, after in pairwise(sequences)]
    busiest = max(max(counts), 1)
    return Ribbon(
        bars=tuple(
            Bar(began=edges[place], first=sequences[place], last=sequences[place + 1] - 1, x=place * 10, height=_height(count, busiest))
            for place, count in enumerate(counts)
            if count > 0
        ),
        labels=tuple(edges[place * (len(edges) - 1) // (LABELS - 1)] for place in range(LABELS)),
        width=len(counts) * 10,
        bar_seconds=BAR_SECONDS,
        busiest=busiest,
        is_exact=stream.deleted == 0,
    )


def _edges(end: datetime) -> list[datetime]:
    """The ends of every bar, on whole minutes, the last one after `end`."""
    last = end.replace(second=0, microsecond=0) + timedelta(seconds=BAR_SECONDS)
    bars = HOUR_SECONDS // BAR_SECONDS
    return [last - timedelta(seconds=BAR_SECONDS * (bars - place)) for place in range(bars + 1)]


async def _sequences_at(store: Store, stream: StreamInfo, edges: list[datetime], now: datetime) -> list[int]:
    """The first sequence at or after each moment."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def look_up(moment: datetime) -> int:
        if stream.first_time is not None and moment <= stream.first_time:
            return stream.first_sequence
        if stream.last_time is not None and moment > stream.last_time:
            return stream.last_sequence + 1
        key = (stream.name, stream.created, moment)
        if key in _sequences:
            return max(_sequences[key], stream.first_sequence)
        async with slots:
            found = await at_time(store.connection, stream.name, moment)
        sequence = found.sequence if found else stream.last_sequence + 1
        if found and moment < now:
            _keep(key, sequence)
        return sequence

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look_up(moment)) for moment in edges]
    found = [task.result() for task in tasks]
    return [max(found[: place + 1]) for place in range(len(found))]


def _keep(key: tuple[str, datetime | None, datetime], sequence: int) -> None:
    _sequences[key] = sequence
    if len(_sequences) > KEPT:
        _sequences.popitem(last=False)


def _height(count: int, busiest: int) -> float:
    """At least a line where there was anything."""
    return max(1.5, round(count / busiest * HEIGHT, 1)) if count else 0.0
