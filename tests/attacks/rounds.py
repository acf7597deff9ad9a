"""This module is a round: a fresh history, one attack on it at a random place, and what the product says afterwards."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from .attacks import Attack, Struck
from .detection import Layer, look_everywhere
from .stage import EVENTS, Scene, Stage, open_scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attack went: the first bad sequence, or the field, that had to be named (None: no harm was done), the one that was, who
    raised an alarm, after how many seconds, and what was said.
    """

    name: str
    number: int
    expected: int | str | None
    named: int | str | None
    layers: tuple[Layer, ...]
    seconds: float
    words: str

    @property
    def is_found(self) -> bool:
        return bool(self.layers) == (self.expected is not None)

    @property
    def is_exact(self) -> bool:
        return self.named == self.expected


async def play(stage: Stage, attack: Attack, number: int, *, seed: int, turn: asyncio.Lock, events: tuple[int, int] = EVENTS) -> Outcome:
    """One round. The history is written beside other rounds; `turn` keeps them apart while the time is taken."""
    chance = random.Random(f"{seed}/{attack.name}/{number}")
    async with open_scene(stage, chance, events=events, has_backup=attack.has_backup) as scene:
        struck = await attack.strike(scene, chance)
        async with turn:
            return await look(scene, struck, name=attack.name, number=number)


async def look(scene: Scene, struck: Struck, *, name: str, number: int) -> Outcome:
    """What the product says of a scene that was struck, and how long it took to say so."""
    began = time.perf_counter()
    alarms = await look_everywhere(scene, struck)
    seconds = time.perf_counter() - began
    named = [alarm.sequence for alarm in alarms if alarm.sequence is not None]
    return Outcome(
        name=name,
        number=number,
        expected=struck.first,
        named=min(named, default=None),
        layers=tuple(layer for alarm in alarms for layer in alarm.layers),
        seconds=min((alarm.seconds for alarm in alarms), default=seconds),
        words="; ".join(alarm.words for alarm in alarms),
    )


async def play_all(stage: Stage, attacks: Sequence[Attack], *, rounds: int, seed: int, at_once: int) -> AsyncIterator[list[Outcome]]:
    """Every attack in turn, so many times each; some rounds beside each other."""
    turn, slots = asyncio.Lock(), asyncio.Semaphore(at_once)

    async def one(attack: Attack, number: int) -> Outcome:
        async with slots:
            return await play(stage, attack, number, seed=seed, turn=turn)

    for attack in attacks:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(attack, number)) for number in range(rounds)]
        yield [task.result() for task in tasks]
