from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from apps.persistence.encoding import Cid, cid_of
from apps.persistence.errors import InvalidEvent, InvalidInput, PermissionDenied, StreamNotFound, VersionConflict
from apps.persistence.events import AggregateRef, Event, Head, NewEvent
from apps.persistence.store import Layout, Store, append, append_at, get_message, get_stream, head_of, load, open_store
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.conftest import AppendOrders


async def test_an_appended_event_is_stored_as_its_block(store: Store, order: AggregateRef) -> None:
    stored = (await append(store, Head(aggregate=order), [NewEvent(type="created", payload={"total": 12}, actor="web")]))[0]

    message = await get_message(store.connection, store.layout.stream, stored.sequence)
    assert message.data == stored.event.to_block()
    assert message.subject == f"{store.layout.root}.sales.order.7f3c91e0.created.v1"
    assert message.headers["Nats-Msg-Id"] == str(cid_of(message.data)) == str(stored.cid)


async def test_each_event_links_to_the_one_before(store: Store, order: AggregateRef) -> None:
    first = (await append(store, Head(aggregate=order), [NewEvent(type="created")]))[0]
    second, third = await append(store, first.head, [NewEvent(type="item_added"), NewEvent(type="submitted")])

    assert [first.event.previous, second.event.previous, third.event.previous] == [None, first.cid, second.cid]
    assert [event.event.version for event in (first, second, third)] == [1, 2, 3]


async def test_an_event_without_a_correlation_begins_its_own_story(store: Store, order: AggregateRef) -> None:
    stored = (await append(store, Head(aggregate=order), [NewEvent(type="created")]))[0]

    assert stored.event.correlation == stored.event.id


