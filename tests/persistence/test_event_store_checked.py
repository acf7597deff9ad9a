"""This module is what the event store checks while it reads, by either policy, stories as trees, and many aggregates at once."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import InvalidInput, InvalidSubject
from apps.persistence.events import AggregateRef, Event, Head, NewEvent, StoredEvent, new_id
from apps.persistence.eventstore import (
    ChainBroken,
    EventStore,
    InMemoryEventStore,
    JetStreamEventStore,
    OnRead,
    append_many,
    causation_tree,
    story_of,
)
from apps.persistence.store import Outgoing, Store, append, store_message
from apps.persistence.store.publish import MESSAGE_ID

CART = AggregateRef("sales", "cart", "c1")
ANOTHER = str(cid_of(b"\xa0"))
"""A CID that nothing here has."""


async def forge(store: Store, event: Event, *, named: str | None = None) -> None:
    """Store an event past all checks, as another program could; `named` is the CID it claims."""
    block = event.to_block()
    await store_message(store.connection, Outgoing(store.layout.subject(event), block, {MESSAGE_ID: named or str(cid_of(block))}))


@pytest.fixture
async def stored(store: Store) -> list[StoredEvent]:
    return await append(store, Head(aggregate=CART), [NewEvent(type="added", payload={"n": number}) for number in (1, 2)])


def next_after(stored: StoredEvent) -> Event:
    return replace(stored.event, version=stored.event.version + 1, id=new_id(), previous=stored.cid)


async def test_changed_content_is_refused_with_its_sequence(store: Store, stored: list[StoredEvent]) -> None:
    await forge(store, next_after(stored[-1]), named=ANOTHER)

    with pytest.raises(ChainBroken, match="it was stored as bafyr4i") as raised:
        await JetStreamEventStore(store=store).get_events(CART)

    assert (raised.value.cause, raised.value.sequence, raised.value.version) == ("content_changed", 3, 3)


async def test_broken_link_is_refused_with_both_cids(store: Store, stored: list[StoredEvent]) -> None:
    await forge(store, replace(next_after(stored[-1]), previous=stored[0].cid))

    with pytest.raises(ChainBroken, match=f"links to {stored[0].cid}, and version 2 is {stored[1].cid}") as raised:
        await JetStreamEventStore(store=store).get_events(CART)

    assert raised.value.cause == "link_broken"


async def test_missing_and_doubled_versions_are_refused(store: Store, stored: list[StoredEvent]) -> None:
    other = AggregateRef("sales", "cart", "c2")
    (first,) = await append(store, Head(aggregate=other), [NewEvent(type="added")])
    await forge(store, replace(next_after(stored[-1]), version=4))
    await forge(store, replace(first.event, type="renamed", id=new_id()))
    events = JetStreamEventStore(store=store)

    with pytest.raises(ChainBroken, match="version 3 is missing before it"):
        await events.get_events(CART)
    with pytest.raises(ChainBroken, match="sequence 3 holds that version too"):
        await events.get_events(other)


async def test_what_is_wrong_is_logged_and_handed_out_where_the_policy_is_to_warn(
    store: Store, stored: list[StoredEvent], caplog: pytest.LogCaptureFixture
) -> None:
    await forge(store, replace(next_after(stored[-1]), previous=stored[0].cid))

    with caplog.at_level(logging.WARNING):
        found = await JetStreamEventStore(store=store, on_read=OnRead.WARN).get_events(CART)

    assert len(found) == 3
    assert "sales.cart.c1 version 3 at sequence 3, link broken" in caplog.text
    assert "It was handed out as it is." in caplog.text


async def test_nobody_looks_where_the_policy_is_off(store: Store, stored: list[StoredEvent], caplog: pytest.LogCaptureFixture) -> None:
    await forge(store, next_after(stored[-1]), named=ANOTHER)

    assert len(await JetStreamEventStore(store=store, on_read=OnRead.OFF).get_events(CART)) == 3
    assert caplog.text == ""


async def test_reading_by_type_and_by_place_refuses_changed_content_too(store: Store, stored: list[StoredEvent]) -> None:
    await forge(store, next_after(stored[-1]), named=ANOTHER)
    events = JetStreamEventStore(store=store)

    with pytest.raises(ChainBroken):
        await events.get_events_by_type("added", newest=True)
    with pytest.raises(ChainBroken):
        await events.get_events_since(2)
    async with events.subscribe_to_events(2) as incoming:
        with pytest.raises(ChainBroken):
            await anext(incoming)


async def test_part_of_an_aggregate_is_checked_from_its_first_event_on(store: Store, stored: list[StoredEvent]) -> None:
    await forge(store, replace(next_after(stored[-1]), previous=stored[0].cid))
    events = JetStreamEventStore(store=store)

    assert len(await events.get_events(CART, from_version=1, to_version=2)) == 2
    with pytest.raises(ChainBroken):
        await events.get_events(CART, from_version=2)


# -- stories ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["jetstream", "memory"])
def events(request: pytest.FixtureRequest, store: Store) -> EventStore:
    return InMemoryEventStore() if request.param == "memory" else JetStreamEventStore(store=store)


async def test_story_is_a_tree_of_what_caused_what(events: EventStore) -> None:
    story, command = new_id(), new_id()
    (ordered,) = await events.append_events(CART, [NewEvent(type="ordered", correlation=story, causation=command)])
    paid, packed = await events.append_events(
        AggregateRef("billing", "invoice", "i1"),
        [NewEvent(type=name, correlation=story, causation=ordered.event.id) for name in ("paid", "packed")],
    )
    await events.append_events(CART, [NewEvent(type="sent", correlation=story, causation=packed.event.id), NewEvent(type="other")])

    (beginning,) = await story_of(events, story)

    assert beginning.causation == command
    assert [(depth, one.event.type) for depth, one in beginning.caused[0].walk()] == [
        (0, "ordered"),
        (1, "paid"),
        (1, "packed"),
        (2, "sent"),
    ]
    assert paid.event.causation == ordered.event.id


async def test_cause_that_comes_later_or_is_itself_begins_anew(events: EventStore) -> None:
    one, two = new_id(), new_id()
    await events.append_events(
        CART, [NewEvent(type="a", id=one, correlation=one, causation=two), NewEvent(type="b", id=two, correlation=one, causation=one)]
    )
    await events.append_events(CART, [NewEvent(type="c", id=(itself := new_id()), correlation=one, causation=itself)])

    beginnings = await story_of(events, one)

    assert [[node.stored.event.type for node in beginning.caused] for beginning in beginnings] == [["a"], ["c"]]
    assert [node.stored.event.type for node in beginnings[0].caused[0].caused] == ["b"]
    assert causation_tree([]) == ()


async def test_story_as_deep_as_it_is_long_is_no_trouble() -> None:
    events = InMemoryEventStore()
    story = [new_id() for _ in range(1000)]
    made = [NewEvent(type="e", id=id, correlation=story[0], causation=cause) for id, cause in zip(story, [None, *story[:-1]], strict=True)]
    await events.append_events(CART, made)

    (beginning,) = await story_of(events, story[0], limit=1000)

    assert max(depth for depth, _ in beginning.caused[0].walk()) == 999


# -- many at once -------------------------------------------------------------------------------------------------------------------


async def test_many_aggregates_are_written_at_once_and_each_is_told_of(events: EventStore) -> None:
    carts = [AggregateRef("sales", "cart", f"c{number}") for number in range(20)]
    odd = AggregateRef("sales", "cart", "odd")
    given = {cart: [NewEvent(type="added")] * 2 for cart in carts} | {odd: [NewEvent(type="bad.type")]}

    outcome = await append_many(events, given, at_once=4)

    assert isinstance(outcome[odd], InvalidSubject)
    assert [await events.get_aggregate_version(cart) for cart in carts] == [2] * 20
    assert await events.get_aggregate_version(odd) == 0
    with pytest.raises(InvalidInput, match="0 aggregates cannot be worked on"):
        await append_many(events, given, at_once=0)
