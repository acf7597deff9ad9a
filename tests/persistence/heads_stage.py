"""This module is what tests of heads manifests share: recording those of a raw stream, reading them back, and what an attacker does."""

from __future__ import annotations

from typing import Any

from apps.persistence.events import AggregateRef, Event
from apps.persistence.heads import (
    HEADS_BUCKET,
    Manifest,
    compare_with_manifest,
    find_bytes,
    newest_manifest,
    read_rows,
)
from apps.persistence.heads.manifest import HeadRow
from apps.persistence.operations import RecordHeads
from apps.persistence.store import Outgoing, Store, ensure_stream, read_batch, read_chunks, store_message
from apps.persistence.work.operation import Outcome
from tests.persistence.engine_stage import Stage
from tests.persistence.operating import Noted, carry_out
from tests.persistence.raw_stream import (
    RawStream,
)


async def record(stage: Stage, raw: RawStream, run: str = "run-1", **given: Any) -> Outcome:
    operation = RecordHeads(scope="stream", stream=raw.layout.stream, **given)
    return await carry_out(stage.store, stage.registry, operation, Noted(run_id=run))


async def manifest_of(raw: RawStream) -> Manifest:
    found = await newest_manifest(raw.store, raw.layout.stream)
    assert found is not None
    return found


async def rows_of(raw: RawStream) -> list[HeadRow]:
    return [row async for rows in read_rows(raw.store.connection, await manifest_of(raw)) for row in rows]


async def stored_block(store: Store, manifest: Manifest) -> bytes:
    stored = await find_bytes(store.connection, manifest)
    return b"".join(message.data for message in await read_chunks(store.connection, stored))


async def omissions(raw: RawStream) -> list[tuple[AggregateRef, int, int, str | None, int | None]]:
    found = await compare_with_manifest(raw.store, await manifest_of(raw))
    return [(one.aggregate, one.version, one.sequence, str(one.found) if one.found else None, one.stands_at) for one in found.omitted]


async def events_of(raw: RawStream) -> list[Event]:
    batch = await read_batch(raw.store.connection, raw.layout.stream)
    return [Event.from_block(message.data) for message in batch.messages]


async def recreate(raw: RawStream, *messages: Outgoing) -> None:
    """What somebody with full access does: the stream anew, with other messages in it."""
    connection, stream = raw.store.connection, raw.layout.stream
    config = (await connection.api(f"STREAM.INFO.{stream}", stream=stream))["config"]
    await connection.api(f"STREAM.DELETE.{stream}", stream=stream)
    await ensure_stream(connection, config)
    for message in messages:
        await store_message(connection, message)


async def replace_bytes(raw: RawStream, manifest: Manifest, block: bytes) -> None:
    """What somebody with full access to the bucket does."""
    bucket, name = f"OBJ_{HEADS_BUCKET}", str(manifest.cid)
    await raw.store.connection.api(f"STREAM.PURGE.{bucket}", {"filter": f"$O.{HEADS_BUCKET}.C.{name}"}, stream=bucket)
    await store_message(raw.store.connection, Outgoing(f"$O.{HEADS_BUCKET}.C.{name}", block, {}))
