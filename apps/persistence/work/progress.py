"""This module is the progress of a run: a small record in KV `cim-runs` that pages read and that an interrupted run goes on from.

The record is not history (that is the run's events) but the newest checkpoint; losing it costs work, never truth.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from ..encoding import Value, decode, encode
from ..errors import RevisionConflict
from ..events import format_time, now, parse_time
from ..store import Connection, ensure_bucket, kv_get, kv_put
from .failures import Failures
from .operation import Interruption, RunInterrupted
from .pace import Pace
from .run import RUNS_BUCKET, Run

REPORT_SECONDS = 0.25
LOG_LINES = 200
LINE_LETTERS = 500
_RATE_WINDOW_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """The newest report of a run. `rate` is per second over the last seconds; `checkpoint` is what the operation goes on from.

    `seconds` is how long workers have been at it, over all attempts.
    """

    run_id: str
    done: int
    total: int
    rate: float
    sequence: int | None
    worker: str
    updated: datetime
    checkpoint: dict[str, Value] | None
    log: tuple[str, ...]
    seconds: float = 0.0
    revision: int = 0

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the present rate, or None while there is none."""
        return (self.total - self.done) / self.rate if self.rate > 0 and self.total >= self.done else None


async def ensure_runs_bucket(connection: Connection) -> None:
    """Make the bucket of progress records if it is not there."""
    await ensure_bucket(connection, RUNS_BUCKET)


async def find_progress(connection: Connection, run_id: str) -> RunProgress | None:
    """The newest report of a run, or None before the first."""
    entry = await kv_get(connection, RUNS_BUCKET, run_id)
    return replace(read_progress(run_id, entry.value), revision=entry.revision) if entry else None


def read_progress(run_id: str, value: bytes) -> RunProgress:
    """The report in a stored value."""
    fields = cast("dict[str, Value]", decode(value))
    return RunProgress(
        run_id=run_id,
        done=cast(int, fields["done"]),
        total=cast(int, fields["total"]),
        rate=cast(float, fields["rate"]),
        sequence=cast("int | None", fields["sequence"]),
        worker=cast(str, fields["worker"]),
        updated=parse_time(cast(str, fields["updated"])),
        checkpoint=cast("dict[str, Value] | None", fields["checkpoint"]),
        log=tuple(cast("list[str]", fields["log"])),
        seconds=cast(float, fields.get("seconds", 0.0)),
    )


class ProgressWriter:
    """What a running operation reports to (see operation.Progress). `interrupt` makes its next report raise RunInterrupted.

    Every record is written after the one that this writer knows, so that a worker that was overtaken cannot write into another's run.
    """

    def __init__(self, connection: Connection, run: Run, worker: str, *, before: RunProgress | None, failures: Failures) -> None:
        self.run_id = run.id
        self.requested_by = run.requested_by
        self.reason = run.reason
        self.checkpoint = before.checkpoint if before else None
        self.failures = failures
        self._connection = connection
        self._worker = worker
        self._log = deque(before.log if before else (), maxlen=LOG_LINES)
        self._points: deque[tuple[float, int]] = deque()
        self._why: Interruption | None = None
        self._written_at = 0.0
        self._revision = before.revision if before else 0
        self._at = (before.done, before.total, before.sequence) if before else (0, 0, None)
        self._pace = Pace(run.limit)
        self._seconds_before = before.seconds if before else 0.0
        self._begun = time.monotonic()

    @property
    def limit(self) -> int:
        """The most events a second that the run may do now; 0 for no limit."""
        return self._pace.limit

    @property
    def seconds(self) -> float:
        """How long workers have been at it, over all attempts."""
        return self._seconds_before + time.monotonic() - self._begun

    def change_limit(self, limit: int) -> None:
        """From now on another limit, also for a report that waits."""
        self._pace.change(limit)

    def interrupt(self, why: Interruption) -> None:
        """Stop the run at its next report."""
        self._why = why
        self._pace.wake()

    def check(self) -> None:
        """Raise RunInterrupted if the run must stop."""
        if self._why is not None:
            raise RunInterrupted(self._why)

    def log(self, line: str) -> None:
        """A line for the person who watches; shown with the next report."""
        self._log.append(f"{format_time(now())[11:19]} {line[:LINE_LETTERS]}")

    def fail(self, item: str, reason: str, link: str = "") -> None:
        """Note that one item could not be done; the run goes on."""
        self.failures.add(item, reason, link)

    async def begin(self) -> None:
        """Take the record over from whoever had it. Raises RevisionConflict where another does so at this moment."""
        await self._write(0.0)

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        """Save how far it is, at most four times a second unless forced, and rest while the limit says so.

        Raises RunInterrupted when it must stop.
        """
        moment = time.monotonic()
        self._at = (done, total, sequence)
        if checkpoint is not None:
            self.checkpoint = dict(checkpoint)
        if force or self._why is not None or moment - self._written_at >= REPORT_SECONDS:
            await self._save(moment)
        async for _ in self._pace.rests(done):
            if self._why is not None:
                break
            await self._save(time.monotonic())
        self.check()

    async def _save(self, moment: float) -> None:
        self._written_at = moment
        if self._why == "lost":
            return
        await self.failures.save(self._connection, self.run_id)
        try:
            await self._write(self._rate(moment, self._at[0]))
        except RevisionConflict:
            self._why = "lost"

    def _rate(self, moment: float, done: int) -> float:
        self._points.append((moment, done))
        while moment - self._points[0][0] > _RATE_WINDOW_SECONDS:
            self._points.popleft()
        first_moment, first_done = self._points[0]
        return (done - first_done) / (moment - first_moment) if moment > first_moment else 0.0

    async def _write(self, rate: float) -> None:
        done, total, sequence = self._at
        value: dict[str, Value] = {
            "done": done,
            "total": total,
            "rate": float(rate),
            "sequence": sequence,
            "worker": self._worker,
            "updated": format_time(now()),
            "checkpoint": self.checkpoint,
            "log": list(self._log),
            "seconds": self.seconds,
        }
        self._revision = await kv_put(self._connection, RUNS_BUCKET, self.run_id, encode(value), expected_revision=self._revision)
