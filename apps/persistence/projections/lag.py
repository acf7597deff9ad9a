"""This module is how far behind each projection is, since when, and when it will have caught up, in words and figures for a person.

Lag is what the durable consumer of the serving build has still to hand out plus what it handed out and nobody acknowledged; never a
difference of sequences, which is wrong for every projection that takes only some events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from ..events import now
from ..store import Connection
from .definition import ProjectionDefinition
from .facts import Facts, gather_facts
from .filling import NOBODY_ASKED, Crew, Filling, filling_of
from .record import Failure, ProjectionRecord, Wanted
from .samples import Point, Series, read_series

STALLED_AFTER_SECONDS = 60.0
LIVE_WITHIN_SECONDS = 5.0
"""Events younger than this do not make a projection late: it is Live while it works on them."""
RATES_KNOWN_AFTER_SECONDS = 15
"""A shorter time, such as that since readers were switched to a build, says nothing of how fast it goes."""
_RATE_SECONDS = 60
_STEADY_EVENTS = 5
_STEADY_SHARE = 0.02

Trend = Literal["up", "steady", "down"]


class State(StrEnum):
    """What a projection is doing, in the word that people see."""

    LIVE = "Live"
    CATCHING_UP = "Catching up"
    REBUILDING = "Rebuilding"
    PAUSED = "Paused"
    STALLED = "Stalled"
    FAILED = "Failed"
    NOT_STARTED = "Not started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """A build that is not complete: how far it is, of how much, the version of its code, and the run that fills it, empty for workers.

    `stream` is the one that it is built from, `failure` why it stopped, if it did.
    """

    build: int
    stream: str
    version: int
    position: int
    applied: int
    lag: int | None
    owner: str
    filling: Filling
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionStatus:
    """One projection at one moment.

    `lag` counts events, `seconds_behind` is the age of the next event it will apply (0 when there is none); both are None before it
    first ran. Rates are events a second over the last minute, None while the samples span too short a time. `caught_up_in_seconds` is 0
    when it is, None where it never will be at these rates. `lags` are those of the last hour's samples. `stalled_seconds` is how long
    nothing moved although events wait.

    `build` serves readers. Where its stream is `closed`, a generation that serves no more, figures and failure are those of the build
    `measured`, which is to replace it.
    """

    definition: ProjectionDefinition
    state: State
    lag: int | None = None
    ack_pending: int = 0
    redelivered: int = 0
    position: int = 0
    applied: int = 0
    applied_at: datetime | None = None
    next_sequence: int | None = None
    seconds_behind: float | None = None
    stalled_seconds: float | None = None
    rate_in: float | None = None
    rate_applied: float | None = None
    trend: Trend = "steady"
    caught_up_in_seconds: float | None = None
    lags: tuple[int, ...] = ()
    failure: Failure | None = None
    build: int | None = None
    measured: int | None = None
    closed: str = ""
    version: int | None = None
    rebuild: Rebuild | None = None
    skipped: int = 0
    parked: int = 0
    switched_at: datetime | None = None

    @property
    def name(self) -> str:
        """The projection's name."""
        return self.definition.name


async def project_status(
    connection: Connection,
    definitions: Sequence[ProjectionDefinition],
    crew: Crew = NOBODY_ASKED,
    *,
    stalled_after_seconds: float = STALLED_AFTER_SECONDS,
) -> list[ProjectionStatus]:
    """The status of each projection, in the order given. Where no worker is alive, events that wait are not being caught up with.

    Reads only. Raises Unavailable.
    """
    facts = await gather_facts(connection, definitions)
    series = await read_series(connection, [definition.name for definition in definitions])
    fillings = [await _filling_beside(connection, one, known, crew) for one, known in zip(definitions, facts, strict=True)]
    after = LIVE_WITHIN_SECONDS if crew.workers_alive == 0 else stalled_after_seconds
    moment = now()
    return [
        _status(known, series.get(known.definition.name), _Look(moment=moment, stalled_after_seconds=after, filling=filling))
        for known, filling in zip(facts, fillings, strict=True)
    ]


async def _filling_beside(connection: Connection, definition: ProjectionDefinition, facts: Facts, crew: Crew) -> Filling | None:
    if facts.beside is None or facts.record is None:
        return None
    return await filling_of(connection, definition, facts.record, facts.record.build(facts.beside.build), crew)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """When it was looked, how long nothing must have moved to be called stalled, and whether the build beside is being filled."""

    moment: datetime
    stalled_after_seconds: float
    filling: Filling | None


