"""Long computing lets whatever else the process does go on."""

from __future__ import annotations

import asyncio
import time

from apps.persistence.store.turns import TURN_SECONDS, Turns


async def test_computing_for_ten_turns_lets_others_go_on_ten_times() -> None:
    went_on, turns = 0, Turns()

    async def another() -> None:
        nonlocal went_on
        while True:
            went_on += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(another())
    for _ in range(10):
        turn_over = time.monotonic() + TURN_SECONDS
        while time.monotonic() < turn_over:
            pass
        await turns.give_way()
    beside.cancel()

    assert went_on >= 10
