"""This module is trying again after a conflict: load, decide anew, save; a little later each time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import Conflict, InvalidInput

T = TypeVar("T")
LONGEST_PAUSE_SECONDS = 2.0


async def retry_conflicts(attempt: Callable[[], Awaitable[T]], *, tries: int = 5, first_pause_seconds: float = 0.02) -> T:
    """Call `attempt` up to `tries` times until it meets no Conflict; the last one is raised.

    Each pause is a random share of twice the one before, so that two who collided do not collide again. `attempt` must load anew.
    """
    if tries < 1:
        raise InvalidInput(f"{tries} tries make no sense; at least 1 is needed.")
    pause = first_pause_seconds
    for _ in range(tries - 1):
        try:
            return await attempt()
        except Conflict:
            await asyncio.sleep(random.uniform(0.5, 1) * pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    return await attempt()
