"""This module is damage to the server's files: bits that flip, blocks that are cut off or gone, as disks and careless hands do it.

Each round has a stream of its own on a server that is stopped for it; some streams are damaged during one stop.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from apps.persistence.errors import StreamNotFound, Unavailable
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.store import Store
from apps.persistence.store.embedded import START_SECONDS, EmbeddedServer
from tests.persistence.damaging import Kind, Part, damage_stream

from .attacks import Struck
from .detection import Layer
from .history import History, first_difference, read_history
from .rounds import Outcome, look
from .stage import Scene, Stage, make_scene
from .world import World, open_world

AT_ONCE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAttack:
    """One row of the table."""

    kind: Kind
    part: Part

    @property
    def name(self) -> str:
        return f"{self.kind} of {self.part} (files)"


FILE_ATTACKS = tuple(FileAttack(kind=kind, part=part) for part in Part for kind in Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Struck:
    """A scene before the server was stopped, and what was done to its files then."""

    number: int
    scene: Scene
    honest: History
    damage: str


async def play_files(stage: Stage, folder: Path, attack: FileAttack, *, rounds: int, seed: int) -> list[Outcome]:
    """So many rounds; where the server lost and changed nothing, nothing has to be found, and an alarm is a false one."""
    outcomes: list[Outcome] = []
    for first in range(0, rounds, AT_ONCE):
        outcomes += await _play_some(stage, folder / f"{first}", attack, range(first, min(rounds, first + AT_ONCE)), seed=seed)
    return outcomes


async def _play_some(stage: Stage, folder: Path, attack: FileAttack, numbers: Sequence[int], *, seed: int) -> list[Outcome]:
    """Some rounds on one server. Damage can keep it from starting at all: then each is played alone, and one that does that is found."""
    with EmbeddedServer(folder / "nats") as server:
        shutil.copytree(stage.true.folder, folder / "signer", ignore=shutil.ignore_patterns("signed*", "*.leaves"))
        struck = await _damage(stage, server, folder, attack, numbers, seed=seed)
        try:
            server.start()
        except Unavailable as error:
            if len(numbers) == 1:
                return [_not_started(attack, numbers[0], str(error))]
        else:
            async with open_world(server, folder / "signer", witness=stage.true.witness) as world:
                return [await _look(stage, world, one, attack) for one in struck]
    return [(await _play_some(stage, folder / f"{number}", attack, [number], seed=seed))[0] for number in numbers]


async def _damage(
    stage: Stage, server: EmbeddedServer, folder: Path, attack: FileAttack, numbers: Sequence[int], *, seed: int
) -> list[_Struck]:
    """Write some streams, stop the server, and damage a file of each."""
    chances = {number: random.Random(f"{seed}/{attack.name}/{number}") for number in numbers}
    async with open_world(server, folder / "signer", witness=stage.true.witness) as world:
        scenes = {number: await make_scene(replace(stage, true=world), chance) for number, chance in chances.items()}
        honest = {number: await read_history(scene.store) for number, scene in scenes.items()}
    server.stop()
    damages = {
        number: damage_stream(server.data_dir, scenes[number].stream, chance, kind=attack.kind, part=attack.part)
        for number, chance in chances.items()
    }
    return [_Struck(number=number, scene=scenes[number], honest=honest[number], damage=str(damages[number])) for number in numbers]


def _not_started(attack: FileAttack, number: int, words: str) -> Outcome:
    return Outcome(
        name=attack.name,
        number=number,
        expected="start",
        named="start",
        layers=(Layer.SERVER,),
        seconds=START_SECONDS,
        words=words,
    )


async def _look(stage: Stage, world: World, struck: _Struck, attack: FileAttack) -> Outcome:
    """Go on with the scene where the server runs again."""
    before = struck.scene
    store = world.store.on(before.store.layout)
    scene = replace(before, stage=replace(stage, true=world), store=store, feeder=LogFeeder(store.connection, before.stream))
    first = first_difference(struck.honest, await _what_is_left(store))
    outcome = await look(scene, Struck(store=store, first=first, kept=scene.kept), name=attack.name, number=struck.number)
    return replace(outcome, words=f"{struck.damage}; {outcome.words}")


async def _what_is_left(store: Store) -> History:
    try:
        return await read_history(store)
    except StreamNotFound:
        return []
