"""This module is runs as the API answers with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.persistence.work.run import RunState

from .shapes import JsonMap

WAITING, REJECTED = "waiting", "rejected"
STATES = (WAITING, REJECTED, *RunState)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleShape:
    """One thing that a run looked at: what it is now and what it would be, or was made."""

    what: str
    now: str
    after: str
    note: str
    is_bad: bool
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShape:
    """A run as its events tell it. `via` says by which door it was asked for where that was no page; `version` is its newest event's."""

    id: str
    url: str
    state: RunState
    is_ended: bool
    operation: str
    title: str
    parameters: JsonMap
    target: str
    summary: str
    reason: str
    requested_by: str
    requested_at: datetime
    via: str
    retry_of: str
    is_dry_run: bool
    limit: int
    attempts: int
    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    ended_by: str
    outcome: str
    figures: JsonMap
    saw: JsonMap
    digest: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsShape:
    """A page of runs, newest first. `older` is what `before` takes for the next page, null on the last one.

    A request that no worker has taken up is no run yet: `requests_waiting` counts those.
    """

    runs: tuple[RunShape, ...]
    older: str | None
    workers_alive: int
    requests_waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressShape:
    """The newest report of a run; `rate` is per second over the last seconds."""

    done: int
    total: int
    rate: float
    seconds_left: float | None
    sequence: int | None
    updated: datetime
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureShape:
    """All items that failed for one reason; `items` are the first of them."""

    reason: str
    count: int
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetailShape:
    """One run. `run` is null while its request waits for a worker (`state` is waiting), or where one refused it (rejected, `refusal`).

    `waits_for` is the run that works on the same target, where this one waits for it.
    """

    id: str
    state: str
    refusal: str
    run: RunShape | None
    waits_for: str | None
    progress: ProgressShape | None
    failures: tuple[FailureShape, ...]
    samples: tuple[SampleShape, ...]
    workers_alive: int
