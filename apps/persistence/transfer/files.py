"""This module is files: what runs have written for people to take away, and what people have brought.

Both lie in object buckets, so that any web process can offer a file and any worker can read one. They are two buckets because of rights:
the web process may write to `cim-uploads` alone, where files vanish after a week; exports, backups and archives are written by workers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from ..errors import KeyNotFound, StreamNotFound
from ..events import new_id
from ..store import (
    Connection,
    ObjectWriter,
    StoredObject,
    delete_object,
    ensure_object_bucket,
    find_object,
    list_objects,
    open_writer,
    read_object,
)
from .reading import ByteReader

FILES_BUCKET = "cim-files"
UPLOADS_BUCKET = "cim-uploads"
ARCHIVE_SUFFIX = ".archive.car"
BACKUP_SUFFIX = ".backup"
UPLOADS_KEPT_SECONDS = 7 * 24 * 3600


class FileKind(StrEnum):
    """Where a file comes from."""

    EXPORT = "export"
    BACKUP = "backup"
    ARCHIVE = "archive"
    EVIDENCE = "evidence"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file. `source` says of what it is, `run` which run wrote it (empty: none), `events` how many it holds where that is known."""

    stored: StoredObject
    kind: str
    source: str
    by: str
    run: str
    events: int | None

    @property
    def is_backup(self) -> bool:
        """Whether it is one that was written here, or an upload that is called so."""
        return self.kind == FileKind.BACKUP or self.name.endswith(BACKUP_SUFFIX)

    @property
    def is_archive(self) -> bool:
        """The same for archives."""
        return self.kind == FileKind.ARCHIVE or self.name.endswith(ARCHIVE_SUFFIX)

    @property
    def name(self) -> str:
        """By which operations and pages name it."""
        return self.stored.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the writer of a file says of it."""

    kind: FileKind
    source: str
    by: str
    run: str = ""
    events: int | None = None

    def metadata(self) -> dict[str, str]:
        """As it is stored beside the file."""
        return {
            "kind": self.kind.value,
            "source": self.source,
            "by": self.by,
            "run": self.run,
            "events": "" if self.events is None else str(self.events),
        }


async def ensure_files(connection: Connection) -> None:
    """The two buckets, created where they are missing."""
    await ensure_object_bucket(connection, FILES_BUCKET, description="Exports, backups and archives of the console.")
    await ensure_object_bucket(
        connection, UPLOADS_BUCKET, description="Files that people have brought; they vanish.", max_age_seconds=UPLOADS_KEPT_SECONDS
    )


async def list_files(connection: Connection) -> list[File]:
    """Every file, the newest first; none where no worker has made the buckets yet."""
    found: list[StoredObject] = []
    for bucket in (FILES_BUCKET, UPLOADS_BUCKET):
        try:
            found += await list_objects(connection, bucket)
        except StreamNotFound:
            continue
    return [_file(stored) for stored in sorted(found, key=lambda stored: stored.written, reverse=True)]


async def find_file(connection: Connection, name: str) -> File | None:
    """The file of that name, or None."""
    for bucket in (FILES_BUCKET, UPLOADS_BUCKET):
        try:
            stored = await find_object(connection, bucket, name)
        except StreamNotFound:
            continue
        if stored is not None:
            return _file(stored)
    return None


async def get_file(connection: Connection, name: str) -> File:
    """The file of that name. Raises KeyNotFound."""
    found = await find_file(connection, name)
    if found is None:
        raise KeyNotFound(f"There is no file {name[:200]!r}; the page of files lists those there are. Uploads are kept for a week.")
    return found


async def delete_file(connection: Connection, file: File) -> None:
    """Delete a file for good."""
    await delete_object(connection, file.stored.bucket, file.name)


def open_file(connection: Connection, file: File) -> ByteReader:
    """Read a file from its beginning."""
    return ByteReader(_bytes_of(connection, file.stored))


async def free_name(connection: Connection, wanted: str) -> str:
    """`wanted`, with a number where a file of that name is there."""
    return _numbered({file.name for file in await list_files(connection)}, wanted)


async def new_file(connection: Connection) -> ObjectWriter:
    """A writer of a new file of a run."""
    return await open_writer(connection, FILES_BUCKET, new_nuid())


def new_nuid() -> str:
    """A token that names the bytes of a new file."""
    return new_id().replace("-", "")


def _numbered(taken: Collection[str], wanted: str) -> str:
    path = PurePath(wanted)
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    return name


async def _bytes_of(connection: Connection, stored: StoredObject) -> AsyncIterator[bytes]:
    async for _, chunk in read_object(connection, stored):
        yield chunk


def _file(stored: StoredObject) -> File:
    given = stored.metadata
    events = given.get("events", "")
    return File(
        stored=stored,
        kind=given.get("kind", "file"),
        source=given.get("source", ""),
        by=given.get("by", ""),
        run=given.get("run", ""),
        events=int(events) if events.isascii() and events.isdigit() else None,
    )
