"""Migrating a stream: copied and transformed into a new generation, switched, rolled back; nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.errors import MigrationFailed, ServerRefused, StreamClosed, VersionConflict
from apps.persistence.events import AggregateRef, Event, NewEvent, StoredEvent
from apps.persistence.evolution.manifest import find_manifest, manifest_ref
from apps.persistence.log import TiledTree
from apps.persistence.log.reading import read_leaves
from apps.persistence.store import Layout, Outgoing, Store, append, get_stream, head_of, load, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer

from .baskets import BASKET_REF, added
from .stream_migrating import OTHER, all_of, change_of, fill, items_of, until_served_by, work_of

PATIENCE_SECONDS = 60


@pytest.fixture
async def filled(store: Store) -> Store:
    """A stream with two baskets."""
    return await fill(store)


@pytest.fixture
async def second(filled: Store, nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """The same stream from another process's point of view: a connection of its own."""
    async with open_store(nats_server.settings("worker"), layout=filled.layout, layouts=filled.layouts) as store:
        yield store


# -- the new generation ---------------------------------------------------------------------------------------------------------------


async def test_events_are_dropped_renamed_and_split_into_a_new_generation(filled: Store) -> None:
    old = filled.layout

    words = await change_of(filled).up(work_of(filled))

    assert words == f"Copied {old.stream} into {old.stream}-2, which serves now; {old.stream} is kept and closed."
    assert filled.layout.stream == f"{old.stream}-2"
    assert await items_of(filled) == ["put tea", "put cup", "put spoon", "removed tea"]
    assert await items_of(filled, OTHER) == ["put jam", "put bread"]


async def test_old_bytes_stay_as_they_are_and_both_generations_are_intact(filled: Store) -> None:
    old = filled.layout
    before = [message.data for message in await all_of(filled, old.stream)]

    await change_of(filled).up(work_of(filled))

    after = [message.data for message in await all_of(filled, old.stream)]
    first, second = await verify_stream(filled.on(old.of_generation(1))), await verify_stream(filled)
    assert after == before
    assert [(verdict.intact, verdict.checked) for verdict in (first, second)] == [(True, 7), (True, 8)]


async def test_manifest_is_first_and_says_what_the_generation_was_made_of(filled: Store) -> None:
    old = filled.layout
    await change_of(filled).up(work_of(filled))

    first, *_, last = await all_of(filled, f"{old.stream}-2")
    event, manifest = Event.from_block(first.data), await find_manifest(filled)
    said: Any = event.payload["from"]
    assert event.aggregate == manifest_ref(filled.layout)
    assert {key: said[key] for key in ("stream", "messages", "first_sequence", "last_sequence", "aggregates", "log_root")} == {
        "stream": old.stream,
        "messages": 7,
        "first_sequence": 1,
        "last_sequence": 7,
        "aggregates": 2,
        "log_root": b64encode(await root_of(filled, old.stream)).decode(),
    }
    assert Event.from_block(last.data).type == "completed"
    assert manifest is not None
    assert (manifest.migration, manifest.completed_at) == ("tidy", last.sequence)


async def root_of(store: Store, stream: str) -> bytes:
    """The root of a stream's log, by its leaves one after the other."""
    tree = TiledTree()
    async for leaves in read_leaves(store.connection, stream, after=0, last=7):
        tree.append(leaves)
    return tree.root()


async def test_first_event_of_each_aggregate_links_to_its_old_head(filled: Store) -> None:
    old = filled.layout
    old_head = await head_of(filled, OTHER)
    await change_of(filled).up(work_of(filled))

    first: StoredEvent = (await load(filled, OTHER)).events[0]

    assert first.event.metadata["generation"] == {"stream": old.stream, "sequence": 5, "head": old_head.cid, "version": 3}


async def test_id_time_actor_and_story_are_kept(filled: Store) -> None:
    before = (await load(filled, BASKET_REF)).events
    await change_of(filled).up(work_of(filled))

    after = (await load(filled, BASKET_REF)).events
    kept = [(one.event.id, one.event.time, one.event.actor, one.event.correlation) for one in (after[0], after[1], after[3])]
    assert kept == [(one.event.id, one.event.time, one.event.actor, one.event.correlation) for one in (before[0], before[2], before[3])]
    assert after[2].event.id not in {one.event.id for one in before}


# -- writers and readers ----------------------------------------------------------------------------------------------------------------


async def test_other_processes_follow(filled: Store, second: Store) -> None:
    old = filled.layout
    await change_of(filled).up(work_of(filled))

    async with asyncio.timeout(60):
        await until_served_by(second, f"{old.stream}-2")
    (stored,) = await append(second, await head_of(second, BASKET_REF), [NewEvent(type="put", payload={"item": "milk"})])

    assert (stored.stream, stored.event.version) == (f"{old.stream}-2", 5)


