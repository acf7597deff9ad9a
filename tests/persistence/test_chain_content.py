"""What verification says of events whose content or links are wrong: the exact cause and place, and nothing besides."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.chain import Cause, verify_stream
from apps.persistence.encoding import cid_of, encode
from apps.persistence.events import Event
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.raw_stream import (
    ORDER,
    OTHER,
    THIRD,
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


@pytest.mark.parametrize(("version", "sequence"), PLACES)
async def test_changed_content_is_found_at_exactly_its_version(raw: RawStream, version: int, sequence: int) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    original = messages[sequence - 1]
    forged = edited(Event.from_block(original.data))
    messages[sequence - 1] = with_bytes(original, forged)
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.CONTENT_CHANGED, ORDER, version, sequence)]
    assert (only(verdict).expected, only(verdict).found) == (str(cid_of(original.data)), str(cid_of(forged)))


async def test_the_link_of_the_next_event_confirms_a_changed_content(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in make_chain(ORDER, 8)]
    messages[6] = with_bytes(messages[6], edited(Event.from_block(messages[6].data)))
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert f"Version 8 links to the original, {only(verdict).expected}" in only(verdict).explanation


async def test_an_altered_id_is_told_from_altered_content_by_the_next_link(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in make_chain(ORDER, 3)]
    messages[1] = messages[1]._replace(headers={"Nats-Msg-Id": str(cid_of(b"something else"))})
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.CONTENT_CHANGED, ORDER, 2, 2)]
    assert "Version 3 links to the content as it is now" in only(verdict).explanation


@pytest.mark.parametrize(("version", "sequence"), [(1, 1), (3, 7), (7, 19)])
async def test_an_event_replaced_with_its_id_breaks_the_next_link(raw: RawStream, version: int, sequence: int) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    original = messages[sequence - 1]
    messages[sequence - 1] = renamed(with_bytes(original, edited(Event.from_block(original.data))))
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.LINK_BROKEN, ORDER, version + 1, sequence + 3)]
    assert (only(verdict).expected, only(verdict).found) == (str(cid_of(messages[sequence - 1].data)), str(cid_of(original.data)))


async def test_a_link_that_was_taken_away_is_a_broken_link(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in make_chain(ORDER, 3)]
    fields = Event.from_block(messages[2].data)
    block = fields.to_block().replace(encode(fields.previous), encode(None))
    messages[2] = renamed(with_bytes(messages[2], block))
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.LINK_BROKEN, ORDER, 3, 3)]
    assert only(verdict).found == "no link"


@pytest.mark.parametrize(("version", "sequence"), PLACES)
async def test_bytes_that_are_no_block_are_undecodable_and_their_neighbours_are_not_blamed(
    raw: RawStream, version: int, sequence: int
) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    cut = messages[sequence - 1].data[:-1]
    messages[sequence - 1] = with_bytes(messages[sequence - 1], cut)
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.UNDECODABLE, ORDER, version, sequence)]
    assert "Not strict DAG-CBOR at byte" in only(verdict).found
    assert "these are not the bytes that were stored at first" in only(verdict).explanation


async def test_json_of_another_program_is_undecodable_and_says_that_it_carries_no_id(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in make_chain(ORDER, 3)]
    messages[1] = messages[1]._replace(data=b'{"item": 1}', headers={})
    await raw.put(*messages)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.UNDECODABLE, ORDER, 2, 2)]
    assert "another program may have written it" in only(verdict).explanation
    assert "Version 3 links to" in only(verdict).explanation


async def test_strict_bytes_that_are_no_event_are_undecodable_with_the_reason(raw: RawStream) -> None:
    await raw.put(renamed(outgoing(raw.layout, make_chain(ORDER, 1)[0])._replace(data=encode({"type": "placed"}))))

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.UNDECODABLE, ORDER, 1, 1)]
    assert only(verdict).found.startswith("The block is a map but not an event: it lacks actor")


async def test_a_message_under_a_subject_of_no_event_has_no_aggregate(raw: RawStream) -> None:
    await raw.put(renamed(outgoing(raw.layout, make_chain(ORDER, 1)[0])._replace(subject=f"{raw.layout.root}.note", data=b"hello")))

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [(Cause.UNDECODABLE, None, None, 1)]


async def test_each_of_several_faults_is_reported_and_the_rest_goes_on_being_verified(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    messages[3] = with_bytes(messages[3], edited(Event.from_block(messages[3].data)))
    messages[10] = with_bytes(messages[10], b"\xff")
    messages[17] = renamed(with_bytes(messages[17], edited(Event.from_block(messages[17].data))))
    await raw.put(*messages)
    await raw.delete(9)

    verdict = await verify_stream(raw.store)

    assert facts(verdict) == [
        (Cause.CONTENT_CHANGED, ORDER, 2, 4),
        (Cause.UNDECODABLE, OTHER, 4, 11),
        (Cause.MISSING, THIRD, 3, 12),
        (Cause.LINK_BROKEN, THIRD, 7, 21),
    ]
    assert (verdict.checked, verdict.finding_count, verdict.by_cause[Cause.MISSING]) == (23, 4, 1)
    assert verdict.first_bad == verdict.findings[0]
