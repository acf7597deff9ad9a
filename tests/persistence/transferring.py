"""This module is what the tests of transfer share: events whose values are hard to write as text, and reading files back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from apps.persistence.encoding import Value, cid_of
from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Message, Store, append, open_reader, open_writer
from apps.persistence.store.append_blocks import EventBlock
from apps.persistence.transfer import UPLOADS_BUCKET, ByteReader, FileKind, Made, get_file, new_nuid, open_file, read_batches
from apps.persistence.work.run import Run, RunState

from .engine_stage import Stage

ORDER = AggregateRef("sales", "order", "o1")
OTHER = AggregateRef("sales", "order", "o2")

HARD: dict[str, Value] = {
    "bytes": b"\x00\xff/",
    "link": cid_of(b"something"),
    "greatest": 2**64 - 1,
    "least": -(2**64),
    "whole float": 1.0,
    "tiny": 5e-324,
    "text": 'Ωμέγα \u2028 "quoted" \\ 🙂',
    "nested": [None, True, {"": []}],
}


async def append_hard(store: Store) -> None:
    """Two orders in turn, with values that plain JSON would lose; one payload has the key that DAG-JSON keeps for itself."""
    first = (await append(store, Head(aggregate=ORDER), [NewEvent(type="created", payload=HARD)]))[-1].head
    other = (await append(store, Head(aggregate=OTHER), [NewEvent(type="created", payload={"/": "taken"})]))[-1].head
    await append(store, first, [NewEvent(type="item_added", payload={"n": 2}), NewEvent(type="item_added", payload={"n": 3})])
    await append(store, other, [NewEvent(type="closed")])


async def stored(store: Store, stream: str | None = None) -> list[Message]:
    """Every message of the stream."""
    found: list[Message] = []
    async with open_reader(store.connection, stream or store.layout.stream) as reader:
        async for batch in reader:
            found += batch
    return found


async def blocks(store: Store, stream: str | None = None) -> list[tuple[str, bytes]]:
    """Id and bytes of every message, in order."""
    return [(message.headers["Nats-Msg-Id"], message.data) for message in await stored(store, stream)]


async def content(store: Store, name: str) -> bytes:
    """The bytes of a file."""
    reader = open_file(store.connection, await get_file(store.connection, name))
    return b"".join([piece async for piece in reader.rest()])


async def read_file(data: bytes, *, piece: int = 7) -> list[EventBlock]:
    """The events in these bytes, which arrive in small pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), piece):
            yield data[start : start + piece]

    return [event async for batch in read_batches(ByteReader(pieces())) for _, event in batch]


async def append_chain(store: Store, count: int, *, to: AggregateRef = ORDER) -> None:
    """`count` events of one aggregate."""
    head = Head(aggregate=to)
    for start in range(0, count, 500):
        events = [NewEvent(type="item_added", payload={"number": number}) for number in range(start, min(count, start + 500))]
        head = (await append(store, head, events))[-1].head


async def done(stage: Stage, operation: str, given: dict[str, str], **more: Any) -> Run:
    """The run, once it has ended."""
    async with stage.worker():
        return await stage.wait(await stage.ask(operation, given, **more))


async def export(stage: Stage, **given: str) -> str:
    """Export and return the file's name."""
    run = await done(stage, "export", given)
    assert run.state is RunState.FINISHED, run.outcome
    return str(run.figures["file"])


async def upload(store: Store, name: str, data: bytes) -> None:
    writer = await open_writer(store.connection, UPLOADS_BUCKET, new_nuid())
    await writer.write(data)
    await writer.finish(name, Made(kind=FileKind.UPLOAD, source="a test", by="olga").metadata())