def _status(facts: Facts, series: Series | None, look: _Look) -> ProjectionStatus:
    record, measured, moment = facts.record, facts.measured, look.moment
    failure = facts.fed.failure if facts.fed else None
    if record is None or measured is None or measured.consumer is None:
        return ProjectionStatus(definition=facts.definition, state=State.FAILED if failure else State.NOT_STARTED, failure=failure)
    lag = measured.consumer.lag
    behind = max(0.0, (moment - facts.next_event_at).total_seconds()) if facts.next_event_at and lag else 0.0
    stalled = _stalled_seconds(facts, moment, look.stalled_after_seconds)
    rates = _rates(series, Point(int(moment.timestamp()), lag, measured.position.sequence, measured.position.applied, measured.build))
    return ProjectionStatus(
        definition=facts.definition,
        state=_state(record, failure, lag=lag, behind=behind, is_stalled=stalled is not None, is_filling=look.filling is Filling.FILLING),
        lag=lag,
        ack_pending=measured.consumer.ack_pending,
        redelivered=measured.consumer.redelivered,
        position=measured.position.sequence,
        applied=measured.position.applied,
        applied_at=measured.position.written_at,
        next_sequence=facts.next_sequence if lag else None,
        seconds_behind=behind,
        stalled_seconds=stalled,
        rate_in=rates.incoming,
        rate_applied=rates.applied,
        trend=rates.trend,
        caught_up_in_seconds=_caught_up_in(lag, rates),
        lags=tuple(point.lag for point in series.points) if series else (),
        failure=failure,
        build=record.serving,
        measured=measured.build,
        closed=facts.closed,
        version=record.serving_build.version,
        rebuild=_rebuild(facts, look.filling),
        skipped=len(record.skips),
        parked=len(record.parked),
        switched_at=record.switched_at,
    )


def _state(record: ProjectionRecord, failure: Failure | None, *, lag: int, behind: float, is_stalled: bool, is_filling: bool) -> State:
    if failure is not None:
        return State.FAILED
    if record.wanted is Wanted.PAUSED:
        return State.PAUSED
    if is_filling:
        return State.REBUILDING
    if is_stalled:
        return State.STALLED
    return State.CATCHING_UP if lag and behind > LIVE_WITHIN_SECONDS else State.LIVE


def _stalled_seconds(facts: Facts, moment: datetime, after_seconds: float) -> float | None:
    """How long events have waited without any being applied, if that is too long. A batch stored or an event come in starts it anew."""
    if facts.measured is None or not facts.measured.lag or facts.next_event_at is None:
        return None
    applied_at = facts.measured.position.written_at or facts.next_event_at
    seconds = (moment - max(applied_at, facts.next_event_at)).total_seconds()
    return seconds if seconds > after_seconds else None


def _rebuild(facts: Facts, filling: Filling | None) -> Rebuild | None:
    if facts.beside is None or facts.record is None or filling is None:
        return None
    build = facts.record.build(facts.beside.build)
    return Rebuild(
        build=build.number,
        version=build.version,
        owner=build.owner,
        filling=filling,
        stream=facts.beside.stream,
        failure=build.failure,
        position=facts.beside.position.sequence,
        applied=facts.beside.position.applied,
        lag=facts.beside.lag,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    incoming: float | None = None
    applied: float | None = None
    trend: Trend = "steady"


def _rates(series: Series | None, point: Point) -> _Rates:
    """The rates between now and the oldest sample of the last minute, and where the lag has gone since; none while that is too short."""
    oldest = point.at - timedelta(seconds=_RATE_SECONDS).total_seconds()
    recent = [known for known in series.points if known.at >= oldest and known.build == point.build] if series else []
    if not recent or point.at - recent[0].at < RATES_KNOWN_AFTER_SECONDS:
        return _Rates()
    before = recent[0]
    seconds = point.at - before.at
    applied = max(0, point.applied - before.applied)
    incoming = max(0, applied + point.lag - before.lag)
    change = point.lag - before.lag
    is_steady = abs(change) <= max(_STEADY_EVENTS, _STEADY_SHARE * before.lag)
    return _Rates(incoming=incoming / seconds, applied=applied / seconds, trend="steady" if is_steady else "up" if change > 0 else "down")


def _caught_up_in(lag: int, rates: _Rates) -> float | None:
    if lag == 0:
        return 0.0
    if rates.incoming is None or rates.applied is None or rates.applied <= rates.incoming:
        return None
    return lag / (rates.applied - rates.incoming)
