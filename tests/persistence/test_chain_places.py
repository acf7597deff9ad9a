"""What verification says of events that are missing, there twice, or not where they belong: the exact cause and place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.chain import Cause, verify_stream
from apps.persistence.events import AggregateRef
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.raw_stream import (
    ORDER,
    OTHER,
    RawStream,
    edited,
    facts,
    make_chain,
    only,
    open_raw_stream,
    outgoing,
    renamed,
    three_chains,
    with_bytes,
)

PLACES = [(1, 1), (3, 7), (4, 10), (8, 22)]
"""Versions of ORDER with their sequences in three chains."""


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        yield stream


@pytest.mark.parametrize(("version", "sequence"), [(1, 1), (3, 7), (7, 19)])
async def test_a_deleted_event_is_missing_between_its_neighbours(raw: RawStream, version: int, sequence: int) -> None:
    await raw.write(*three_chains())
    await raw.delete(sequence)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISSING, ORDER, version, sequence + 3)]
    assert f"The stream holds nothing at {sequence}:" in only(verdict).explanation


async def test_a_deleted_newest_event_is_seen_by_its_empty_sequence(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await raw.delete(22)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISSING, None, None, 22)]
    assert "the newest of its aggregate" in only(verdict).explanation


async def test_deleted_last_messages_of_the_stream_are_missing(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await raw.delete(24)
    await raw.delete(23)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISSING, None, None, 23)]
    assert only(verdict).expected == "2 messages"


async def test_versions_left_out_by_the_writer_are_missing_without_an_empty_sequence(raw: RawStream) -> None:
    chain = make_chain(ORDER, 8)
    await raw.write(*chain[:3], *chain[5:])

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISSING, ORDER, 4, 4)]
    assert "without versions 4 to 5, due between sequence 3 and 4" in only(verdict).explanation
    assert "a writer left it out" in only(verdict).explanation


@pytest.mark.parametrize(("version", "sequence"), PLACES)
async def test_a_second_event_of_a_version_is_a_duplicate(raw: RawStream, version: int, sequence: int) -> None:
    events = three_chains()
    second = replace(events[sequence - 1], type="item_removed")
    await raw.write(*events[:sequence], second, *events[sequence:])

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.DUPLICATE_VERSION, ORDER, version, sequence + 1)]
    assert f"at sequence {sequence}, and with other content at {sequence + 1}" in only(verdict).explanation


async def test_a_next_event_tells_which_duplicate_it_follows(raw: RawStream) -> None:
    chain = make_chain(ORDER, 3)
    await raw.write(chain[0], replace(chain[1], type="item_removed"), chain[1], chain[2])

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.DUPLICATE_VERSION, ORDER, 2, 3)]
    assert "Version 3 links to the later of them" in only(verdict).explanation


@pytest.mark.parametrize(("version", "sequence"), PLACES)
async def test_an_event_under_another_type_is_misplaced_and_its_chain_goes_on(raw: RawStream, version: int, sequence: int) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    moved = messages[sequence - 1]
    messages[sequence - 1] = moved._replace(subject=moved.subject.replace("item_added", "item_removed"))
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, version, sequence)]


async def test_an_event_of_another_aggregate_in_place_of_a_version_is_misplaced(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    stranger = messages[13]
    messages[12] = stranger._replace(subject=messages[12].subject)
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, 5, 13)]
    assert only(verdict).found == "sales.order.o2 version 5 (item_added)"


async def test_two_events_that_changed_places_are_both_misplaced_and_nothing_else(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    one, other = messages[12], messages[13]
    messages[12], messages[13] = other._replace(subject=one.subject), one._replace(subject=other.subject)
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, 5, 13), (Cause.MISPLACED, OTHER, 5, 14)]


async def test_an_event_that_was_moved_to_a_new_aggregate_is_not_missing_as_well(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in make_chain(ORDER, 5)]
    messages[2] = messages[2]._replace(subject=f"{raw.layout.root}.sales.order.o9.item_added.v1")
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISPLACED, AggregateRef("sales", "order", "o9"), 1, 3)]


async def test_an_event_that_was_copied_over_a_later_version_is_misplaced(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in make_chain(ORDER, 8)]
    messages[4] = messages[1]._replace(subject=messages[4].subject)
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, 5, 5)]
    assert only(verdict).found == "sales.order.o1 version 2 (item_added)"
    assert "Version 6 links to" in only(verdict).explanation


async def test_a_version_that_lies_behind_later_ones_is_misplaced_and_not_missing(raw: RawStream) -> None:
    chain = make_chain(ORDER, 6)
    await raw.write(chain[0], *chain[3:5], chain[1], chain[2], chain[5])

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, 2, 4), (Cause.MISPLACED, ORDER, 3, 5)]
    assert "only its place is wrong" in verdict.findings[1].explanation


async def test_a_deleted_event_written_anew_later_is_misplaced_and_leaves_its_empty_sequence(raw: RawStream) -> None:
    chain = make_chain(ORDER, 4)
    await raw.write(*chain)
    await raw.delete(2)
    await raw.put(renamed(with_bytes(outgoing(raw.layout, chain[1]), edited(chain[1]))))

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, 2, 5), (Cause.MISSING, None, None, 2)]
    assert "this is not the event that once stood there" in verdict.findings[0].explanation
