"""This module is the attacker: a person with every right on the server, who makes streams and buckets say what they like.

What is not on the server is out of reach: the signer's key and database, the witness, and what auditors have kept. In some attacks the
key was stolen as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.persistence.chain import verify_stream
from apps.persistence.chain.marks import MARKS_BUCKET, write_mark
from apps.persistence.encoding import encode
from apps.persistence.errors import StreamNotFound
from apps.persistence.events import new_id
from apps.persistence.heads import record_heads
from apps.persistence.log.checkpoints import Checkpoint, parse_checkpoint, sign_checkpoint
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import TILES_BUCKET, LogState
from apps.persistence.log.keys import SigningKey, read_key_file
from apps.persistence.log.notes import parse_note
from apps.persistence.log.published import CHECKPOINTS_BUCKET, Published, published_before
from apps.persistence.store import Connection, Layout, Outgoing, Store, ensure_bucket, kv_put
from apps.persistence.store.generations import GENERATIONS_BUCKET
from apps.persistence.store.publish import MAX_BATCH, MESSAGE_ID, store_batch
from apps.persistence.store.stream_backup import begin_return, open_backup

from .history import History, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A stream as the server once backed it up."""

    config: Mapping[str, Any]
    state: Mapping[str, Any]
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacker:
    """`store` is the stream under attack, seen with every right."""

    store: Store

    @property
    def connection(self) -> Connection:
        return self.store.connection

    @property
    def stream(self) -> str:
        return self.store.layout.stream

    async def replace_stream(self, history: History) -> None:
        """Delete the stream and make it again under its name, with its configuration, its sequences and the right ids."""
        config = (await self.connection.api(f"STREAM.INFO.{self.stream}"))["config"]
        await self.connection.api(f"STREAM.DELETE.{self.stream}")
        await self.connection.api(f"STREAM.CREATE.{self.stream}", {**config, "deny_delete": False})
        filler = next(stored for stored in history if stored is not None)
        await self.write([stored or filler._replace(message_id="") for stored in history])
        for sequence, stored in enumerate(history, start=1):
            if stored is None:
                await self.connection.api(f"STREAM.MSG.DELETE.{self.stream}", {"seq": sequence})
        await self.connection.api(f"STREAM.UPDATE.{self.stream}", config)

    async def make_generation(self, layout: Layout, number: int, history: History) -> None:
        """Make another generation of the stream, holding what one likes, and have it serve."""
        connection, made = self.connection, layout.of_generation(number)
        config = (await connection.api(f"STREAM.INFO.{layout.stream}"))["config"]
        await connection.api(f"STREAM.CREATE.{made.stream}", {**config, "name": made.stream, "subjects": [made.subjects]})
        await self.write(history)
        await ensure_bucket(connection, GENERATIONS_BUCKET, history=10)
        await kv_put(connection, GENERATIONS_BUCKET, layout.stream, encode({"serving": number, "run": ""}))

    async def take_backup(self) -> Backup:
        """The server's own backup of the stream."""
        async with open_backup(self.connection, self.stream, with_consumers=False) as backup:
            chunks: list[bytes] = []
            while chunk := await backup.next_chunk():
                chunks.append(chunk)
            return Backup(config=backup.config, state=backup.state, chunks=tuple(chunks))

    async def put_back(self, backup: Backup) -> None:
        """Delete the stream, and put an old backup in its place: messages have their sequences, ids and times."""
        await self.connection.api(f"STREAM.DELETE.{self.stream}")
        returned = await begin_return(self.connection, backup.config, backup.state)
        for chunk in backup.chunks:
            await returned.send(chunk)
        await returned.finish()

    async def roll_records_back(self, size: int) -> None:
        """Make every record in the store agree with the forged stream: `size` sequences of it are as they were signed.

        Tiles and their state are made anew; of the checkpoints those stay that still hold; refusals and marks go, the
        heads are recorded anew, and a mark says that all of it was verified.
        """
        await self.make_tiles_anew()
        true = [one for one in await published_before(self.connection, self.stream) if checkpoint_of(one).size <= size]
        await self._forget(CHECKPOINTS_BUCKET, self.stream)
        await self._forget(CHECKPOINTS_BUCKET, f"{self.stream}.refusal")
        for one in reversed(true):
            await kv_put(self.connection, CHECKPOINTS_BUCKET, self.stream, one.note)
        await record_heads(self.store, run=new_id(), by="operator", anew=True)
        await self._forget(MARKS_BUCKET, self.stream)
        await write_mark(self.store, await verify_stream(self.store), by="auditor")

    async def make_tiles_anew(self) -> LogState:
        """The tree of the forged stream, as the product itself would keep it."""
        await self._forget(TILES_BUCKET, self.stream)
        await self._forget(TILES_BUCKET, f"{self.stream}.>")
        state = await LogFeeder(self.connection, self.stream).feed()
        assert state is not None
        return state

    async def sign_again(self, stolen: SigningKey, state: LogState) -> bytes:
        """Publish a checkpoint of the forged stream in the place of the true ones, signed by the operator's own key."""
        origin = f"{stolen.name}/{self.stream}"
        note = sign_checkpoint(Checkpoint(origin=origin, size=state.size, root=state.root), stolen.named(origin)).raw
        await self._forget(CHECKPOINTS_BUCKET, self.stream)
        await kv_put(self.connection, CHECKPOINTS_BUCKET, self.stream, note)
        return note

    async def write(self, messages: Sequence[Stored | None]) -> None:
        """Store messages as they are, each with the id that it is to have."""
        outgoing = [Outgoing(one.subject, one.block, {MESSAGE_ID: one.message_id} if one.message_id else {}) for one in messages if one]
        for start in range(0, len(outgoing), MAX_BATCH):
            await store_batch(self.connection, outgoing[start : start + MAX_BATCH])

    async def _forget(self, bucket: str, keys: str) -> None:
        """Remove keys with all their revisions."""
        with suppress(StreamNotFound):
            await self.connection.api(f"STREAM.PURGE.KV_{bucket}", {"filter": f"$KV.{bucket}.{keys}"}, stream=f"KV_{bucket}")


def steal_key(folder: Path) -> SigningKey:
    """The operator's key, read from the signer's folder."""
    return read_key_file(folder / "log.key")


def checkpoint_of(published: Published) -> Checkpoint:
    return parse_checkpoint(parse_note(published.note).text)
