"""This module is the backup of a stream: what the server itself sends as one, kept as a file that can be taken away and restored."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

from ..encoding import Value
from ..errors import InvalidInput, PersistenceError
from ..events import format_time, now
from ..registry import Registry
from ..store import Connection, ObjectWriter, Store, StreamInfo, drop_chunks, get_stream, list_consumers, open_writer
from ..store.stream_backup import StreamBackup, chunk_bytes, open_backup
from ..transfer import BACKUP_SUFFIX, FILES_BUCKET, BackupManifest, BackupWriter, FileKind, Made, free_name, new_nuid
from ..work.operation import Change, Outcome, Plan, Progress, Sample
from ..work.rates import measured_rate
from .counting import counted
from .stream_choices import every_stream

OWN_FILES = f"OBJ_{FILES_BUCKET}"
_UNUSUAL = re.compile(r"[^-_=a-zA-Z0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """Writes a whole stream or bucket to a file, as the server itself backs it up, with its configuration and sequences."""

    title: ClassVar[str] = "Back up a stream"
    permission: ClassVar[str] = "operations.backup"
    unit: ClassVar[str] = "bytes"

    stream: str = field(metadata={"help": "The stream; of a bucket its name after KV_ or OBJ_.", "choices": every_stream})
    consumers: bool = field(default=True, metadata={"help": "Take its consumers along, each with how far it has come."})

    @property
    def target(self) -> str:
        """One backup at a time of each stream."""
        return f"backup/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be written. Raises StreamNotFound, and InvalidInput for a stream that the server cannot back up."""
        info = await self._find(store.connection)
        rate, rate_source = await measured_rate(store.connection, "backup", self.target)
        consumers = f"{info.consumers:,}, with how far each has come" if self.consumers else "left out"
        return Plan(
            summary=f"Back up {self.stream}",
            saw={"created": str(info.created)},
            changes=(
                Change(what="File", now="none", after=await free_name(store.connection, self._name())),
                Change(what="Messages in it", now="none", after=f"{info.messages:,}, or what is stored when it begins"),
                Change(what="Consumers in it", now="none", after=consumers),
            ),
            counts=((f"{self.stream}, at most", info.bytes),),
            notes=(
                "The stream is only read, and writers go on meanwhile. The file holds its whole content.",
                "The file lies on the same server until you download it: what takes the server takes both.",
                "An interrupted backup begins again, as the server cannot send one from the middle.",
            ),
            undo="Delete the file.",
            seconds=info.messages / rate if rate else None,
            rate_source=rate_source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Have the server send it, and write each chunk as it comes. What an earlier attempt wrote is dropped."""
        connection = store.connection
        info = await self._find(connection)
        await _forget(connection, progress)
        durables = await self._durables(connection)
        name, nuid = await free_name(connection, self._name()), new_nuid()
        await progress.report(0, info.bytes, checkpoint={"nuid": nuid}, force=True)
        async with _whole_or_nothing(connection, nuid) as target:
            backup_from = open_backup(connection, self.stream, with_consumers=self.consumers, chunk=chunk_bytes(progress.limit))
            async with backup_from as backup:
                manifest = _manifest(info, backup, connection, progress, durables=durables)
                digest = await _write(backup, BackupWriter(target, manifest), progress)
            made = Made(
                kind=FileKind.BACKUP, source=_words(manifest), by=progress.requested_by, run=progress.run_id, events=manifest.messages
            )
            stored = await target.finish(name, made.metadata())
        await progress.report(stored.size, stored.size, sequence=manifest.last_sequence, force=True)
        figures: dict[str, Value] = {
            "events": manifest.messages,
            "last_sequence": manifest.last_sequence,
            "seconds": progress.seconds,
            "file": stored.name,
            "bytes": stored.size,
            "sha256": stored.digest,
            "blake3": digest,
        }
        return Outcome(
            sentence=f"Backed up {_words(manifest)} to {stored.name}, {stored.size:,} bytes, SHA-256 {stored.digest}.",
            figures=figures,
            samples=(Sample(what=stored.name, after=f"{stored.size:,} bytes", note="download", link=f"/files/{stored.name}/download"),),
        )

    def leaves(self, why: str) -> str:
        """What is left of a backup that is not finished."""
        return (
            "What is written of the file is dropped and was never to be seen; Resume begins it again."
            if why == "pause"
            else "No file is left."
        )

    async def _find(self, connection: Connection) -> StreamInfo:
        if self.stream == OWN_FILES:
            raise InvalidInput(
                f"{self.stream} is where backups are written, so it cannot be backed up into itself; download its files instead."
            )
        info = await get_stream(connection, self.stream)
        if info.storage == "memory":
            raise InvalidInput(f"{self.stream} lies in memory, and the server backs up only streams that lie in files; export it instead.")
        return info

    async def _durables(self, connection: Connection) -> tuple[str, ...]:
        found = await list_consumers(connection, self.stream) if self.consumers else []
        return tuple(consumer.name for consumer in found if consumer.durable)

    def _name(self) -> str:
        stem = _UNUSUAL.sub("-", self.stream).strip("-") or "stream"
        return f"{stem[:120]}-{now():%Y-%m-%d}{BACKUP_SUFFIX}"


@asynccontextmanager
async def _whole_or_nothing(connection: Connection, nuid: str) -> AsyncIterator[ObjectWriter]:
    """A writer whose bytes are dropped where the block ends in any error, an interruption too."""
    try:
        yield await open_writer(connection, FILES_BUCKET, nuid)
    except BaseException:
        with suppress(PersistenceError):  # else the next attempt does it, or nobody ever sees them
            await drop_chunks(connection, FILES_BUCKET, nuid)
        raise


async def _forget(connection: Connection, progress: Progress) -> None:
    """Drop what an attempt wrote whose worker was killed."""
    nuid = (progress.checkpoint or {}).get("nuid")
    if isinstance(nuid, str):
        await drop_chunks(connection, FILES_BUCKET, nuid)
        progress.log("begins again from the beginning: the server cannot send a backup from the middle")


async def _write(backup: StreamBackup, target: BackupWriter, progress: Progress) -> str:
    await target.begin()
    total = int(backup.state["bytes"])
    while (chunk := await backup.next_chunk()) is not None:
        await target.add(chunk)
        await progress.report(target.bytes, max(total, target.bytes))
    return await target.finish()


def _manifest(
    info: StreamInfo, backup: StreamBackup, connection: Connection, progress: Progress, *, durables: tuple[str, ...]
) -> BackupManifest:
    return BackupManifest(
        stream=info.name,
        config=backup.config,
        state=backup.state,
        created=format_time(info.created) if info.created else "",
        server=f"nats-server {connection.server.version}, {connection.server.name}",
        durables=durables,
        at=format_time(now()),
        by=progress.requested_by,
        run=progress.run_id,
    )


def _words(manifest: BackupManifest) -> str:
    if not manifest.messages:
        return f"{manifest.stream}, empty"
    return f"{manifest.stream} {int(manifest.state['first_seq']):,} – {manifest.last_sequence:,}, {counted(manifest.messages, 'message')}"
