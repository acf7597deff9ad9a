"""This module is content by its CID on a real server: kept once, hashed anew when read, and refused where it is something else."""

from __future__ import annotations

import asyncio
import os

import pytest

from apps.persistence.content import ContentStore, cid_of_bytes, parse_cid
from apps.persistence.encoding import Cid, cid_of, encode
from apps.persistence.errors import CidNotFound, ContentDamaged, EncodingError, InvalidCid, InvalidInput
from apps.persistence.events import new_id
from apps.persistence.store import Store, get_stream, list_objects, open_store, open_writer
from apps.persistence.store.embedded import EmbeddedServer

LARGE = os.urandom(1_300_000)


@pytest.fixture
def contents(store: Store) -> ContentStore:
    return ContentStore(connection=store.connection, bucket=f"content-{new_id()}")


async def messages_in(contents: ContentStore) -> int:
    return (await get_stream(contents.connection, f"OBJ_{contents.bucket}")).messages


async def last_sequence(contents: ContentStore) -> int:
    return (await get_stream(contents.connection, f"OBJ_{contents.bucket}")).last_sequence


async def overwrite(contents: ContentStore, cid: Cid, data: bytes) -> None:
    """Put other bytes where those of `cid` lie, as only somebody with rights on the bucket's stream can."""
    name = cid.raw[-32:].hex()
    body = {"filter": f"$O.{contents.bucket}.C.{name}"}
    await contents.connection.api(f"STREAM.PURGE.OBJ_{contents.bucket}", body, stream=f"OBJ_{contents.bucket}")
    await (await open_writer(contents.connection, contents.bucket, name)).write(data)


@pytest.mark.parametrize("data", [b"", b"tea", LARGE], ids=["empty", "small", "of many chunks"])
async def test_content_comes_back_as_it_was(contents: ContentStore, data: bytes) -> None:
    cid = await contents.put(data)

    assert await contents.get(cid) == data
    assert await contents.exists(cid)


async def test_cid_of_plain_bytes_is_that_of_other_tools(contents: ContentStore) -> None:
    cid = await contents.put(b"hello world")

    assert cid.raw.hex() == "01551e20d74981efa70a0c880b8d8c1985d075dbcbf679b99a5f9914e5aaf96b831a9e24"
    assert parse_cid(str(cid)) == cid


async def test_value_is_kept_as_a_block_of_the_same_cid_as_everywhere(contents: ContentStore) -> None:
    cid = await contents.put_value({"days": 14, "of": cid_of_bytes(b"tea")})

    assert cid == cid_of(encode({"days": 14, "of": cid_of_bytes(b"tea")}))
    assert await contents.get_value(cid) == {"days": 14, "of": cid_of_bytes(b"tea")}


async def test_content_is_read_by_another_process_connection(contents: ContentStore, nats_server: EmbeddedServer) -> None:
    cid = await contents.put(b"tea")

    async with open_store(nats_server.settings("worker")) as elsewhere:
        found = await ContentStore(connection=elsewhere.connection, bucket=contents.bucket).get(cid)

    assert found == b"tea"


async def test_same_content_is_stored_once(contents: ContentStore) -> None:
    first = await contents.put(LARGE)
    before = await last_sequence(contents)

    second = await contents.put(LARGE)

    assert second == first
    assert await last_sequence(contents) == before


async def test_same_content_put_by_many_at_once_is_stored_once(contents: ContentStore) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(contents.put(LARGE)) for _ in range(5)]

    assert await contents.get(tasks[0].result()) == LARGE
    assert len(await list_objects(contents.connection, contents.bucket)) == 1
    assert await messages_in(contents) == 4  # three chunks and the record


async def test_writer_that_was_cut_off_is_gone_on_with(contents: ContentStore) -> None:
    await contents.prepare()
    cid = cid_of_bytes(LARGE)
    await (await open_writer(contents.connection, contents.bucket, cid.raw[-32:].hex())).write(LARGE[: 512 * 1024])
    assert not await contents.exists(cid)

    await contents.put(LARGE)

    assert await contents.get(cid) == LARGE
    assert await messages_in(contents) == 4


async def test_what_lies_in_the_way_of_a_writer_is_replaced(contents: ContentStore) -> None:
    await contents.prepare()
    cid = cid_of_bytes(b"tea")
    await (await open_writer(contents.connection, contents.bucket, cid.raw[-32:].hex())).write(b"something longer")

    await contents.put(b"tea")

    assert await contents.get(cid) == b"tea"


@pytest.mark.parametrize("stored", [b"tex", b"te", b"tea and more", b"x" * 600_000])
async def test_changed_content_is_refused_and_can_be_mended(contents: ContentStore, stored: bytes) -> None:
    cid = await contents.put(b"tea")
    await overwrite(contents, cid, stored)

    with pytest.raises(ContentDamaged, match=f"as {cid} is something else"):
        await contents.get(cid)
    await contents.put(b"tea", mend=True)

    assert await contents.get(cid) == b"tea"


async def test_mending_what_is_whole_writes_nothing(contents: ContentStore) -> None:
    await contents.put(b"tea")
    before = await last_sequence(contents)

    await contents.put(b"tea", mend=True)

    assert await last_sequence(contents) == before


async def test_content_that_is_not_there_is_named(contents: ContentStore) -> None:
    cid = cid_of_bytes(b"tea")

    with pytest.raises(CidNotFound, match=f"No content {cid}"):
        await contents.get(cid)
    await contents.prepare()
    with pytest.raises(CidNotFound, match=f"No content {cid}"):
        await contents.get(cid)
    assert not await contents.exists(cid)


async def test_content_above_the_limit_is_refused_both_ways(contents: ContentStore) -> None:
    small = ContentStore(connection=contents.connection, bucket=contents.bucket, max_bytes=10)
    cid = await contents.put(b"eleven byte")

    with pytest.raises(InvalidInput, match="12 bytes is too large"):
        await small.put(b"twelve bytes")
    with pytest.raises(InvalidInput, match="11 bytes is too large"):
        await small.get(cid)


async def test_plain_bytes_are_not_read_as_a_value(contents: ContentStore) -> None:
    cid = await contents.put(b"\xff\xff")

    with pytest.raises(EncodingError):
        await contents.get_value(cid)


@pytest.mark.parametrize(
    "raw", [b"", b"\x01", bytes([1, 0x70, 0x1E, 32]) + bytes(32), bytes([1, 0x55, 0x12, 32]) + bytes(32), bytes([1, 0x55, 0x1E, 0])]
)
async def test_cid_of_another_kind_is_refused(contents: ContentStore, raw: bytes) -> None:
    with pytest.raises(InvalidCid):
        await contents.get(Cid(raw))
    with pytest.raises(InvalidCid):
        await contents.exists(Cid(raw))


@pytest.mark.parametrize("text", ["", "b", "bafkr4i", "B" * 59, "b" + "1" * 58, "b" + "a" * 58, "\x00" * 59, "é" * 59])
def test_text_that_is_no_cid_is_refused(text: str) -> None:
    with pytest.raises(InvalidCid):
        parse_cid(text)
