"""This module is the stage of the attacks: a real server, a worker that logs, a signer with its own folder, a witness, and an auditor.

The server is one for all rounds; each round has a stream of its own, written by the product's own appending.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.heads import record_heads
from apps.persistence.log.checkpoints import Checkpoint
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.published import read_published
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.log.trust import Trust
from apps.persistence.store import Layout, Store, append, ensure_event_stream
from apps.persistence.store.embedded import EmbeddedServer

from .attacker import Attacker, Backup
from .history import History
from .world import World, open_world, witness_at

AGGREGATES = 12
MOST_AT_ONCE = 8
EVENTS = (200, 400)
STEPS = (0.4, 0.3, 0.3)
"""The shares of a history after each of which the log is signed; the auditor keeps the first checkpoint."""
HEADS_AFTER = BACKUP_AFTER = 2
TURN_SECONDS = 11.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What outlives a round: the operator's world, and the attacker's own, in which the same key signs."""

    true: World
    false: World


@dataclass(slots=True, kw_only=True)
class Scene:
    """One round: a stream that is logged and signed, what an auditor keeps of it, and a clock for the signer, turned on by hand."""

    stage: Stage
    store: Store
    feeder: LogFeeder
    heads: dict[AggregateRef, Head]
    now: float = 1000.0
    kept: bytes = b""
    kept_size: int = 0
    backup: Backup | None = None
    signer: Signer = field(init=False)

    def __post_init__(self) -> None:
        self.signer = self.signer_in(self.stage.true)

    @property
    def stream(self) -> str:
        return self.store.layout.stream

    @property
    def attacker(self) -> Attacker:
        return Attacker(store=self.stage.true.ruled.on(self.store.layout))

    @property
    def trust(self) -> Trust:
        """What operators and auditors were told by another way than the server."""
        return Trust(log_key=self.stage.true.opened.key.verifier, witness=self.stage.true.witness)

    def signer_in(self, world: World) -> Signer:
        return Signer(world.signing, world.opened.database, world.opened.key, witness=world.witness, clock=lambda: self.now)

    async def write(self, count: int, chance: random.Random) -> None:
        """Append `count` events to one aggregate or another, some at a time."""
        while count > 0:
            head = self.heads[chance.choice(list(self.heads))]
            size = min(count, chance.randrange(1, MOST_AT_ONCE + 1))
            self.heads[head.aggregate] = (await append(self.store, head, items(size, chance)))[-1].head
            count -= size

    async def sign(self) -> Checkpoint:
        """Log and sign what is there."""
        await self.feeder.feed()
        self.now += TURN_SECONDS
        signed = await self.signer.look(self.stream)
        assert signed is not None, "the signer is due"
        return signed

    async def keep_checkpoint(self) -> None:
        """The auditor takes the newest checkpoint home."""
        published = await read_published(self.store.connection, self.stream)
        assert published is not None
        self.kept = published.note


@asynccontextmanager
async def open_stage(server: EmbeddedServer, false_server: EmbeddedServer, folder: Path) -> AsyncIterator[Stage]:
    """Both worlds; the attacker's signer has the operator's key, and a database of its own."""
    (folder / "stolen").mkdir(mode=0o700)
    with open_signer_folder(folder / "signer") as opened:
        log = opened.key.verifier
    shutil.copy2(folder / "signer" / "log.key", folder / "stolen" / "log.key")
    with witness_at(folder / "witness", log) as witness:
        async with (
            open_world(server, folder / "signer", witness=witness) as true,
            open_world(false_server, folder / "stolen", witness=None) as false,
        ):
            yield Stage(true=true, false=false)


@asynccontextmanager
async def open_scene(
    stage: Stage, chance: random.Random, *, events: tuple[int, int] = EVENTS, has_backup: bool = False
) -> AsyncIterator[Scene]:
    """A scene for one round, whose stream is gone after it."""
    scene = await make_scene(stage, chance, events=events, has_backup=has_backup)
    try:
        yield scene
    finally:
        declared = scene.store.declared.stream
        for world in (stage.true, stage.false):
            for stream in (declared, f"{declared}-2"):
                await world.ruled.connection.request(f"$JS.API.STREAM.DELETE.{stream}", b"")


async def make_scene(stage: Stage, chance: random.Random, *, events: tuple[int, int] = EVENTS, has_backup: bool = False) -> Scene:
    """A fresh stream, written and signed in some steps, all of it covered."""
    name = new_id().replace("-", "")[-12:]
    layout = Layout(stream=f"EVENTS-{name}", root=f"attacked.{name}")
    store = stage.true.store.on(layout)
    await ensure_event_stream(store.connection, layout)
    heads = {ref: Head(aggregate=ref) for ref in (AggregateRef("sales", "order", f"o{number}") for number in range(AGGREGATES))}
    scene = Scene(stage=stage, store=store, feeder=LogFeeder(store.connection, layout.stream), heads=heads)
    await _write_history(scene, chance, count=chance.randrange(*events), has_backup=has_backup)
    return scene


async def show_in_false_world(scene: Scene, history: History) -> Store:
    """Put a history on the attacker's own server, under the stream's name, have it logged and signed there, and lead somebody to it."""
    false = scene.stage.false
    config = (await scene.store.connection.api(f"STREAM.INFO.{scene.stream}"))["config"]
    store = false.ruled.on(scene.store.layout)
    await false.ruled.connection.api(f"STREAM.CREATE.{scene.stream}", config)
    await Attacker(store=store).write(history)
    await LogFeeder(store.connection, scene.stream).feed()
    await scene.signer_in(false).look(scene.stream)
    return store


async def _write_history(scene: Scene, chance: random.Random, *, count: int, has_backup: bool) -> None:
    """Two events of every aggregate first, so that each has one that another links to."""
    for ref, head in list(scene.heads.items()):
        scene.heads[ref] = (await append(scene.store, head, items(2, chance)))[-1].head
    for step, share in enumerate(STEPS, start=1):
        await scene.write(round(count * share), chance)
        signed = await scene.sign()
        if step == 1:
            await scene.keep_checkpoint()
            scene.kept_size = signed.size
        if step == HEADS_AFTER:
            await record_heads(scene.store, run=new_id(), by="operator")
        if step == BACKUP_AFTER and has_backup:
            scene.backup = await scene.attacker.take_backup()


def items(count: int, chance: random.Random) -> list[NewEvent]:
    """New events of an order."""
    return [
        NewEvent(type="item_added", payload={"amount": chance.randrange(1, 10_000), "note": f"{chance.random()}"}, actor="web")
        for _ in range(count)
    ]