async def test_a_stale_head_is_refused_and_nothing_is_stored(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    stored = await append_items(3)

    with pytest.raises(VersionConflict) as caught:
        await append(store, stored[1].head, [NewEvent(type="cancelled"), NewEvent(type="closed")])

    assert (caught.value.expected, caught.value.actual) == (2, 3)
    assert (await get_stream(store.connection, store.layout.stream)).messages == 3


async def test_an_expected_version_that_does_not_exist_is_refused_so_no_version_is_skipped(
    store: Store, order: AggregateRef, append_items: AppendOrders
) -> None:
    await append_items(2)

    with pytest.raises(VersionConflict) as caught:
        await append_at(store, order, 6, [NewEvent(type="submitted")])

    assert (caught.value.expected, caught.value.actual) == (6, 2)


async def test_appending_by_version_links_to_the_real_event(store: Store, order: AggregateRef, append_items: AppendOrders) -> None:
    before = await append_items(2)

    after = await append_at(store, order, 2, [NewEvent(type="submitted")])

    assert after[0].event.previous == before[1].cid


async def test_the_same_append_again_is_recognised_and_stored_once(store: Store, order: AggregateRef) -> None:
    event = NewEvent(type="created", id="019a0000-0000-7000-8000-000000000001", time=_moment())
    first = await append(store, Head(aggregate=order), [event])

    again = await append(store, Head(aggregate=order), [event])

    assert again[0].sequence == first[0].sequence
    assert (await get_stream(store.connection, store.layout.stream)).messages == 1


async def test_the_same_batch_again_is_recognised_and_stored_once(store: Store, order: AggregateRef) -> None:
    ids = ["019a0000-0000-7000-8000-000000000001", "019a0000-0000-7000-8000-000000000002"]
    events = [NewEvent(type="created", id=event_id, time=_moment()) for event_id in ids]
    first = await append(store, Head(aggregate=order), events)

    again = await append(store, Head(aggregate=order), events)

    assert [event.sequence for event in again] == [event.sequence for event in first]
    assert (await get_stream(store.connection, store.layout.stream)).messages == 2


async def test_in_200_races_exactly_one_of_five_writers_wins_and_no_version_is_skipped(store: Store, order: AggregateRef) -> None:
    head = Head(aggregate=order)
    winners = []
    for _ in range(200):
        outcomes = await asyncio.gather(*(_try_append(store, head, writer) for writer in range(5)))
        winners.append(sum(outcome is not None for outcome in outcomes))
        head = next(outcome for outcome in outcomes if outcome is not None)

    history = await load(store, order)
    assert winners == [1] * 200
    assert [stored.event.version for stored in history.events] == list(range(1, 201))


async def test_in_races_of_batches_against_single_events_one_writer_wins_whole(store: Store, order: AggregateRef) -> None:
    head = Head(aggregate=order)
    for _ in range(50):
        tries = [_try_append(store, head, 1), _try_append(store, head, 2, count=3), _try_append(store, head, 3, count=2)]
        outcomes = await asyncio.gather(*tries)
        assert sum(outcome is not None for outcome in outcomes) == 1
        head = next(outcome for outcome in outcomes if outcome is not None)

    assert await head_of(store, order) == head


async def test_a_thousand_events_are_appended_at_once_and_one_more_is_refused(store: Store, order: AggregateRef) -> None:
    stored = await append(store, Head(aggregate=order), [NewEvent(type="item_added")] * 1000)

    assert stored[-1].sequence - stored[0].sequence == 999
    with pytest.raises(InvalidInput, match=r"1,001 events cannot be appended at once"):
        await append(store, stored[-1].head, [NewEvent(type="item_added")] * 1001)


async def test_no_event_at_all_is_refused(store: Store, order: AggregateRef) -> None:
    with pytest.raises(InvalidInput, match="0 events"):
        await append(store, Head(aggregate=order), [])


async def test_an_event_near_the_servers_limit_is_stored_and_a_larger_one_refused_with_its_size(store: Store, order: AggregateRef) -> None:
    stored = await append(store, Head(aggregate=order), [NewEvent(type="photographed", payload={"image": b"\xff" * 1_040_000})])

    assert len((await load(store, order)).events) == 1
    with pytest.raises(InvalidEvent, match=r"is 1,1\d\d,\d{3} bytes"):
        await append(store, stored[0].head, [NewEvent(type="photographed", payload={"image": b"\xff" * 1_100_000})])


@pytest.mark.parametrize(
    "event",
    [
        NewEvent(type="item added"),
        NewEvent(type="a.b"),
        NewEvent(type="created", schema=0),
        NewEvent(type="created", actor=""),
        NewEvent(type="created", id="not-a-uuid"),
        NewEvent(type="created", correlation="NOT-A-UUID"),
    ],
)
async def test_a_malformed_event_is_refused_before_anything_is_sent(store: Store, order: AggregateRef, event: NewEvent) -> None:
    with pytest.raises(InvalidInput):
        await append(store, Head(aggregate=order), [NewEvent(type="created"), event])

    assert (await get_stream(store.connection, store.layout.stream)).messages == 0


async def test_a_stream_that_does_not_exist_is_named_at_once(store: Store, order: AggregateRef) -> None:
    nowhere = store.on(Layout(stream="NO-SUCH-STREAM", root="nowhere"))

    with pytest.raises(StreamNotFound, match="NO-SUCH-STREAM"):
        await append(nowhere, Head(aggregate=order), [NewEvent(type="created")])


async def test_a_user_that_may_only_read_is_told_so(store: Store, order: AggregateRef, nats_server: EmbeddedServer) -> None:
    async with open_store(nats_server.settings("web"), layout=store.layout) as reader:
        with pytest.raises(PermissionDenied, match=r"may not publish to test\."):
            await append(reader, Head(aggregate=order), [NewEvent(type="created")])


async def test_what_is_read_back_is_the_event_that_was_written(store: Store, order: AggregateRef) -> None:
    link = Cid.from_bytes(cid_of(b"another block").raw)
    payload = {"text": "Grüße <b>", "big": 2**63 - 1, "negative": -(2**63), "ratio": 0.1, "raw": b"\x00\xff", "link": link, "none": None}
    stored = (await append(store, Head(aggregate=order), [NewEvent(type="created", payload=payload, metadata={"ip": "::1"})]))[0]

    loaded = (await load(store, order)).events[0]

    assert loaded.event == stored.event
    assert Event.from_block(loaded.event.to_block()) == stored.event


async def _try_append(store: Store, head: Head, writer: int, *, count: int = 1) -> Head | None:
    try:
        return (await append(store, head, [NewEvent(type="raced", actor=f"writer-{writer}")] * count))[-1].head
    except VersionConflict:
        return None


def _moment() -> datetime:
    return datetime(2026, 11, 21, 10, 40, 31, 904218, tzinfo=UTC)
