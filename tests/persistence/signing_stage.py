"""This module is a stage for tests of the signer: a raw stream whose log is kept, the signer's folder, and a clock to turn on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apps.persistence.log.checkpoints import Checkpoint, SignedCheckpoint, open_checkpoint
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log, keep_tree
from apps.persistence.log.published import ensure_checkpoints, read_published
from apps.persistence.log.reading import next_leaves
from apps.persistence.log.signer import SignerFolder, open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.log.tiles import TiledTree
from apps.persistence.store import Connection, Outgoing, store_batch
from apps.persistence.store.connection import open_connection
from apps.persistence.store.embedded import EmbeddedServer

from .raw_stream import RawStream, make_chain, open_raw_stream, outgoing, three_chains


@dataclass(slots=True)
class SigningStage:
    """`connection` is the signer's, with its few rights; `now` is its clock."""

    raw: RawStream
    connection: Connection
    folder: Path
    now: float = 1000.0
    written: int = field(default=0)

    @property
    def stream(self) -> str:
        return self.raw.layout.stream

    async def write(self) -> None:
        """Twenty-four events in three chains, logged by a worker."""
        await self.raw.write(*three_chains())
        await self.log()

    async def write_one(self) -> None:
        """One event of a chain of its own, logged."""
        self.written += 1
        event = make_chain(three_chains()[0].aggregate, 1)[0]
        await self.raw.put(outgoing(self.raw.layout, event)._replace(subject=f"{self.raw.layout.root}.sales.order.n{self.written}.x.v1"))
        await self.log()

    async def write_many(self, count: int) -> None:
        """So many plain messages at once, which nobody has logged yet."""
        messages = [Outgoing(f"{self.raw.layout.root}.many.{number}", f"{number}".encode(), {}) for number in range(count)]
        await store_batch(self.raw.store.connection, messages)

    async def log(self) -> None:
        await LogFeeder(self.raw.store.connection, self.stream).feed()

    @contextmanager
    def signer(self, folder: Path | None = None) -> Iterator[Signer]:
        """A signer that has just been started."""
        with open_signer_folder(folder or self.folder) as opened:
            yield self.signer_of(opened)

    def signer_of(self, opened: SignerFolder) -> Signer:
        return Signer(self.connection, opened.database, opened.key, clock=lambda: self.now)

    async def sign(self, signer: Signer) -> Checkpoint:
        """Look when it is due, and return what was signed."""
        self.now += 11
        signed = await signer.look(self.stream)
        assert signed is not None
        return signed

    async def published(self, signer: Signer) -> SignedCheckpoint:
        """What anybody can read and verify."""
        found = await read_published(self.raw.store.connection, self.stream)
        assert found is not None
        return open_checkpoint(found.note, signer.keys.of(self.stream), origin=signer.keys.origin(self.stream))

    async def made_anew(self) -> None:
        """Delete the stream and make it again, empty."""
        connection = self.raw.store.connection
        config = (await connection.api(f"STREAM.INFO.{self.stream}"))["config"]
        await connection.api(f"STREAM.DELETE.{self.stream}")
        await connection.api(f"STREAM.CREATE.{self.stream}", config)

    async def log_up_to(self, last: int) -> None:
        """Keep a tree of the stream's first events alone."""
        connection, tree = self.raw.store.connection, TiledTree()
        tree.append(await next_leaves(connection, self.stream, after=0, last=last))
        await keep_tree(connection, self.stream, tree, revision=0)

    async def forget_log(self) -> None:
        """Remove the kept tree, as somebody does who then has the stream logged anew."""
        for subject in (f"$KV.cim-log-tiles.{self.stream}", f"$KV.cim-log-tiles.{self.stream}.>"):
            await self.raw.store.connection.api("STREAM.PURGE.KV_cim-log-tiles", {"filter": subject})


@asynccontextmanager
async def open_signing_stage(server: EmbeddedServer, folder: Path) -> AsyncIterator[SigningStage]:
    async with open_raw_stream(server) as raw, open_connection(server.settings("signer")) as connection:
        await ensure_log(raw.store.connection)
        await ensure_checkpoints(raw.store.connection)
        yield SigningStage(raw=raw, connection=connection, folder=folder / "signer")


@pytest.fixture
async def stage(nats_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[SigningStage]:
    async with open_signing_stage(nats_server, tmp_path) as opened:
        yield opened


@pytest.fixture
def folder(stage: SigningStage) -> Iterator[SignerFolder]:
    with open_signer_folder(stage.folder) as opened:
        yield opened
