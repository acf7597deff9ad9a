"""Snapshots on a real server: the same state with fewer events read, and set aside wherever they could change a result."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.persistence.encoding import cid_of, encode
from apps.persistence.errors import AggregateNotFound, InvalidInput, InvalidState, NotFound
from apps.persistence.events import AggregateRef
from apps.persistence.snapshots import (
    MAX_STATE_BYTES,
    SNAPSHOTS_BUCKET,
    Snapshot,
    find_snapshot,
    list_snapshots,
    read_kept,
    state_at,
    state_at_time,
    take,
)
from apps.persistence.store import append_at, kv_put, list_consumers, load, messages_of, open_store
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.baskets import BASKET, BASKET_2, added, named, removed
from tests.persistence.raw_stream import RawStream, open_raw_stream, outgoing


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        yield stream


@pytest.fixture
def ref() -> AggregateRef:
    """A basket of this test alone, as snapshots of all tests lie in one bucket."""
    return AggregateRef("shop", "basket", uuid4().hex)


async def fill(raw: RawStream, ref: AggregateRef) -> None:
    """Five versions: apple, pear, plum; pear taken out; a name."""
    events = [added("apple"), added("pear"), added("plum"), removed("pear"), named("Sunday")]
    await append_at(raw.store, ref, 0, events)


async def keep(raw: RawStream, snapshot: Snapshot) -> None:
    await kv_put(raw.store.connection, SNAPSHOTS_BUCKET, str(snapshot.aggregate), snapshot.to_block())


# -- states ----------------------------------------------------------------------------------------------------------------------------


async def test_the_newest_state_is_folded_from_all_events(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)

    found = await state_at(raw.store, BASKET, ref)

    assert found.state == {"items": ["apple", "plum"], "count": 2, "name": "Sunday"}
    assert (found.version, found.head.version, found.sequence, found.events_read, found.snapshot_version) == (5, 5, 5, 5, None)
    assert found.state_cid == cid_of(encode(found.state))
    assert found.head == (await load(raw.store, ref)).head


async def test_a_state_can_be_had_at_each_version(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)

    assert (await state_at(raw.store, BASKET, ref, version=3)).state == {"items": ["apple", "pear", "plum"], "count": 3}
    assert (await state_at(raw.store, BASKET, ref, version=1)).state == {"items": ["apple"], "count": 1}
    assert (await state_at(raw.store, BASKET, ref, version=0)).state == {"items": [], "count": 0}


async def test_a_version_beyond_the_newest_says_which_is_the_newest(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)

    with pytest.raises(NotFound, match="is at version 5; there is no version 9 yet"):
        await state_at(raw.store, BASKET, ref, version=9)


async def test_an_aggregate_without_events_has_no_state(raw: RawStream, ref: AggregateRef) -> None:
    with pytest.raises(AggregateNotFound):
        await state_at(raw.store, BASKET, ref)


async def test_a_negative_version_and_a_definition_of_another_type_are_refused(raw: RawStream, ref: AggregateRef) -> None:
    with pytest.raises(InvalidInput, match="no version -1"):
        await state_at(raw.store, BASKET, ref, version=-1)
    with pytest.raises(InvalidInput, match=r"not of the type shop\.basket"):
        await state_at(raw.store, BASKET, AggregateRef("shop", "order", "o1"))


async def test_a_state_at_a_time_is_that_of_the_events_stored_until_then(raw: RawStream, ref: AggregateRef) -> None:
    for version, item in enumerate(["apple", "pear", "plum"]):
        await append_at(raw.store, ref, version, [added(item)])
    second = (await load(raw.store, ref)).events[1].stored_at

    assert (await state_at_time(raw.store, BASKET, ref, second)).version == 2
    assert (await state_at_time(raw.store, BASKET, ref, second - timedelta(microseconds=1))).version == 1
    assert (await state_at_time(raw.store, BASKET, ref, second - timedelta(days=1))).version == 0
    assert (await state_at_time(raw.store, BASKET, ref, second + timedelta(days=1))).version == 3


async def test_a_missing_version_is_not_folded_over(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    await raw.delete(3)

    with pytest.raises(InvalidState, match="where its version 3 is due"):
        await state_at(raw.store, BASKET, ref)


async def test_a_version_that_is_there_twice_is_not_folded(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    fourth = (await load(raw.store, ref)).events[3].event
    await raw.put(outgoing(raw.layout, replace(fourth, type="renamed", payload={"name": "x"})))

    with pytest.raises(InvalidState, match="where its version 5 is due"):
        await state_at(raw.store, BASKET, ref)


async def test_messages_that_are_known_are_not_read_again(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    known = await messages_of(raw.store, ref)
    await raw.delete(2)

    found = await state_at(raw.store, BASKET, ref, version=3, known=known)

    assert found.state == {"items": ["apple", "pear", "plum"], "count": 3}


async def test_a_version_that_is_not_among_the_known_messages_or_twice_is_read(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    known = await messages_of(raw.store, ref)
    await raw.delete(2)

    with pytest.raises(InvalidState, match="where its version 2 is due"):
        await state_at(raw.store, BASKET, ref, version=3, known=known[1:])
    with pytest.raises(InvalidState, match="where its version 2 is due"):
        await state_at(raw.store, BASKET, ref, version=3, known=[*known, known[1]])


# -- snapshots -------------------------------------------------------------------------------------------------------------------------


async def test_a_snapshot_gives_the_same_state_from_fewer_events(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    await take(raw.store, BASKET, ref, by="ada", version=3)

    fast = await state_at(raw.store, BASKET, ref)
    slow = await state_at(raw.store, BASKET, ref, use_snapshot=False)

    assert (fast.snapshot_version, fast.events_read, slow.snapshot_version, slow.events_read) == (3, 2, None, 5)
    assert (fast.state_cid, fast.head, fast.sequence, fast.unusable) == (slow.state_cid, slow.head, slow.sequence, ())


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("taken", [1, 3, 5])
async def test_a_snapshot_never_changes_a_state(raw: RawStream, ref: AggregateRef, taken: int, version: int) -> None:
    await fill(raw, ref)
    await take(raw.store, BASKET, ref, by="ada", version=taken)

    with_snapshot = await state_at(raw.store, BASKET, ref, version=version)
    without = await state_at(raw.store, BASKET, ref, version=version, use_snapshot=False)

    assert (with_snapshot.state, with_snapshot.head, with_snapshot.sequence) == (without.state, without.head, without.sequence)
    assert with_snapshot.unusable == ()


async def test_a_snapshot_says_where_when_and_by_whom_it_was_taken(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)

    taken = await take(raw.store, BASKET, ref, by="ada")

    assert (taken.version, taken.sequence, taken.by, taken.schema) == (5, 5, "ada", 1)
    assert taken.cid == (await load(raw.store, ref)).head.cid
    assert await list_snapshots(raw.store, ref) == [replace(taken, taken_at=taken.taken_at)]


async def test_the_same_snapshot_is_not_written_twice(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    first = await take(raw.store, BASKET, ref, by="ada")

    assert await take(raw.store, BASKET, ref, by="bob") == first


async def test_five_snapshots_are_kept_and_listed_newest_first(raw: RawStream, ref: AggregateRef) -> None:
    await append_at(raw.store, ref, 0, [added(f"item {number}") for number in range(6)])
    for version in (1, 2, 3, 4, 6, 5):
        await take(raw.store, BASKET, ref, by="ada", version=version)

    assert [one.version for one in await list_snapshots(raw.store, ref)] == [6, 5, 4, 3, 2]


async def test_a_snapshot_is_found_at_or_before_a_version_and_by_its_schema(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    for version in (2, 4):
        await take(raw.store, BASKET, ref, by="ada", version=version)

    found = await find_snapshot(raw.store, ref, schema=1, at_version=3)

    assert found is not None
    assert found.version == 2
    assert await find_snapshot(raw.store, ref, schema=1, at_version=1) is None
    assert await find_snapshot(raw.store, ref, schema=2) is None


async def test_a_snapshot_of_another_state_schema_is_set_aside_with_the_reason(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    await take(raw.store, BASKET, ref, by="ada")

    found = await state_at(raw.store, BASKET_2, ref)

    assert (found.snapshot_version, found.events_read) == (None, 5)
    assert [one.reason for one in found.unusable] == ["Its state has schema 1, and the definition has 2."]


async def test_a_snapshot_of_another_event_than_the_stored_one_is_set_aside(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    good = await take(raw.store, BASKET, ref, by="ada", version=2)
    await keep(raw, replace(good, version=4, sequence=4, cid=cid_of(b"another"), state={"items": ["forged"], "count": 1}))

    found = await state_at(raw.store, BASKET, ref)

    assert (found.state["items"], found.snapshot_version) == (["apple", "plum"], 2)
    assert [one.version for one in found.unusable] == [4]
    assert "not what is stored" in found.unusable[0].reason


async def test_bytes_that_are_no_snapshot_are_set_aside(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    await take(raw.store, BASKET, ref, by="ada", version=2)
    await kv_put(raw.store.connection, SNAPSHOTS_BUCKET, str(ref), b"\xff\x00")

    found = await state_at(raw.store, BASKET, ref)

    assert (found.state["items"], found.snapshot_version) == (["apple", "plum"], 2)
    assert found.unusable[0].reason.startswith(f"It cannot be read as a snapshot of {ref}")
    assert [one.version for one in (await read_kept(raw.store, ref)).snapshots] == [2]


async def test_a_snapshot_of_another_aggregate_under_this_key_is_set_aside(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    good = await take(raw.store, BASKET, ref, by="ada")
    stranger = replace(good, aggregate=AggregateRef("shop", "basket", "stranger"))
    await kv_put(raw.store.connection, SNAPSHOTS_BUCKET, str(ref), stranger.to_block())

    found = await state_at(raw.store, BASKET, ref)

    assert found.snapshot_version == 5
    assert "it is one of shop.basket.stranger" in found.unusable[0].reason


async def test_a_state_too_large_for_a_snapshot_is_refused_with_its_size(raw: RawStream, ref: AggregateRef) -> None:
    huge = replace(BASKET, apply=lambda state, event: {"items": "x" * MAX_STATE_BYTES})
    await append_at(raw.store, ref, 0, [added("one")])

    with pytest.raises(InvalidState, match=r"is 16,777,\d+ bytes, and a snapshot holds 16,777,216"):
        await take(raw.store, huge, ref, by="ada")


async def test_a_snapshot_before_the_first_version_is_refused(raw: RawStream, ref: AggregateRef) -> None:
    with pytest.raises(InvalidInput, match="at version 0"):
        await take(raw.store, BASKET, ref, by="ada", version=0)


async def test_the_reading_user_gets_states_from_snapshots_without_a_consumer(
    raw: RawStream, ref: AggregateRef, nats_server: EmbeddedServer
) -> None:
    await fill(raw, ref)
    await take(raw.store, BASKET, ref, by="ada", version=4)

    async with open_store(nats_server.settings("web"), layout=raw.layout) as store:
        found = await state_at(store, BASKET, ref)

    assert (found.version, found.snapshot_version) == (5, 4)
    assert await list_consumers(raw.store.connection, raw.layout.stream) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(st.sampled_from("abc"), min_size=1, max_size=12), data=st.data())
async def test_snapshots_taken_anywhere_never_change_a_state(raw: RawStream, items: list[str], data: st.DataObject) -> None:
    ref = AggregateRef("shop", "basket", uuid4().hex)
    await append_at(raw.store, ref, 0, [added(item) for item in items])
    versions = st.integers(1, len(items))
    for version in data.draw(st.lists(versions, max_size=4)):
        await take(raw.store, BASKET, ref, by="ada", version=version, use_snapshot=data.draw(st.booleans()))
    at = data.draw(versions)

    with_snapshot = await state_at(raw.store, BASKET, ref, version=at)
    without = await state_at(raw.store, BASKET, ref, version=at, use_snapshot=False)

    assert (with_snapshot.state_cid, with_snapshot.head) == (without.state_cid, without.head)
    assert without.state["items"] == items[:at]
