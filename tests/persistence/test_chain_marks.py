"""Verification of what is new in a stream, and the mark that remembers how far it was verified."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.chain import Cause, Mark, list_marks, mark_history, read_mark, verify_aggregate, verify_stream, write_mark
from apps.persistence.errors import InvalidInput
from apps.persistence.events import Event
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


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        yield stream


async def read(raw: RawStream) -> Mark:
    mark = await read_mark(raw.store, raw.layout.stream)
    assert mark is not None
    return mark


async def verify_and_mark(raw: RawStream, *, from_sequence: int = 1, to_sequence: int | None = None) -> Mark | None:
    verdict = await verify_stream(raw.store, from_sequence=from_sequence, to_sequence=to_sequence)
    return await write_mark(raw.store, verdict, by="ada")


# -- from a later sequence -------------------------------------------------------------------------------------------------------------


async def test_a_later_part_is_linked_to_what_lies_before_it(raw: RawStream) -> None:
    await raw.write(*three_chains())

    verdict = await verify_stream(raw.store, from_sequence=11)

    assert (verdict.intact, verdict.checked, verdict.from_sequence, verdict.to_sequence) == (True, 14, 11, 24)
    assert verdict.does_not_prove[-1] == "That what lies before sequence 11 is still as it was: it was not read again."


async def test_a_range_ends_where_it_is_told_to(raw: RawStream) -> None:
    await raw.write(*three_chains())

    verdict = await verify_stream(raw.store, from_sequence=4, to_sequence=9)

    assert (verdict.intact, verdict.checked, verdict.to_sequence, verdict.reaches_end) == (True, 6, 9, False)


async def test_a_broken_link_across_the_beginning_of_a_range_is_found(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    messages[9] = renamed(with_bytes(messages[9], edited(Event.from_block(messages[9].data))))
    await raw.put(*messages)

    verdict = await verify_stream(raw.store, from_sequence=11)

    assert facts(verdict) == [(Cause.LINK_BROKEN, ORDER, 5, 13)]


async def test_changed_content_just_before_a_range_is_found_where_it_lies(raw: RawStream) -> None:
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    messages[9] = with_bytes(messages[9], edited(Event.from_block(messages[9].data)))
    await raw.put(*messages)

    verdict = await verify_stream(raw.store, from_sequence=11)

    assert facts(verdict) == [(Cause.CONTENT_CHANGED, ORDER, 4, 10)]
    assert "Version 5 links to the original" in only(verdict).explanation


async def test_a_predecessor_that_is_gone_is_missing(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await raw.delete(10)

    verdict = await verify_stream(raw.store, from_sequence=11)

    assert facts(verdict) == [(Cause.MISSING, ORDER, 4, 13)]


async def test_a_version_from_before_a_range_that_is_written_again_in_it_is_a_duplicate(raw: RawStream) -> None:
    chain = make_chain(ORDER, 6)
    await raw.write(*chain[:5], replace(chain[1], type="item_removed"), chain[5])

    verdict = await verify_stream(raw.store, from_sequence=6)

    assert facts(verdict) == [(Cause.DUPLICATE_VERSION, ORDER, 2, 6)]


async def test_a_version_that_was_missing_before_a_range_and_comes_in_it_is_misplaced(raw: RawStream) -> None:
    chain = make_chain(ORDER, 6)
    await raw.write(chain[0], *chain[2:5], chain[1], chain[5])

    verdict = await verify_stream(raw.store, from_sequence=5)

    assert facts(verdict) == [(Cause.MISPLACED, ORDER, 2, 5)]


async def test_new_aggregates_in_a_range_begin_at_version_1(raw: RawStream) -> None:
    await raw.write(*make_chain(ORDER, 3), *make_chain(OTHER, 3))

    verdict = await verify_stream(raw.store, from_sequence=4)

    assert (verdict.intact, verdict.aggregates) == (True, 1)


async def test_nothing_new_is_intact(raw: RawStream) -> None:
    await raw.write(*make_chain(ORDER, 3))

    verdict = await verify_stream(raw.store, from_sequence=4)

    assert (verdict.intact, verdict.checked, verdict.to_sequence) == (True, 0, 3)


# -- marks -----------------------------------------------------------------------------------------------------------------------------


async def test_a_stream_that_was_never_verified_has_no_mark(raw: RawStream) -> None:
    assert await read_mark(raw.store, raw.layout.stream) is None


async def test_a_mark_says_how_far_by_whom_and_how_many(raw: RawStream) -> None:
    await raw.write(*three_chains())

    await verify_and_mark(raw)

    mark = await read(raw)
    assert (mark.sequence, mark.by, mark.intact, mark.findings, mark.checked) == (24, "ada", True, 0, 24)
    assert (mark.first_bad_sequence, mark.first_bad_cause) == (None, None)


async def test_a_mark_moves_on_with_what_is_new(raw: RawStream) -> None:
    chain = make_chain(ORDER, 8)
    await raw.write(*chain[:5])
    await verify_and_mark(raw)
    await raw.write(*chain[5:])

    mark = await verify_and_mark(raw, from_sequence=6)

    assert mark is not None
    assert (mark.sequence, mark.checked, mark.intact) == (8, 8, True)


async def test_a_verdict_on_a_part_further_on_leaves_no_mark(raw: RawStream) -> None:
    await raw.write(*three_chains())

    assert await verify_and_mark(raw, from_sequence=10) is None
    assert await read_mark(raw.store, raw.layout.stream) is None


async def test_a_verdict_that_leaves_a_part_out_does_not_move_the_mark(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await verify_and_mark(raw, to_sequence=5)

    mark = await verify_and_mark(raw, from_sequence=10)

    assert mark is not None
    assert mark.sequence == 5


async def test_a_part_that_is_verified_again_does_not_lower_the_mark(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await verify_and_mark(raw)

    mark = await verify_and_mark(raw, to_sequence=5)

    assert mark is not None
    assert (mark.sequence, mark.checked) == (24, 24)


async def test_a_mark_stays_red_while_only_what_is_new_is_verified(raw: RawStream) -> None:
    chain = make_chain(ORDER, 8)
    await raw.write(*chain[:5])
    await raw.delete(3)
    await verify_and_mark(raw)
    await raw.write(*chain[5:])

    mark = await verify_and_mark(raw, from_sequence=6)

    assert mark is not None
    assert (mark.sequence, mark.intact, mark.findings) == (8, False, 1)
    assert (mark.first_bad_sequence, mark.first_bad_cause) == (3, Cause.MISSING)


async def test_a_red_mark_turns_green_by_an_intact_verdict_from_the_beginning(raw: RawStream) -> None:
    await raw.write(*make_chain(ORDER, 3))
    await raw.delete(3)
    await verify_and_mark(raw)
    verdict = await verify_stream(raw.store, to_sequence=2)

    mark = await write_mark(raw.store, replace(verdict, reaches_end=True), by="bob")

    assert mark is not None
    assert (mark.intact, mark.sequence, mark.by, mark.first_bad_cause) == (True, 2, "bob", None)


async def test_a_red_mark_turns_green_by_an_intact_verdict_from_before_the_fault(raw: RawStream) -> None:
    await raw.write(*three_chains())
    intact = await verify_stream(raw.store, from_sequence=10)
    full = await verify_stream(raw.store)
    await raw.delete(24)
    await verify_and_mark(raw)

    mark = await write_mark(raw.store, intact, by="bob")

    assert full.intact
    assert mark is not None
    assert (mark.intact, mark.sequence, mark.findings) == (True, 24, 0)


async def test_a_red_mark_stays_red_by_a_verdict_that_begins_after_the_fault(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await raw.delete(4)
    await verify_and_mark(raw)

    mark = await verify_and_mark(raw, from_sequence=12)

    assert mark is not None
    assert (mark.intact, mark.first_bad_cause) == (False, Cause.MISSING)


async def test_a_fault_in_a_part_further_on_turns_the_mark_red(raw: RawStream) -> None:
    await raw.write(*three_chains())
    await verify_and_mark(raw, to_sequence=5)
    await raw.delete(20)

    mark = await verify_and_mark(raw, from_sequence=15)

    assert mark is not None
    assert (mark.intact, mark.sequence, mark.first_bad_sequence) == (False, 5, 20)


async def test_a_stream_that_ends_before_its_mark_was_cut(raw: RawStream) -> None:
    await raw.write(*make_chain(ORDER, 5))
    await verify_and_mark(raw)
    mark = replace(await read(raw), sequence=9)

    verdict = await verify_stream(raw.store, from_sequence=6, mark=mark)

    assert facts(verdict) == [(Cause.TAIL_CUT, None, None, 6)]
    assert "its tail was cut" in only(verdict).explanation


async def test_all_marks_are_listed_and_their_past_is_kept(raw: RawStream) -> None:
    await raw.write(*make_chain(ORDER, 3))
    await verify_and_mark(raw, to_sequence=2)
    await verify_and_mark(raw, from_sequence=3)

    history = await mark_history(raw.store, raw.layout.stream)

    assert [mark.sequence for mark in history] == [3, 2]
    assert history[0] in await list_marks(raw.store)


async def test_a_verdict_on_one_aggregate_is_no_mark_of_a_stream(raw: RawStream) -> None:
    await raw.write(*make_chain(ORDER, 3))
    verdict = await verify_aggregate(raw.store, ORDER)

    with pytest.raises(InvalidInput, match=r"aggregate sales\.order\.o1"):
        await write_mark(raw.store, verdict, by="ada")
