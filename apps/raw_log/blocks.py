"""This module is a stream's stored bytes as they are, some ten thousand sequences at a time, sent while they are read.

For each message, in the order of the stream:

    8 bytes    its sequence, big endian
    2 bytes    the length of its subject, then the subject
    4 bytes    the length of what is stored, then that

The header `CIM-Last-Sequence` says up to which sequence the answer goes: what is not in it up to there, the stream does not hold.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse

from apps.connection import ask
from apps.persistence.errors import InvalidInput
from apps.persistence.store import Message, Store, get_next, get_stream, read_batch
from apps.persistence.store.names import check_stream_name

from .door import fetched_with

MOST_SEQUENCES = 10_000
MESSAGES_AT_ONCE = 1_000
BYTES_AT_ONCE = 4 * 1024 * 1024
READ_SECONDS = 30.0
_GREATEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The sequences that one answer covers; none where `last` is before `first`. `end` is the last of the stream."""

    stream: str
    first: int
    last: int
    end: int


@fetched_with("audit.view")
def blocks(request: HttpRequest, stream: str) -> StreamingHttpResponse:
    first, last = _sequence(request, "first", 1), _sequence(request, "last", _GREATEST)
    if first > last:
        raise InvalidInput(f"first is {first:,} and last is {last:,}, which is before it; give the smaller sequence as first.")
    extent = ask(_extent, check_stream_name(stream), first, last)
    begin = ask(_read, extent, first, timeout_seconds=READ_SECONDS)
    headers = {"CIM-First-Sequence": f"{first}", "CIM-Last-Sequence": f"{extent.last}", "CIM-Stream-Last-Sequence": f"{extent.end}"}
    return StreamingHttpResponse(_pieces(extent, begin), content_type="application/octet-stream", headers=headers)


def framed(messages: Sequence[Message]) -> bytes:
    """Messages as they are sent."""
    parts: list[bytes] = []
    for message in messages:
        subject = message.subject.encode(errors="replace")
        parts += (struct.pack(">QH", message.sequence, len(subject)), subject, struct.pack(">I", len(message.data)), message.data)
    return b"".join(parts)


async def _pieces(extent: Extent, begin: Sequence[Message]) -> AsyncIterator[bytes]:
    """Never more than one batch in memory. Where reading fails the connection breaks off, so that nobody takes it for the end."""
    ask_beside = sync_to_async(ask, thread_sensitive=False)
    found = begin
    while found:
        yield framed(found)
        after = found[-1].sequence + 1
        found = await ask_beside(_read, extent, after, timeout_seconds=READ_SECONDS) if after <= extent.last else ()


async def _extent(store: Store, stream: str, first: int, last: int) -> Extent:
    end = (await get_stream(store.connection, stream)).last_sequence
    return Extent(stream=stream, first=first, last=min(last, end, first + MOST_SEQUENCES - 1), end=end)


async def _read(store: Store, extent: Extent, from_sequence: int) -> Sequence[Message]:
    """The next messages; none where the leader has no more up to the end of the extent. A replica may be behind."""
    if from_sequence > extent.last:
        return ()
    limit = min(MESSAGES_AT_ONCE, extent.last - from_sequence + 1)
    batch = await read_batch(store.connection, extent.stream, from_sequence=from_sequence, limit=limit, max_bytes=BYTES_AT_ONCE)
    found = [message for message in batch.messages if message.sequence <= extent.last]
    if found or batch.messages:
        return found
    one = await get_next(store.connection, extent.stream, from_sequence=from_sequence, leader=True)
    return (one,) if one is not None and one.sequence <= extent.last else ()


def _sequence(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not 1 <= int(text) <= _GREATEST:
        raise InvalidInput(f"{name} is {text[:40]!r}; it must be a sequence, a whole number from 1.")
    return int(text)
