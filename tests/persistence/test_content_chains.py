"""This module is chains of contents: added exactly once, verified by recomputing links and contents, and told where something is wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from apps.persistence.content import ContentStore, add_to_chain, cid_of_bytes, read_chain, verify_chain
from apps.persistence.errors import AggregateNotFound, InvalidState, InvalidSubject
from apps.persistence.events import AggregateRef, NewEvent, new_id
from apps.persistence.store import Outgoing, Store, append, decode_event, drop_chunks, head_of, messages_of, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer


@pytest.fixture
def contents(store: Store) -> ContentStore:
    return ContentStore(connection=store.connection, bucket=f"contents-{new_id()[-12:]}")


async def test_each_content_is_a_link_to_the_one_before(store: Store, contents: ContentStore) -> None:
    first = await add_to_chain(store, contents, "minutes", b"We met.", {"by": "ada"})
    second = await add_to_chain(store, contents, "minutes", b"We met again.")

    links = await read_chain(store, "minutes")

    assert [link.cid for link in links] == [first, second]
    assert [link.previous for link in links] == [None, first]
    assert [await contents.get(link.content) for link in links] == [b"We met.", b"We met again."]
    assert links[0].metadata == {"by": "ada"}
    assert (await verify_chain(store, contents, "minutes")).is_intact


async def test_chain_goes_on_from_another_connection(store: Store, contents: ContentStore, nats_server: EmbeddedServer) -> None:
    first = await add_to_chain(store, contents, "minutes", b"one")

    async with open_store(nats_server.settings("worker"), layout=store.layout, layouts=[store.layout]) as later:
        await add_to_chain(later, ContentStore(connection=later.connection, bucket=contents.bucket), "minutes", b"two")

    assert [link.previous for link in await read_chain(store, "minutes")] == [None, first]


async def test_writers_at_the_same_time_each_get_a_link(store: Store, contents: ContentStore) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(add_to_chain(store, contents, "busy", f"{number}".encode())) for number in range(8)]

    links = await read_chain(store, "busy")

    assert {link.cid for link in links} == {task.result() for task in tasks}
    assert (await verify_chain(store, contents, "busy")).links == 8


async def test_content_that_is_gone_is_a_fault(store: Store, contents: ContentStore) -> None:
    await add_to_chain(store, contents, "minutes", b"We met.")
    await drop_chunks(store.connection, contents.bucket, cid_of_bytes(b"We met.").raw[4:].hex())

    check = await verify_chain(store, contents, "minutes")

    assert not check.is_intact
    assert "Link 1: What contents-" in check.faults[0]


async def test_link_that_was_tampered_with_is_a_fault(store: Store, contents: ContentStore) -> None:
    for content in (b"one", b"two"):
        await add_to_chain(store, contents, "minutes", content)
    last = decode_event(store, (await messages_of(store, AggregateRef("content", "chain", "minutes")))[-1]).event
    forged = replace(last, version=3, id=new_id())
    await store_message(store.connection, Outgoing(store.layout.subject(forged), forged.to_block(), {}))

    check = await verify_chain(store, contents, "minutes")

    assert not check.is_intact
    assert check.links == 3


async def test_what_is_no_chain_or_no_link_is_said(store: Store, contents: ContentStore) -> None:
    ref = AggregateRef("content", "chain", "odd")
    await append(store, await head_of(store, ref), [NewEvent(type="renamed")])

    with pytest.raises(InvalidState, match=r"Version 1 of content\.chain\.odd is no link"):
        await read_chain(store, "odd")
    with pytest.raises(AggregateNotFound, match="There is no chain nothing"):
        await read_chain(store, "nothing")
    with pytest.raises(AggregateNotFound):
        await verify_chain(store, contents, "nothing")
    with pytest.raises(InvalidSubject):
        await add_to_chain(store, contents, "a.b", b"x")