async def test_head_of_the_old_generation_is_refused_in_the_new_one(filled: Store) -> None:
    head = await head_of(filled, BASKET_REF)
    await change_of(filled).up(work_of(filled))

    with pytest.raises(StreamClosed, match=r"takes no more events: EVENTS-\w+-2 serves now\. Nothing was stored; load the aggregate again"):
        await append(filled, head, [added("late")])


async def test_writer_that_has_not_heard_gets_a_typed_refusal(filled: Store) -> None:
    deaf = filled.on(filled.layout.of_generation(1))
    head = await head_of(deaf, BASKET_REF)
    await change_of(filled).up(work_of(filled))

    with pytest.raises(StreamClosed) as caught:
        await append(deaf, head, [added("late"), added("later")])

    assert caught.value.successor == filled.layout.stream
    assert (await head_of(deaf, BASKET_REF)).version == 4


async def test_server_itself_refuses_those_who_know_nothing_of_generations(filled: Store) -> None:
    old = filled.layout
    await change_of(filled).up(work_of(filled))

    with pytest.raises(ServerRefused, match="message size exceeds maximum allowed"):
        await store_message(filled.connection, Outgoing(f"{old.root}.shop.basket.b9.added.v1", b"whatever", {}))


async def test_nothing_that_was_acknowledged_during_the_copy_is_lost(filled: Store, second: Store) -> None:
    acknowledged: list[str] = []
    copied_some = asyncio.Event()

    async def write() -> None:
        number = 0
        while not acknowledged or second.layout.generation == 1 or number < 30:
            number += 1
            ref = AggregateRef("shop", "basket", f"busy-{number % 5}")
            with suppress(StreamClosed, VersionConflict):
                head = await head_of(second, ref)
                (stored,) = await append(second, head, [added(f"thing-{number}")])
                acknowledged.append(stored.event.id)
                copied_some.set()

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(write())
        await copied_some.wait()
        await change_of(filled).up(work_of(filled))

    there = {Event.from_block(message.data).id for message in await all_of(filled, filled.layout.stream)}
    assert [one for one in acknowledged if one not in there] == []
    assert (await verify_stream(filled)).intact


# -- going back -------------------------------------------------------------------------------------------------------------------------


async def test_rolling_back_brings_along_what_came_since_the_switch(filled: Store) -> None:
    old, change = filled.layout, change_of(filled)
    await change.up(work_of(filled))
    await append(filled, await head_of(filled, BASKET_REF), [NewEvent(type="put", payload={"item": "milk"})])

    words = await change.down(work_of(filled))

    assert words == f"{old.stream} serves again, with 1 events that came since; {old.stream}-2 is kept and closed."
    assert await items_of(filled) == ["added tea", "named ", "added cup+spoon", "removed tea", "added milk"]
    assert (await verify_stream(filled)).intact
    assert (await get_stream(filled.connection, old.stream)).config["max_msg_size"] == -1


async def test_rolling_back_is_refused_where_events_have_no_way_back(filled: Store) -> None:
    change = change_of(filled, back=None)
    await change.up(work_of(filled))
    await append(filled, await head_of(filled, BASKET_REF), [NewEvent(type="put", payload={"item": "milk"})])
    undo = work_of(filled)

    with pytest.raises(MigrationFailed, match=r"failed at the copy back: 1 events arrived in .*-2 since the switch"):
        await change.down(undo)
    await change.abandon(undo)

    await append(filled, await head_of(filled, BASKET_REF), [NewEvent(type="put", payload={"item": "still open"})])
    assert filled.layout.generation == 2


async def test_after_a_roll_back_it_can_be_done_again_into_another_generation(filled: Store) -> None:
    old, change = filled.layout, change_of(filled)
    await change.up(work_of(filled))
    await append(filled, await head_of(filled, BASKET_REF), [NewEvent(type="put", payload={"item": "milk"})])
    await change.down(work_of(filled))

    await change.up(work_of(filled))

    assert filled.layout.stream == f"{old.stream}-3"
    assert await items_of(filled) == ["put tea", "put cup", "put spoon", "removed tea", "put milk"]


async def test_streams_whose_layout_can_have_no_other_generation_say_so(filled: Store) -> None:
    of_one_type = Layout(stream="BASKETS", root="one.events", context="shop", aggregate="basket")

    assert await change_of(filled, layout=of_one_type).validate(work_of(filled)) == (
        "BASKETS has no generations: only a layout for aggregates of any type can have another one.",
    )
