"""This module is handing out an object of a store while it is read: a process holds no more of it than a few chunks, whatever its size."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from apps.connection import ask
from apps.persistence.errors import ContinuityLost
from apps.persistence.store import Message, Store, StoredObject, read_chunks

CHUNKS_SECONDS = 30.0


def send_object(stored: StoredObject, *, name: str = "") -> StreamingHttpResponse:
    """The object with its name, size and digest (RFC 9530); a browser sees one that turns out to be torn as a broken download."""
    headers = {
        "Content-Disposition": content_disposition_header(True, name or stored.name) or "",
        "Content-Length": str(stored.size),
        "Cache-Control": "private, no-store",
    }
    if stored.digest:
        headers["Repr-Digest"] = f"sha-256=:{b64encode(bytes.fromhex(stored.digest)).decode()}:"
    return StreamingHttpResponse(_pieces(stored), content_type="application/octet-stream", headers=headers)


async def _pieces(stored: StoredObject) -> AsyncIterator[bytes]:
    size, position = 0, 0
    ask_beside = sync_to_async(ask, thread_sensitive=False)
    while chunks := await ask_beside(_read, stored, position, timeout_seconds=CHUNKS_SECONDS):
        for chunk in chunks:
            size += len(chunk.data)
            yield chunk.data
        position = chunks[-1].sequence
    if size != stored.size:
        raise ContinuityLost(f"{stored.name} ends after {size:,} of {stored.size:,} bytes; it was deleted while it was read, or is torn.")


async def _read(store: Store, stored: StoredObject, after: int) -> tuple[Message, ...]:
    return await read_chunks(store.connection, stored, after=after)
