"""Verification of real streams: what an intact one is told, one aggregate, one type, progress and stopping."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.chain import Cause, Progress, verify_aggregate, verify_stream, verify_type
from apps.persistence.errors import AggregateNotFound, FeatureUnavailable, StreamNotFound
from apps.persistence.events import Event, NewEvent
from apps.persistence.store import Layout, append_at, list_consumers, open_store
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.raw_stream import (
    ORDER,
    OTHER,
    RawStream,
    edited,
    facts,
    make_chain,
    open_raw_stream,
    outgoing,
    renamed,
    three_chains,
    with_bytes,
)


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        yield stream


# -- intact ----------------------------------------------------------------------------------------------------------------------------


async def test_events_that_the_store_appended_are_intact(raw: RawStream) -> None:
    await append_at(raw.store, ORDER, 0, [NewEvent(type="placed"), NewEvent(type="item_added", payload={"n": 1})])
    await append_at(raw.store, OTHER, 0, [NewEvent(type="placed")])

    verdict = await verify_stream(raw.store)

    assert (verdict.intact, verdict.checked, verdict.aggregates) == (True, 3, 2)


async def test_an_intact_verdict_says_what_was_read_and_what_it_leaves_open(raw: RawStream) -> None:
    await raw.write(*three_chains())

    verdict = await verify_stream(raw.store)

    assert verdict.proves[0] == "Every message from sequence 1 to 24 was read, and none is missing."
    assert "checkpoint" in verdict.does_not_prove[0]
    assert (verdict.is_whole_stream, verdict.reaches_end, verdict.unnamed) == (True, True, 0)


async def test_an_empty_stream_is_intact_and_proves_nothing(raw: RawStream) -> None:
    verdict = await verify_stream(raw.store)

    assert (verdict.intact, verdict.checked) == (True, 0)
    assert verdict.proves == ("Nothing: there was no event to check.",)


async def test_one_aggregate_is_verified_by_the_reading_user_and_leaves_no_consumer(raw: RawStream, nats_server: EmbeddedServer) -> None:
    await raw.write(*three_chains())

    async with open_store(nats_server.settings("web"), layout=raw.layout) as store:
        verdict = await verify_aggregate(store, ORDER)

    assert (verdict.intact, verdict.checked, verdict.from_sequence, verdict.to_sequence) == (True, 8, 1, 22)
    assert await list_consumers(raw.store.connection, raw.layout.stream) == []


async def test_an_aggregate_longer_than_one_answer_is_verified_whole(raw: RawStream) -> None:
    for start in (0, 1000):
        await append_at(raw.store, ORDER, start, [NewEvent(type="item_added", payload={"n": n}) for n in range(1000)])

    verdict = await verify_aggregate(raw.store, ORDER)

    assert (verdict.intact, verdict.checked) == (True, 2000)


async def test_a_type_is_verified_without_the_events_of_others(raw: RawStream) -> None:
    await raw.write(*three_chains())

    verdict = await verify_type(raw.store, "sales", "order")

    assert (verdict.intact, verdict.checked, verdict.aggregates) == (True, 16, 2)
    assert "only a check of the whole stream" in verdict.does_not_prove[3]


async def test_messages_without_an_id_are_no_fault_and_are_counted(raw: RawStream) -> None:
    await raw.put(*(outgoing(raw.layout, event)._replace(headers={}) for event in make_chain(ORDER, 3)))

    verdict = await verify_stream(raw.store)

    assert (verdict.intact, verdict.unnamed) == (True, 3)
    assert "no sign of tampering" in verdict.does_not_prove[3]


async def test_an_id_that_is_no_cid_is_another_writers_and_no_fault(raw: RawStream) -> None:
    await raw.put(*(outgoing(raw.layout, event)._replace(headers={"Nats-Msg-Id": event.id}) for event in make_chain(ORDER, 3)))

    verdict = await verify_stream(raw.store)

    assert (verdict.intact, verdict.unnamed) == (True, 3)


async def test_a_stream_without_direct_get_is_verified_through_its_leader(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await raw.forbid_direct_get()

    aggregate = await verify_aggregate(raw.store, ORDER)
    part = await verify_stream(raw.store, from_sequence=11)

    assert (aggregate.intact, aggregate.checked) == (True, 8)
    assert (part.intact, part.checked) == (True, 14)


# -- one aggregate ---------------------------------------------------------------------------------------------------------------------


async def test_one_aggregate_shows_the_same_fault_as_the_stream(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    messages[6] = with_bytes(messages[6], edited(Event.from_block(messages[6].data)))
    await raw.put(*messages)
    await raw.delete(16)

    verdict = await verify_aggregate(raw.store, ORDER)

    assert facts(verdict) == [(Cause.CONTENT_CHANGED, ORDER, 3, 7), (Cause.MISSING, ORDER, 6, 19)]


async def test_one_aggregate_shows_a_subject_that_was_written_twice(raw: RawStream) -> None:
    chain = make_chain(ORDER, 3)
    await raw.write(*chain)
    await raw.put(renamed(with_bytes(outgoing(raw.layout, chain[1]), edited(chain[1]))))

    verdict = await verify_aggregate(raw.store, ORDER)

    assert facts(verdict) == [(Cause.DUPLICATE_VERSION, ORDER, 2, 4)]


async def test_one_aggregate_shows_a_version_that_lies_behind_later_ones(raw: RawStream) -> None:
    chain = make_chain(ORDER, 4)
    await raw.write(chain[0], chain[2], chain[1], chain[3])

    verdict = await verify_aggregate(raw.store, ORDER)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, 2, 3)]


async def test_one_aggregate_with_a_version_in_the_far_future_is_verified_at_once(raw: RawStream) -> None:
    chain = make_chain(ORDER, 2)
    await raw.write(*chain, replace(chain[1], version=9_000_000_000))

    verdict = await verify_aggregate(raw.store, ORDER)

    assert facts(verdict) == [(Cause.MISSING, ORDER, 3, 3)]


async def test_an_aggregate_without_events_cannot_be_verified(raw: RawStream) -> None:
    with pytest.raises(AggregateNotFound, match=r"sales\.order\.o1"):
        await verify_aggregate(raw.store, ORDER)


async def test_a_type_without_events_cannot_be_verified(raw: RawStream) -> None:
    with pytest.raises(AggregateNotFound, match=r"sales\.order"):
        await verify_type(raw.store, "sales", "order")


async def test_a_stream_that_is_not_there_is_named(raw: RawStream) -> None:
    with pytest.raises(StreamNotFound, match="NOWHERE"):
        await verify_stream(raw.store.on(Layout(stream="NOWHERE", root="nowhere")))


async def test_a_foreign_layout_has_no_chain_to_verify(raw: RawStream) -> None:
    foreign = Layout(stream=raw.layout.stream, kind="foreign", pattern="a.{entity}", context="x", aggregate="y")

    with pytest.raises(FeatureUnavailable, match="no chain"):
        await verify_stream(raw.store.on(foreign))


# -- telling and stopping --------------------------------------------------------------------------------------------------------------


async def test_progress_ends_with_everything_read(raw: RawStream) -> None:
    await raw.write(*three_chains())
    told: list[Progress] = []

    async def note(progress: Progress) -> None:
        told.append(progress)

    await verify_stream(raw.store, on_progress=note)

    assert (told[-1].checked, told[-1].sequence, told[-1].to_sequence) == (24, 24, 24)


async def test_a_stopped_verification_speaks_of_what_it_read(raw: RawStream) -> None:
    await raw.write(*three_chains())

    verdict = await verify_stream(raw.store, should_stop=lambda: True)

    assert (verdict.is_stopped, verdict.reaches_end, verdict.checked) == (True, False, verdict.to_sequence)
    assert verdict.intact
