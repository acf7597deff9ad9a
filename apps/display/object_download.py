"""This module is handing out an object of a store: a small one is checked first, a large one while it is read, a few chunks at a time."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from apps.connection import ask
from apps.persistence.errors import ContentDamaged
from apps.persistence.store import Message, Store, StoredObject, read_chunks

CHUNKS_SECONDS = 30.0
CHECKED_FIRST_BYTES = 8 * 1024 * 1024
"""Up to this size an object is hashed before its first byte is sent."""


def send_object(stored: StoredObject, *, name: str = "") -> StreamingHttpResponse:
    """The object with its name, size and digest (RFC 9530). Raises ContentDamaged, Unavailable.

    A browser sees one above CHECKED_FIRST_BYTES that turns out to be damaged as a broken download: its last chunk is not sent.
    """
    begin = ask(_begin, stored, timeout_seconds=CHUNKS_SECONDS)
    headers = {
        "Content-Disposition": content_disposition_header(True, name or stored.name) or "",
        "Content-Length": str(stored.size),
        "Cache-Control": "private, no-store",
    }
    if stored.digest:
        headers["Repr-Digest"] = f"sha-256=:{b64encode(bytes.fromhex(stored.digest)).decode()}:"
    return StreamingHttpResponse(_pieces(stored, begin), content_type="application/octet-stream", headers=headers)


@dataclass(slots=True)
class _Sum:
    """What was read so far, to hold against the record."""

    stored: StoredObject
    size: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._sha256.update(data)

    @property
    def is_whole(self) -> bool:
        return self.size >= self.stored.size

    def check(self) -> None:
        """Raises ContentDamaged."""
        name, said, digest = self.stored.name[:120], self.stored, self._sha256.hexdigest()
        if self.size > said.size:
            raise ContentDamaged(f"{name} is not handed out: it has more than the {said.size:,} bytes that its record says.")
        if self.size < said.size:
            raise ContentDamaged(f"{name} is not handed out: only {self.size:,} of its {said.size:,} bytes are there; its chunks are gone.")
        if said.digest and digest != said.digest:
            raise ContentDamaged(f"{name} is not handed out: its bytes hash to {digest}, and its record says {said.digest}.")


async def _begin(store: Store, stored: StoredObject) -> tuple[Message, ...]:
    """All chunks of a small object, checked, or the first ones of a large one. Raises ContentDamaged."""
    found = await _read(store, stored, 0)
    if stored.size > CHECKED_FIRST_BYTES and found:
        return found
    whole, chunks = _Sum(stored), list(found)
    while found:
        for chunk in found:
            whole.add(chunk.data)
        found = await _read(store, stored, found[-1].sequence) if whole.size <= stored.size else ()
        chunks += found
    whole.check()
    return tuple(chunks)


async def _pieces(stored: StoredObject, begin: tuple[Message, ...]) -> AsyncIterator[bytes]:
    """The last chunk goes out only when everything agrees with the record, or a browser would take the download for whole."""
    sent, chunks = _Sum(stored), begin
    ask_beside = sync_to_async(ask, thread_sensitive=False)
    while chunks:
        for chunk in chunks:
            sent.add(chunk.data)
            if sent.is_whole:
                sent.check()
            yield chunk.data
        if sent.is_whole:
            return
        chunks = await ask_beside(_read, stored, chunks[-1].sequence, timeout_seconds=CHUNKS_SECONDS)
    sent.check()


async def _read(store: Store, stored: StoredObject, after: int) -> tuple[Message, ...]:
    return await read_chunks(store.connection, stored, after=after)
