"""This module is the history of lag: every few seconds where each projection was, kept so that it is there before anyone looks.

Three tiers in the bucket `cim-samples`: an hour by 5 seconds, a day by minutes, a week by tens of minutes; one key for each projection
and tier. What is kept are counts, not rates, so a rate over any span is exact and a sample that is missing falsifies nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, cast

from ..encoding import decode, encode
from ..errors import StreamNotFound
from ..store import Connection, kv_get_many

SAMPLES_BUCKET = "cim-samples"
READ_AGAIN = 64
_JITTER_SECONDS = 1
TierName = Literal["5s", "1m", "10m"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """How often a sample is kept, and how many."""

    name: TierName
    seconds: int
    kept: int


TIERS = (
    Tier(name="5s", seconds=5, kept=720),
    Tier(name="1m", seconds=60, kept=1440),
    Tier(name="10m", seconds=600, kept=1008),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Where a projection was. Rates are events a second since the sample before: that came in, and that were applied."""

    time: datetime
    lag: int
    position: int
    rate_in: float
    rate_applied: float


@dataclass(frozen=True, slots=True)
class Point:
    """What is stored of one moment: seconds since 1970, lag, position, events applied in all, and the build they were applied to."""

    at: int
    lag: int
    position: int
    applied: int
    build: int


class Series:
    """The points of one projection in one tier, oldest first."""

    def __init__(self, tier: Tier, points: Sequence[Point] = ()) -> None:
        self.tier = tier
        self.points = list(points)

    def add(self, point: Point) -> bool:
        """Keep `point` if its time has come, and say whether it was kept."""
        if self.points and point.at - self.points[-1].at < self.tier.seconds - _JITTER_SECONDS:
            return False
        self.points.append(point)
        del self.points[: -self.tier.kept]
        oldest = point.at - self.tier.seconds * self.tier.kept
        while self.points[0].at < oldest:
            del self.points[0]
        return True

    def to_bytes(self) -> bytes:
        columns = {name: [getattr(point, name) for point in self.points] for name in Point.__slots__}
        return encode(columns)  # type: ignore[arg-type]

    @classmethod
    def from_bytes(cls, tier: Tier, data: bytes) -> Series:
        return cls(tier, _points(data))

    def samples(self) -> tuple[Sample, ...]:
        """The points as samples; the first one and those after a switch of builds have no rate."""
        found: list[Sample] = []
        for before, point in zip([None, *self.points[:-1]], self.points, strict=True):
            rates = rates_between(before, point) if before else Rates()
            found.append(
                Sample(
                    time=datetime.fromtimestamp(point.at, UTC),
                    lag=point.lag,
                    position=point.position,
                    rate_in=rates.incoming,
                    rate_applied=rates.applied,
                )
            )
        return tuple(found)


@lru_cache(maxsize=READ_AGAIN)
def _points(data: bytes) -> tuple[Point, ...]:
    """Pages look more often than there are new samples, so what was just read is not decoded again."""
    columns = cast("dict[str, list[int]]", decode(data))
    return tuple(Point(*row) for row in zip(*(columns[name] for name in Point.__slots__), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Events a second."""

    incoming: float = 0.0
    applied: float = 0.0


def rates_between(before: Point, after: Point) -> Rates:
    """What came in and what was applied from one point to a later one, by the second; nothing where the build changed between."""
    seconds = after.at - before.at
    if seconds <= 0 or before.build != after.build:
        return Rates()
    applied = after.applied - before.applied
    incoming = applied + after.lag - before.lag
    return Rates(incoming=max(0, incoming) / seconds, applied=max(0, applied) / seconds)


def sample_key(name: str, tier: TierName) -> str:
    """The key of one projection's samples in one tier."""
    return f"projection.{name}.{tier}"


async def read_series(connection: Connection, names: Sequence[str], tier: TierName = "5s") -> Mapping[str, Series]:
    """The points of these projections in a tier; a projection that was never sampled is left out."""
    wanted = next(known for known in TIERS if known.name == tier)
    keys = {sample_key(name, tier): name for name in names}
    try:
        entries = await kv_get_many(connection, SAMPLES_BUCKET, list(keys)) if keys else {}
    except StreamNotFound:
        return {}
    return {keys[key]: Series.from_bytes(wanted, entry.value) for key, entry in entries.items()}


async def read_samples(connection: Connection, name: str, tier: TierName = "5s") -> tuple[Sample, ...]:
    """One projection's samples in a tier, oldest first; none where it was never sampled."""
    series = (await read_series(connection, [name], tier)).get(name)
    return series.samples() if series else ()
