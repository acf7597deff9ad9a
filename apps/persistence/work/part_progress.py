"""This module is the progress of one part of a run, by which it also hears that it must stop or go slower."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import cast

from ..encoding import Value, decode, encode
from ..store import Connection, kv_get, kv_put
from .failures import ITEMS_KEPT
from .operation import Interruption, RunInterrupted
from .pace import Pace
from .parts import PARTS_BUCKET, PartKey
from .progress import REPORT_SECONDS
from .run import Run

log = logging.getLogger(__name__)


class PartProgress:
    """What a part reports to (see operation.Progress). Its limit is the run's, shared among the workers that live."""

    def __init__(self, connection: Connection, run: Run, key: PartKey, *, workers: int) -> None:
        self.run_id = run.id
        self.requested_by = run.requested_by
        self.reason = run.reason
        self.checkpoint: dict[str, Value] | None = None
        self.attempts = 0
        self.done = 0
        self.failed: list[tuple[str, str, str]] = []
        self._connection = connection
        self._key = key
        self._workers = max(1, workers)
        self._pace = Pace(self._share(run.limit))
        self._why: Interruption | None = None
        self._written_at = 0.0
        self._begun = time.monotonic()

    @property
    def limit(self) -> int:
        """This part's share of what the run may do in a second; 0 for no limit."""
        return self._pace.limit

    @property
    def seconds(self) -> float:
        """How long this worker has been at the part."""
        return time.monotonic() - self._begun

    def change_limit(self, limit: int) -> None:
        self._pace.change(self._share(limit))

    def interrupt(self, why: Interruption) -> None:
        self._why = why
        self._pace.wake()

    async def begin(self) -> None:
        """Go on from where an earlier worker left the part, and count this attempt."""
        entry = await kv_get(self._connection, PARTS_BUCKET, self._key.named("at"))
        if entry is not None:
            fields = cast("dict[str, Value]", decode(entry.value))
            self.attempts = cast(int, fields["attempts"])
            self.checkpoint = cast("dict[str, Value] | None", fields["checkpoint"])
            if self.checkpoint is not None:
                self.done = cast(int, fields["done"])
                self.failed = [cast("tuple[str, str, str]", tuple(one)) for one in cast("list[list[str]]", fields["failed"])]
        self.attempts += 1
        await self._write()

    def check(self) -> None:
        if self._why is not None:
            raise RunInterrupted(self._why)

    def log(self, line: str) -> None:
        """A part's lines go to the worker's own log; the run's page tells of parts as a whole."""
        log.info("run %s: %s", self.run_id, line)

    def fail(self, item: str, reason: str, link: str = "") -> None:
        if len(self.failed) < ITEMS_KEPT:
            self.failed.append((item, reason, link))

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        """Save how far the part is, at most four times a second, and rest while the limit says so. Raises RunInterrupted."""
        self.done = done
        if checkpoint is not None:
            self.checkpoint = dict(checkpoint)
        if force or self._why is not None or time.monotonic() - self._written_at >= REPORT_SECONDS:
            await self._write()
        async for _ in self._pace.rests(done):
            if self._why is not None:
                break
        self.check()

    def _share(self, limit: int) -> int:
        return max(1, limit // self._workers) if limit else 0

    async def _write(self) -> None:
        self._written_at = time.monotonic()
        failed: list[Value] = [list(one) for one in self.failed]
        value: dict[str, Value] = {"done": self.done, "attempts": self.attempts, "checkpoint": self.checkpoint, "failed": failed}
        await kv_put(self._connection, PARTS_BUCKET, self._key.named("at"), encode(value))
