"""Every attack is found, and its first bad sequence is named. `python3 run.py attack` tries each at many more places."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path

import pytest

from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.damaging import Kind, Part

from .attacks import ATTACKS, Attack
from .drift import play_drift
from .files import FileAttack, play_files
from .rounds import play
from .stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = [list(some) for _, some in groupby(ATTACKS, key=lambda attack: attack.title)]
DAMAGES = [
    FileAttack(kind=Kind.FLIP, part=Part.BLOCK),
    FileAttack(kind=Kind.TRUNCATE, part=Part.BLOCK),
    FileAttack(kind=Kind.FLIP, part=Part.INDEX),
]
EVENTS, PLACES = (60, 120), 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0].title)
async def test_attack_is_found_at_two_places(stage: Stage, kind: list[Attack]) -> None:
    turn = asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        rounds = [
            (attack, group.create_task(play(stage, attack, number, seed=1, turn=turn, events=EVENTS)))
            for attack in kind
            for number in range(PLACES)
        ]

    outcomes = [(attack, one.result()) for attack, one in rounds]
    assert [outcome for _, outcome in outcomes if not outcome.is_found] == []
    assert [outcome for attack, outcome in outcomes if attack.can_be_placed and not outcome.is_exact] == []


@pytest.mark.parametrize("attack", DAMAGES, ids=lambda attack: attack.name)
async def test_damaged_file_of_the_server_is_found(stage: Stage, tmp_path: Path, attack: FileAttack) -> None:
    outcomes = await play_files(stage, tmp_path / "files", attack, rounds=PLACES, seed=1)

    assert [outcome for outcome in outcomes if not (outcome.is_found and outcome.is_exact)] == []


async def test_changed_settings_are_alarms_within_half_a_minute(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "nats") as server:
        outcomes = await play_drift(server, rounds=PLACES, seed=1)

    assert [outcome for some in outcomes for outcome in some if not (outcome.is_found and outcome.is_exact)] == []
