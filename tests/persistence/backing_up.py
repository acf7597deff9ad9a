"""This module is what the tests of restores share: streams to back up, files of backups taken apart and put together anew."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from apps.persistence.encoding import cid_of
from apps.persistence.store import Outgoing, Store, store_message
from apps.persistence.transfer import ByteReader
from apps.persistence.transfer.car import read_header, read_section, write_header, write_section
from apps.persistence.work.run import Run, RunState

from .changing_streams import carry_out, make_stream
from .engine_stage import Stage
from .transferring import stored, upload


async def make_orders(store: Store, count: int = 25, *, size: int = 100) -> None:
    """The stream ORDERS with messages, one gap, and a durable consumer that has read three."""
    await make_stream(store, name="ORDERS")
    for number in range(count):
        await store_message(store.connection, Outgoing(f"ORDERS.{number % 10}", os.urandom(size), {}))
    consumer = {
        "stream_name": "ORDERS",
        "config": {"name": "bill", "durable_name": "bill", "ack_policy": "explicit", "ack_wait": 60_000_000_000},
    }
    await store.connection.api("CONSUMER.CREATE.ORDERS.bill", consumer)
    await store.connection.api("STREAM.MSG.DELETE.ORDERS", {"seq": 7})


async def backed_up(stage: Stage, stream: str = "ORDERS", **given: str) -> str:
    """The name of the backup's file."""
    run = await carry_out(stage, "backup", stream=stream, **given)
    assert run.state is RunState.FINISHED, run.outcome
    return str(run.figures["file"])


async def delete(store: Store, stream: str) -> None:
    await store.connection.api(f"STREAM.DELETE.{stream}", stream=stream)


async def restored_from(stage: Stage, data: bytes, **given: str) -> Run:
    """The run that restored an upload of these bytes."""
    await upload(stage.store, "brought.backup", data)
    return await carry_out(stage, "restore", file="brought.backup", **given)


async def streams(store: Store) -> list[str]:
    return [name for name in (await store.connection.api("STREAM.NAMES"))["streams"] if not name.startswith(("CIM-", "KV_cim", "OBJ_cim"))]


async def sections(data: bytes) -> list[bytes]:
    """The blocks of a CAR."""

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    reader, found = ByteReader(pieces()), []
    await read_header(reader)
    while (block := await read_section(reader)) is not None:
        found.append(block.data)
    return found


def car_of(parts: list[bytes]) -> bytes:
    return write_header([cid_of(parts[0])]) + b"".join(write_section(cid_of(part), part) for part in parts)


async def blocks_of(store: Store, stream: str) -> list[tuple[int, str, bytes]]:
    return [(message.sequence, message.subject, message.data) for message in await stored(store, stream)]
