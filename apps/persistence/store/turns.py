"""This module is turns: what computes for long gives way every few milliseconds, so that whatever else the process does goes on."""

from __future__ import annotations

import asyncio
import time

TURN_SECONDS = 0.004


class Turns:
    """Made where the computing begins."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def give_way(self) -> None:
        """Call it often: it lets others go on once a turn's time is over, and costs next to nothing before."""
        if time.monotonic() - self._since >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()
