"""Every attack on a history is found. `python3 run.py attack` tries each at many more places."""

from __future__ import annotations

import asyncio

import pytest

from .attacks import ATTACKS, Attack
from .rounds import play
from .stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.how != "other"], ids=lambda attack: attack.name)
async def test_attack_is_found_at_two_places(stage: Stage, attack: Attack) -> None:
    turn = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        rounds = [group.create_task(play(stage, attack, number, seed=1, turn=turn)) for number in range(2)]

    outcomes = [one.result() for one in rounds]
    assert [outcome.is_found for outcome in outcomes] == [True, True], outcomes
