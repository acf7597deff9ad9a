"""This module is the objects of a store as their records tell of them (ADR-20), a page of them, and one whose bytes are hashed again.

A record lies under the base64 of the object's name; links to other objects and deleted ones are records, too. What a record says is shown
as its writer said it, and what cannot be read is shown as such.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.persistence.errors import NotFound
from apps.persistence.store import Message, Store, StoredObject, get_last, page_back, read_chunks

from .buckets import Bucket, get_bucket

PAGE_OBJECTS = 50
CHECKED_BYTES = 512_000_000
"""An object above this is not hashed while somebody waits."""
DOWNLOAD_BYTES = 2_000_000_000
"""Nor is one above this handed out by the web process."""
_ALGORITHM = "SHA-256="


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRecord:
    """One record. `token` is the last word of its subject; `digest` is SHA-256 in hexadecimal, empty where it gives none.

    `link` is where a link leads, `bucket/name`; `problem` says why the record cannot be read.
    """

    bucket: str
    token: str
    name: str
    written: datetime
    nuid: str = ""
    size: int = 0
    chunks: int = 0
    digest: str = ""
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    is_deleted: bool = False
    problem: str = ""

    @property
    def state(self) -> str:
        if self.problem:
            return "undecodable"
        return "link" if self.link else "deleted" if self.is_deleted else "object"

    @property
    def has_bytes(self) -> bool:
        return self.state == "object"

    @property
    def may_check(self) -> bool:
        return self.has_bytes and self.size <= CHECKED_BYTES

    @property
    def may_download(self) -> bool:
        return self.has_bytes and self.size <= DOWNLOAD_BYTES

    @property
    def stored(self) -> StoredObject:
        """The same as the store reads it."""
        return StoredObject(
            bucket=self.bucket,
            name=self.name,
            nuid=self.nuid,
            size=self.size,
            chunks=self.chunks,
            digest=self.digest,
            written=self.written,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the chunks of an object hold in truth, beside what its record says."""

    record: ObjectRecord
    size: int
    chunks: int
    digest: str

    @property
    def findings(self) -> list[str]:
        """What does not agree, in sentences; none where all of it does."""
        said, found = self.record, []
        if self.size != said.size:
            found.append(f"It has {self.size:,} bytes, and its record says {said.size:,}.")
        if self.chunks != said.chunks:
            found.append(f"It lies in {self.chunks:,} chunks, and its record says {said.chunks:,}.")
        if said.digest and self.digest != said.digest:
            found.append(f"Its bytes hash to {self.digest}, and its record says {said.digest}.")
        return found

    @property
    def is_intact(self) -> bool:
        return not self.findings

    @property
    def has_digest(self) -> bool:
        return bool(self.record.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPage:
    """Some objects, those written last first; `older` is where to go on, None at the end."""

    bucket: Bucket
    rows: tuple[ObjectRecord, ...]
    before: int | None
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectView:
    """One object, and what checking it found, if it was checked."""

    bucket: Bucket
    record: ObjectRecord
    checked: Checked | None = None


async def read_objects(store: Store, name: str, before: int | None) -> ObjectPage:
    """A page of the records of a store. Raises NotFound, Unavailable."""
    bucket = await get_bucket(store, "objects", name)
    if not bucket.info.messages:
        return ObjectPage(bucket=bucket, rows=(), before=before, older=None)
    pattern = f"$O.{bucket.name}.M.>"
    start = before or bucket.info.last_sequence + 1
    page = await page_back(store.connection, bucket.info, before_sequence=start, limit=PAGE_OBJECTS, pattern=pattern)
    rows = tuple(read_record(bucket.name, message) for message in reversed(page.messages))
    older = page.scanned_from if page.scanned_from > bucket.info.first_sequence else None
    return ObjectPage(bucket=bucket, rows=rows, before=before, older=older)


async def read_object_view(store: Store, name: str, token: str, *, is_checked: bool = False) -> ObjectView:
    """One object, hashed again where that is asked for and it is not too large. Raises NotFound, Unavailable."""
    bucket = await get_bucket(store, "objects", name)
    message = await get_last(store.connection, bucket.info.name, f"$O.{bucket.name}.M.{token}") if is_token(token) else None
    if message is None:
        raise NotFound(f"{bucket.name} holds no object {name_of(token)[:80]!r}; it may have been deleted. See the list of its objects.")
    record = read_record(bucket.name, message)
    checked = await check_object(store, record) if is_checked and record.may_check else None
    return ObjectView(bucket=bucket, record=record, checked=checked)


async def check_object(store: Store, record: ObjectRecord) -> Checked:
    """Read every chunk and hash it. Raises Unavailable."""
    size, chunks, sha256, position = 0, 0, hashlib.sha256(), 0
    while messages := await read_chunks(store.connection, record.stored, after=position):
        for message in messages:
            size += len(message.data)
            chunks += 1
            sha256.update(message.data)
        position = messages[-1].sequence
    return Checked(record=record, size=size, chunks=chunks, digest=sha256.hexdigest())


def token_of(name: str) -> str:
    """The last word of the subject of the record of an object of that name."""
    return urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode()


def is_token(token: str) -> bool:
    """Whether a subject may end in it."""
    return bool(token) and token.isascii() and token.isprintable() and not set(token) & set(" .*>")


def name_of(token: str) -> str:
    """The name that a subject's last word is the base64 of; the word itself where it is not."""
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        return token


def read_record(bucket: str, message: Message) -> ObjectRecord:
    """What a record says; one that cannot be read says why. Never raises."""
    token = message.subject.rpartition(".")[2]
    blank: dict[str, Any] = {"bucket": bucket, "token": token, "name": name_of(token), "written": message.time}
    try:
        return ObjectRecord(**blank, **_fields(json.loads(message.data)))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return ObjectRecord(**blank, problem=f"Its record is none of an object ({str(error)[:120] or type(error).__name__}).")


def _fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ValueError, LookupError, TypeError or AttributeError for what is no record."""
    link = (record.get("options") or {}).get("link") or {}
    digest = str(record.get("digest") or "")
    if digest and not digest.startswith(_ALGORITHM):
        raise ValueError(f"its digest is {digest[:40]!r}, not SHA-256")
    nuid, is_deleted = str(record.get("nuid") or ""), bool(record.get("deleted"))
    if not (link or is_deleted or is_token(nuid)):
        raise ValueError(f"its nuid is {nuid[:40]!r}, under which no chunks can lie")
    return {
        "nuid": nuid,
        "size": max(0, int(record.get("size") or 0)),
        "chunks": max(0, int(record.get("chunks") or 0)),
        "digest": _hex(digest.removeprefix(_ALGORITHM)) if digest else "",
        "description": str(record.get("description") or ""),
        "metadata": {str(key): str(value) for key, value in (record.get("metadata") or {}).items()},
        "link": "/".join(str(link[part]) for part in ("bucket", "name") if link.get(part)),
        "is_deleted": is_deleted,
    }


def _hex(text: str) -> str:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
