"""This module is the rate limit of a running operation: it waits after what was done, and is woken when the limit changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

LOOK_SECONDS = 1.0
SLACK_SECONDS = 1.0
"""Time that was not used is made up for no longer than this."""


class Pace:
    """`limit` is the most that may be done in a second, 0 for no limit. `wake` ends a wait, to look at what changed."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._woken = asyncio.Event()
        self._since: float | None = None
        self._done = 0

    def change(self, limit: int) -> None:
        """From now on another limit; the same one changes nothing."""
        if limit != self.limit:
            self.limit, self._since = limit, None
            self.wake()

    def wake(self) -> None:
        self._woken.set()

    async def rests(self, done: int) -> AsyncIterator[float]:
        """Wait until `done` is not too much, in steps of at most a second; after each step how many seconds remain."""
        while (wait := self._wait_seconds(done)) > 0:
            self._woken.clear()
            try:
                async with asyncio.timeout(min(wait, LOOK_SECONDS)):
                    await self._woken.wait()
            except TimeoutError:
                pass
            yield self._wait_seconds(done)

    def _wait_seconds(self, done: int) -> float:
        if not self.limit:
            return 0.0
        moment = time.monotonic()
        if self._since is None or done < self._done:
            self._since, self._done = moment, done
        wait = self._since + (done - self._done) / self.limit - moment
        if wait < -SLACK_SECONDS:
            self._since, self._done = moment, done
        return wait
