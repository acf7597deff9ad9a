"""This module is one look at every stream of the server with its consumers: bounded, and kept a few seconds for all who look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from apps.display.figures import rate
from apps.persistence.chain import Mark, known_marks
from apps.persistence.errors import NotFound, PermissionDenied
from apps.persistence.projections.stream_samples import StreamSamples, read_stream_samples
from apps.persistence.store import Connection, Store, StreamInfo, list_consumers, list_streams

from .addresses import observed_by
from .drift import drift_here
from .head import lagging_replicas
from .rates import RATES

STREAMS_KEPT_SECONDS = 1.0
CONSUMERS_KEPT_SECONDS = 4.0
AT_ONCE = 16
NEAR_A_LIMIT = 0.8
BEHIND_SECONDS = 10.0
BEHIND_EVENTS = 10
IDLE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """The consumer of a stream that has most left to do."""

    consumer: str
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much of one limit is used: `used` is 0 to 1, `what` names it."""

    what: str
    used: float
    limit: int

    @property
    def percent(self) -> int:
        return int(self.used * 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """One stream in the list. `lag` is None without consumers; `limit` is the one most used, from NEAR_A_LIMIT on."""

    stream: StreamInfo
    rate: float | None
    line: tuple[float, ...]
    lag: Lag | None
    limit: Limit | None
    mark: Mark | None
    is_idle: bool
    is_drifted: bool = False

    @property
    def name(self) -> str:
        return self.stream.name

    @property
    def is_behind(self) -> bool:
        """Whether a consumer lacks more than comes in within BEHIND_SECONDS, and at least BEHIND_EVENTS."""
        return self.lag is not None and self.lag.events >= max(BEHIND_EVENTS, (self.rate or 0) * BEHIND_SECONDS)

    @property
    def lagging(self) -> tuple[str, ...]:
        """The replicas that are not up to date."""
        return lagging_replicas(self.stream)

    @property
    def current_replicas(self) -> int:
        return self.stream.replicas - len(self.lagging)

    @property
    def line_words(self) -> str:
        """The sparkline in words."""
        return f"up to {rate(max(self.line, default=0.0))} lately"

    @property
    def retention_words(self) -> str:
        """How long events stay, in two words."""
        if self.stream.is_sealed:
            return "sealed"
        return {"workqueue": "work queue"}.get(self.stream.retention, self.stream.retention)


@dataclass(slots=True)
class _Kept:
    """What was seen last on one connection."""

    streams: list[StreamInfo] = field(default_factory=list)
    streams_at: float = float("-inf")
    lags: Mapping[str, Lag] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    samples: StreamSamples = field(default_factory=StreamSamples)
    lags_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_kept: WeakKeyDictionary[Connection, _Kept] = WeakKeyDictionary()


async def survey(store: Store) -> tuple[StreamRow, ...]:
    """Every stream with its worst lag, by name. Raises JetStreamDisabled, PermissionDenied or Unavailable."""
    kept = _kept.setdefault(store.connection, _Kept())
    async with kept.lock:
        if time.monotonic() - kept.streams_at > STREAMS_KEPT_SECONDS:
            kept.streams = await list_streams(store.connection)
            kept.streams_at = time.monotonic()
            RATES.note(kept.streams)
        if time.monotonic() - kept.lags_at > CONSUMERS_KEPT_SECONDS:
            kept.lags = await worst_lags(store, [stream.name for stream in kept.streams if stream.consumers])
            await _read_buckets(store, kept)
            kept.lags_at = time.monotonic()
    now = datetime.now(UTC)
    return tuple(_row(kept, stream, now, is_drifted=bool(drift_here(store, stream))) for stream in kept.streams)


async def _read_buckets(store: Store, kept: _Kept) -> None:
    """What workers have left there of the streams. On an observed server that may be nothing for our eyes."""
    try:
        kept.marks = {name: known.mark for name, known in (await known_marks(store)).items() if known.mark}
        kept.samples = await read_stream_samples(store.connection)
    except PermissionDenied:
        if not observed_by(store):
            raise


async def worst_lags(store: Store, names: Sequence[str]) -> dict[str, Lag]:
    """The consumer with the greatest lag of each stream, at most AT_ONCE asked at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def worst_of(name: str) -> Lag | None:
        async with slots:
            try:
                consumers = await list_consumers(store.connection, name)
            except NotFound:
                return None  # deleted since the streams were listed
        worst = max(consumers, key=lambda consumer: consumer.lag, default=None)
        return Lag(consumer=worst.name, events=worst.lag) if worst else None

    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(worst_of(name)) for name in names}
    return {name: lag for name, task in tasks.items() if (lag := task.result())}


def _row(kept: _Kept, stream: StreamInfo, now: datetime, *, is_drifted: bool) -> StreamRow:
    """What the list says of one stream. Its past rates are the worker's samples; its rate now is what this process sees, if it does."""
    newest = stream.last_time or stream.created
    line = kept.samples.rates(stream.name)
    rate_now = RATES.per_second(stream)
    return StreamRow(
        stream=stream,
        rate=rate_now if rate_now is not None else next(reversed(line), None),
        line=tuple(round(value, 2) for value in line) or RATES.line(stream),
        lag=kept.lags.get(stream.name),
        limit=nearest_limit(stream, now),
        mark=kept.marks.get(stream.name),
        is_idle=newest is not None and (now - newest).total_seconds() > IDLE_SECONDS,
        is_drifted=is_drifted,
    )


def nearest_limit(stream: StreamInfo, now: datetime) -> Limit | None:
    """The limit of the stream that is used most, if that is NEAR_A_LIMIT or more."""
    config = stream.config
    age = (now - stream.first_time).total_seconds() * 1e9 if stream.first_time and stream.messages else 0.0
    used = (("events", float(stream.messages), "max_msgs"), ("bytes", float(stream.bytes), "max_bytes"), ("age", age, "max_age"))
    limits = [Limit(what=what, used=value / config[key], limit=config[key]) for what, value, key in used if config.get(key, 0) > 0]
    worst = max(limits, key=lambda limit: limit.used, default=None)
    return worst if worst and worst.used >= NEAR_A_LIMIT else None
