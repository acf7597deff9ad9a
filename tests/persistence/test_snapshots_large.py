"""This module is snapshots of states above 512 KiB: kept apart, read as any other, hashed anew, and removed with what links to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.persistence.errors import StreamNotFound
from apps.persistence.events import AggregateRef, SnapshotPolicy, new_id
from apps.persistence.snapshots import (
    SNAPSHOTS_BUCKET,
    STATES_BUCKET,
    Snapshot,
    find_snapshot,
    list_snapshots,
    prove,
    read_kept,
    read_newest,
    state_at,
    take,
)
from apps.persistence.snapshots.removal import EVERYTHING, Rule, drop_snapshots, prune_snapshots, tally_snapshots
from apps.persistence.store import Outgoing, Store, append_at, head_of, kv_get, list_objects, read_chunks, store_message

from .baskets import BASKET, BASKET_REF, added

LARGE = replace(BASKET, apply=lambda state, event: {"text": event.payload["item"] * 1_500_000})
"""Its states are a megabyte and a half."""


@pytest.fixture
def ref() -> AggregateRef:
    return AggregateRef("shop", "basket", new_id())


async def grow(store: Store, ref: AggregateRef, letters: str) -> None:
    version = (await head_of(store, ref)).version
    await append_at(store, ref, version, [added(letter) for letter in letters])


async def names(store: Store) -> set[str]:
    return {stored.name for stored in await list_objects(store.connection, STATES_BUCKET)}


async def test_large_state_is_read_as_any_other_from_a_small_record(store: Store, ref: AggregateRef) -> None:
    await grow(store, ref, "ab")
    taken = await take(store, LARGE, ref, by="ada")
    await grow(store, ref, "c")

    found = await state_at(store, LARGE, ref)
    kept = await find_snapshot(store, ref, schema=LARGE.schema)
    entry = await kv_get(store.connection, SNAPSHOTS_BUCKET, str(ref))

    assert found.state == {"text": "c" * 1_500_000}
    assert (found.snapshot_version, found.events_read) == (2, 1)
    assert kept is not None
    assert (kept.state, kept.state_cid) == ({"text": "b" * 1_500_000}, taken.state_cid)
    assert entry is not None
    assert len(entry.value) < 1000
    assert (await prove(store, LARGE, ref)).equal


async def test_same_large_snapshot_is_not_written_twice(store: Store, ref: AggregateRef) -> None:
    await grow(store, ref, "a")
    first = await take(store, LARGE, ref, by="ada")

    again = await take(store, LARGE, ref, by="bob")

    assert again.revision == first.revision
    assert len((await read_kept(store, ref)).snapshots) == 1


async def test_damaged_large_state_is_left_aside_and_said(store: Store, ref: AggregateRef) -> None:
    await grow(store, ref, "a")
    before = await names_or_none(store)
    await take(store, LARGE, ref, by="ada")
    (name,) = await names(store) - before
    stored = next(one for one in await list_objects(store.connection, STATES_BUCKET) if one.name == name)
    (chunk, *_) = await read_chunks(store.connection, stored)
    await store.connection.api(f"STREAM.PURGE.OBJ_{STATES_BUCKET}", {"filter": chunk.subject})
    await store_message(store.connection, Outgoing(chunk.subject, b"something else", {}))

    found = await state_at(store, LARGE, ref)

    assert found.state == {"text": "a" * 1_500_000}
    assert found.snapshot_version is None
    assert "is something else" in found.unusable[0].reason


async def names_or_none(store: Store) -> set[str]:
    try:
        return await names(store)
    except StreamNotFound:
        return set()


async def test_states_go_with_the_snapshots_that_link_to_them(store: Store, ref: AggregateRef) -> None:
    before = await names_or_none(store)
    for letter in "abcdefg":
        await grow(store, ref, letter)
        await take(store, LARGE, ref, by="ada", use_snapshot=True)

    assert [one.version for one in await list_snapshots(store, ref)] == [7, 6, 5, 4, 3]
    assert len(await names(store) - before) == 5


async def test_state_that_a_kept_snapshot_links_to_stays(store: Store, ref: AggregateRef) -> None:
    two = replace(LARGE, snapshots=SnapshotPolicy(every_events=1, keep=2))
    before = await names_or_none(store)
    for letter in "aba":
        await grow(store, ref, letter)
        await take(store, two, ref, by="ada", use_snapshot=True)

    kept = await list_snapshots(store, ref)

    assert [(one.version, str(one.state["text"])[0]) for one in kept] == [(3, "a"), (2, "b")]
    assert len(await names(store) - before) == 2


async def test_pruning_and_dropping_take_the_states_along(store: Store, ref: AggregateRef) -> None:
    before = await names_or_none(store)
    for letter in "abc":
        await grow(store, ref, letter)
        await take(store, LARGE, ref, by="ada", use_snapshot=True)

    gone = await prune_snapshots(store, str(ref), Rule(keep=1))

    assert (gone.snapshots, gone.there) == (2, 3)
    assert len(await names(store) - before) == 1
    assert [one.state for one in await list_snapshots(store, ref)] == [{"text": "c" * 1_500_000}]
    await drop_snapshots(store, str(ref))
    assert await names(store) - before == set()
    assert (await tally_snapshots(store, str(ref), Rule())).there == 0


async def test_list_of_many_leaves_large_states_unread(store: Store, ref: AggregateRef) -> None:
    await grow(store, ref, "a")
    await take(store, LARGE, ref, by="ada")

    newest = (await read_newest(store, [ref]))[ref]

    assert isinstance(newest, Snapshot)
    assert (newest.version, newest.state) == (1, {})


async def test_small_state_after_a_large_one_lets_it_go_in_time(store: Store, ref: AggregateRef) -> None:
    before = await names_or_none(store)
    await grow(store, ref, "a")
    await take(store, LARGE, ref, by="ada")

    for letter in "bcdef":
        await grow(store, ref, letter)
        await take(store, BASKET, ref, by="ada")

    assert await names(store) - before == set()


async def test_dropping_everything_empties_the_bucket(store: Store) -> None:
    await grow(store, BASKET_REF, "a")
    await take(store, LARGE, BASKET_REF, by="ada")

    await drop_snapshots(store, EVERYTHING)

    assert await names(store) == set()
