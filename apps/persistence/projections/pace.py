"""This module is a limit on how many events a second are applied."""

from __future__ import annotations

import asyncio
import sys
import time

_STEPS_PER_SECOND = 10


class Pace:
    """Keeps the mean rate at `events_per_second` or below it, in steps of a tenth of a second; None means no limit."""

    def __init__(self, events_per_second: float | None) -> None:
        self._rate = events_per_second
        self._free_at = 0.0

    @property
    def batch_size(self) -> int:
        """How many events may be applied at once."""
        return sys.maxsize if self._rate is None else max(1, int(self._rate / _STEPS_PER_SECOND))

    async def wait(self, events: int) -> None:
        """Wait until `events` that were just applied are allowed for."""
        if self._rate is None:
            return
        moment = time.monotonic()
        self._free_at = max(self._free_at, moment - 1 / _STEPS_PER_SECOND) + events / self._rate
        if self._free_at > moment:
            await asyncio.sleep(self._free_at - moment)
