"""Object buckets: files in chunks, whole or not at all, with a digest that is checked."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from apps.persistence.errors import ContinuityLost, InvalidInput, KeyNotFound, ServerRefused
from apps.persistence.events import new_id
from apps.persistence.store import (
    Connection,
    StoredObject,
    delete_object,
    ensure_object_bucket,
    find_object,
    get_stream,
    list_objects,
    open_connection,
    open_writer,
    read_object,
)
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.store.objects import CHUNK_BYTES, check_name

CONTENT = bytes(range(256)) * 5000
BUCKET = "test-objects"


@pytest.fixture
async def connection(nats_server: EmbeddedServer) -> AsyncIterator[Connection]:
    async with open_connection(nats_server.settings("worker")) as opened:
        await ensure_object_bucket(opened, BUCKET, description="for tests")
        yield opened


async def read(connection: Connection, stored: StoredObject) -> bytes:
    return b"".join([chunk async for _, chunk in read_object(connection, stored)])


async def test_file_is_read_back_byte_for_byte_with_its_digest(connection: Connection) -> None:
    writer = await open_writer(connection, BUCKET, "whole")
    await writer.write(CONTENT)
    await writer.finish("whole.bin", {"kind": "test"})

    found = await find_object(connection, BUCKET, "whole.bin")

    assert found is not None
    assert await read(connection, found) == CONTENT
    assert (found.size, found.chunks) == (len(CONTENT), -(-len(CONTENT) // CHUNK_BYTES))
    assert found.digest == hashlib.sha256(CONTENT).hexdigest()
    assert found.metadata == {"kind": "test"}


async def test_file_that_is_not_finished_is_not_to_be_seen(connection: Connection) -> None:
    await (await open_writer(connection, BUCKET, "half")).write(b"half")

    assert [stored.nuid for stored in await list_objects(connection, BUCKET) if stored.nuid == "half"] == []


async def test_writer_goes_on_where_another_was_interrupted(connection: Connection) -> None:
    await (await open_writer(connection, BUCKET, "resumed")).write(CONTENT)

    second = await open_writer(connection, BUCKET, "resumed")
    await second.write(b"end")

    assert await read(connection, await second.finish("resumed.bin", {})) == CONTENT + b"end"


async def test_two_writers_of_one_file_cannot_mix(connection: Connection) -> None:
    one, two = await open_writer(connection, BUCKET, "both"), await open_writer(connection, BUCKET, "both")
    await one.write(b"one")

    with pytest.raises(ServerRefused, match="wrong last sequence"):
        await two.write(b"two")


async def test_file_with_a_missing_chunk_is_noticed(connection: Connection) -> None:
    writer = await open_writer(connection, BUCKET, "torn")
    await writer.write(CONTENT)
    stored = await writer.finish("torn.bin", {})
    last = (await get_stream(connection, f"OBJ_{BUCKET}")).last_sequence
    await connection.api(f"STREAM.MSG.DELETE.OBJ_{BUCKET}", {"seq": last - 1})

    with pytest.raises(ContinuityLost, match=r"torn\.bin is not what was written"):
        await read(connection, stored)


async def test_deleted_file_is_gone_with_its_chunks(connection: Connection) -> None:
    writer = await open_writer(connection, BUCKET, "gone")
    await writer.write(CONTENT)
    await writer.finish("gone.bin", {})
    before = (await get_stream(connection, f"OBJ_{BUCKET}")).messages

    await delete_object(connection, BUCKET, "gone.bin")

    assert await find_object(connection, BUCKET, "gone.bin") is None
    assert (await get_stream(connection, f"OBJ_{BUCKET}")).messages == before - writer.chunks - 1
    with pytest.raises(KeyNotFound, match=r"no file 'gone\.bin'"):
        await delete_object(connection, BUCKET, "gone.bin")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "é.car", "a..b", ".hidden", "end.", "x" * 201, "a\n"])
def test_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name of a file"):
        check_name(name)


def test_new_ids_are_names() -> None:
    assert check_name(new_id())
