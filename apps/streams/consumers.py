"""This module is the consumers of a stream, and in plain words what stops or slows each of them."""

from __future__ import annotations

import math
import shlex
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from apps.display.figures import clock, count, day, span
from apps.persistence.projections import bucket_of
from apps.persistence.store import ConsumerInfo, Store, StreamInfo, get_stream, list_consumers
from apps.registry import registry

from .addresses import observed_by

STALLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning:
    """A sentence, and how bad it is."""

    state: Literal["bad", "warn", "info"]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerRow:
    """One consumer with what is to be said of it, the worst first. `projection` is the one of the console's own that it feeds."""

    consumer: ConsumerInfo
    warnings: tuple[Warning, ...]
    projection: str = ""

    @property
    def name(self) -> str:
        return self.consumer.name

    @property
    def state(self) -> str:
        """One word for its pill."""
        if self.consumer.is_paused:
            return "paused"
        if any(warning.state == "bad" for warning in self.warnings):
            return "stalled"
        return "behind" if self.consumer.lag else "up_to_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumersPage:
    """The consumers of one stream, those with most left to do first. `wanted` is the name of the one to look at, or nothing."""

    stream: StreamInfo
    rows: tuple[ConsumerRow, ...]
    wanted: str = ""

    @property
    def shown(self) -> ConsumerRow | None:
        """The one to look at; None where it is gone."""
        return next((row for row in self.rows if row.name == self.wanted), None)

    @property
    def add_command(self) -> str:
        """How to make a consumer with the NATS command line; a stream's name may hold what a shell would run."""
        return f"nats consumer add {shlex.quote(self.stream.name)}"

    @property
    def revision(self) -> str:
        """A short text that changes when a consumer was made, made anew or deleted, or something bad begins or ends."""
        said = sorted((row.name, str(row.consumer.created), row.state == "stalled") for row in self.rows)
        return f"{zlib.crc32(repr(said).encode()):08x}"


async def read_consumers(store: Store, name: str, wanted: str = "") -> ConsumersPage:
    """Raises StreamNotFound, InvalidInput or Unavailable."""
    stream = await get_stream(store.connection, name)
    consumers = await list_consumers(store.connection, name)
    now = datetime.now(UTC)
    rows = (_row(consumer, now, "" if observed_by(store) else _fed_by(consumer)) for consumer in consumers)
    ordered = sorted(rows, key=lambda row: (-row.consumer.lag, row.consumer.name))
    return ConsumersPage(stream=stream, rows=tuple(ordered), wanted=wanted)


def _row(consumer: ConsumerInfo, now: datetime, projection: str) -> ConsumerRow:
    """A projection reads in bulk beside its consumer while it is far behind, and rests where it stopped: its own page tells which."""
    warnings = warnings_of(consumer, now, silence_counts=not projection)
    return ConsumerRow(consumer=consumer, warnings=warnings, projection=projection)


def _fed_by(consumer: ConsumerInfo) -> str:
    """The declared projection of which a build has this consumer, or nothing."""
    name = consumer.name.rpartition("-")[0].removeprefix("cim-")
    build = consumer.name.rpartition("-")[2]
    return name if name in registry().projections and build.isdecimal() and consumer.name == bucket_of(name, int(build)) else ""


def consumers_command(stream: str) -> str:
    """The same with the NATS command line."""
    return f"nats consumer report {shlex.quote(stream)}"


def warnings_of(consumer: ConsumerInfo, now: datetime, *, silence_counts: bool = True) -> tuple[Warning, ...]:
    """What keeps the consumer from finishing, the worst first. Without `silence_counts` nothing is made of that nobody asks for events."""
    checks = (_full, _unheard, _paused, *([_unread] if silence_counts else []), _redelivering, _still)
    found = [warning for check in checks if (warning := check(consumer, now))]
    return tuple(sorted(found, key=lambda warning: ("bad", "warn", "info").index(warning.state)))


def _full(consumer: ConsumerInfo, now: datetime) -> Warning | None:
    limit = consumer.max_ack_pending
    if limit <= 0 or consumer.ack_pending < limit:
        return None
    return Warning(
        state="bad", sentence=f"Ack pending {count(limit)} of {count(limit)}: delivery is stopped until acknowledgements arrive."
    )


def _unheard(consumer: ConsumerInfo, now: datetime) -> Warning | None:
    if not consumer.is_push or consumer.is_bound:
        return None
    return Warning(state="bad", sentence="A push consumer with nobody subscribed: nothing is delivered until somebody listens.")


def _paused(consumer: ConsumerInfo, now: datetime) -> Warning | None:
    if not consumer.is_paused:
        return None
    until = consumer.pause_until
    if until is None:
        return Warning(state="info", sentence="Paused.")
    left = (until - now).total_seconds()
    return Warning(state="info", sentence=f"Paused until {day(until)} {clock(until)} UTC, {span(_coarse(left))} from now.")


def _coarse(seconds: float) -> float:
    """Whole minutes of what is left, so that a row is not drawn anew each second; the last minute in steps of ten seconds."""
    step = 60 if seconds > 60 else 10
    return max(step, math.ceil(seconds / step) * step)


def _unread(consumer: ConsumerInfo, now: datetime) -> Warning | None:
    if consumer.is_push or consumer.is_paused or consumer.waiting or not consumer.pending:
        return None
    if consumer.last_delivered and (now - consumer.last_delivered).total_seconds() < STALLED_SECONDS:
        return None
    since = f" since {day(consumer.last_delivered)} {clock(consumer.last_delivered)} UTC" if consumer.last_delivered else " so far"
    return Warning(state="bad", sentence=f"Nobody asks for its {count(consumer.pending)} waiting events{since}: its worker may not run.")


def _redelivering(consumer: ConsumerInfo, now: datetime) -> Warning | None:
    if not consumer.redelivered:
        return None
    wait = consumer.config.get("ack_wait", 0) / 1e9
    after = f" within {span(wait)}" if wait else ""
    return Warning(
        state="warn", sentence=f"Redelivering {count(consumer.redelivered)}: these were given out before and not acknowledged{after}."
    )


def _still(consumer: ConsumerInfo, now: datetime) -> Warning | None:
    """Given out, and no acknowledgement moves on: told only where nothing else explains it."""
    seconds = (now - consumer.last_delivered).total_seconds() if consumer.last_delivered else 0.0
    wait = max(STALLED_SECONDS, consumer.config.get("ack_wait", 0) / 1e9)
    if not consumer.ack_pending or seconds < wait or consumer.is_paused:
        return None
    return Warning(
        state="warn", sentence=f"{count(consumer.ack_pending)} given out and not acknowledged; the last was {span(seconds)} ago."
    )
