"""This module is an honest run: appending, logging, signing, witnessing and verifying at the same time, and nobody cheats."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from apps.persistence.errors import PersistenceError
from apps.persistence.events import AggregateRef
from apps.persistence.store import append

from .attacks import Struck
from .detection import look_everywhere, look_while_it_runs
from .stage import TURN_SECONDS, Scene, Stage, items, open_scene

EVENTS = (40, 80)
WRITES = 12
WRITERS = 2


async def play_honest(stage: Stage, number: int, *, seed: int) -> list[str]:
    """What raised an alarm while nobody attacked anything: nothing, one hopes."""
    chance = random.Random(f"{seed}/honest/{number}")
    alarms: list[str] = []
    async with open_scene(stage, chance, events=EVENTS) as scene:
        writing = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for work in (_log, _sign, look_while_it_runs):
                group.create_task(_until(writing, scene, work, alarms))
            async with asyncio.TaskGroup() as writers:
                for share in range(WRITERS):
                    writers.create_task(_write(scene, sorted(scene.heads, key=str)[share::WRITERS], random.Random(chance.random())))
            writing.set()
        await _log(scene)
        await _sign(scene)
        struck = Struck(store=scene.store, first=None, kept=scene.kept)
        alarms += [alarm.words for alarm in await look_everywhere(scene, struck)]
    return alarms


async def _write(scene: Scene, refs: list[AggregateRef], chance: random.Random) -> None:
    for _ in range(WRITES):
        head = scene.heads[chance.choice(refs)]
        scene.heads[head.aggregate] = (await append(scene.store, head, items(chance.randrange(1, 4), chance)))[-1].head


async def _log(scene: Scene) -> list[str]:
    await scene.feeder.feed()
    return []


async def _sign(scene: Scene) -> list[str]:
    scene.now += TURN_SECONDS
    await scene.signer.look(scene.stream)
    return []


async def _until(done: asyncio.Event, scene: Scene, work: Callable[[Scene], Awaitable[list[str]]], alarms: list[str]) -> None:
    """Do the same again and again; what is refused or found meanwhile is a false alarm."""
    while not done.is_set():
        try:
            alarms += await work(scene)
        except PersistenceError as error:
            alarms.append(f"{type(error).__name__}: {error}")
        await asyncio.sleep(0)
