"""The walk along chains without a server: the quick look agrees with the event itself, memory is bounded, no tampering passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.persistence.chain.examine import Examiner, Seen, Unreadable, quick_place
from apps.persistence.chain.findings import MAX_FINDINGS
from apps.persistence.chain.gaps import Range, SequenceGaps
from apps.persistence.chain.tips import Tip, Tips
from apps.persistence.chain.verdict import Cause
from apps.persistence.chain.walk import Walk
from apps.persistence.encoding import Cid, cid_of, decode, encode
from apps.persistence.encoding.quick import decode_with_one_link
from apps.persistence.errors import InvalidEvent
from apps.persistence.events import AggregateRef, Event
from apps.persistence.store import CONSOLE, EVENTS, Message, Outgoing
from tests.persistence.raw_stream import ORDER, edited, interleave, make_chain, make_event, outgoing

FIELDS = sorted(Event.__dataclass_fields__)
ODD_VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    2,
    -1,
    2**63,
    6.0,
    "",
    "x",
    "2",
    "a.b",
    "cluster",
    "LOCAL",
    b"",
    b"x",
    [],
    {},
    cid_of(b"x"),
    Cid(bytes.fromhex("015500020102")),
    "01934f2a-7c11-7d3e-8b55-1a2b3c4d5e6f",
    "01934F2A-7C11-7D3E-8B55-1A2B3C4D5E6F",
    "01934f2a-7c11-7d3e-8b55-1a2b3c4d5e6f\n",
    "2026-11-21T10:40:31.904218Z",
    "2026-13-21T10:40:31.904218Z",
    "2026-11-21T24:00:00.000000Z",
    "0999-11-21T10:40:31.904218Z",
    "2026-11-21T10:40:31Z",
    "2026-11-21T10:40:31.904218+00:00",
    "2026-02-29T10:40:31.904218Z",
    "2028-02-29T10:40:31.904218Z",
    {"context": "sales", "type": "order", "id": "o1"},
    {"context": "sales", "type": "order", "id": "o.1"},
    {"context": "sales", "type": "order"},
    {"context": "sales", "type": "order", "id": "o1", "more": 1},
    {"context": "sales", "type": "order", "id": 7},
    ["context", "type", "id"],
]


def stored(messages: list[Any]) -> list[Message]:
    """The messages in the order in which a stream would hold them."""
    result = []
    for sequence, (subject, data, headers) in enumerate(messages, start=1):
        raw_headers = f"NATS/1.0\r\nNats-Msg-Id: {headers['Nats-Msg-Id']}\r\n\r\n".encode()
        result.append(Message("CIM-EVENTS", subject, sequence, 0, raw_headers, data))
    return result


def walk_over(messages: list[Message], *, max_in_memory: int = 100_000) -> Walk:
    with Tips(max_in_memory) as tips:
        walk = Walk(EVENTS, tips, gaps_from=1, knows_start=True)
        walk.walk(walk.look(messages))
        walk.finish(messages[-1].sequence)
    return walk


@settings(max_examples=600, deadline=None)
@given(field=st.sampled_from(FIELDS), odd=st.sampled_from(ODD_VALUES), version=st.sampled_from([1, 2]), inside=st.sampled_from(ODD_VALUES))
def test_a_message_is_an_event_exactly_where_its_block_is_one(field: str, odd: Any, version: int, inside: Any) -> None:
    fields: Any = decode(make_event(ORDER, version, cid_of(b"before") if version > 1 else None).to_block())
    fields["payload"] = {"inside": inside}
    fields[field] = odd
    block = encode(fields)
    try:
        event = Event.from_block(block)
    except InvalidEvent:
        event = None
    (message,) = stored([Outgoing("cim.events.a.b.c.d.v1", block, {"Nats-Msg-Id": "none"})])

    seen = Examiner(EVENTS).examine(message)

    if event is not None:
        assert isinstance(seen, Seen)
        assert seen.place == (str(event.aggregate), event.version, event.type)
        assert seen.previous == (event.previous.raw if event.previous else b"")
    elif field == "previous":
        assert isinstance(seen, Unreadable) or (seen.previous == b"") == (version > 1)
    else:
        assert isinstance(seen, Unreadable) or field == "version"


@pytest.mark.parametrize("field", FIELDS)
def test_an_event_that_lacks_a_field_is_not_one(field: str) -> None:
    fields: Any = decode(make_event(ORDER, 2, cid_of(b"before")).to_block())
    del fields[field]
    (message,) = stored([Outgoing("cim.events.a.b.c.d.v1", encode(fields), {"Nats-Msg-Id": "none"})])

    assert isinstance(Examiner(EVENTS).examine(message), Unreadable)


def test_a_plain_event_takes_the_quick_way() -> None:
    value = decode_with_one_link(make_event(ORDER, 2, cid_of(b"before")).to_block(), "previous")

    assert value is not None
    assert quick_place(value) == ("sales.order.o1", 2, "item_added")


def test_events_of_the_console_lie_under_their_own_subjects() -> None:
    event = make_event(AggregateRef("console", "run", "r1"), 1, None)
    (message,) = stored([outgoing(CONSOLE, event)])

    seen = Examiner(CONSOLE).examine(message)

    assert isinstance(seen, Seen)
    assert (seen.place.key, seen.subject, seen.is_named) == ("console.run.r1", None, True)


def test_findings_are_the_same_however_few_aggregates_fit_into_memory() -> None:
    refs = [AggregateRef("sales", "order", f"o{number}") for number in range(40)]
    messages = stored([outgoing(EVENTS, event) for event in interleave(*(make_chain(ref, 6) for ref in refs))])
    messages[100] = messages[100]._replace(data=edited(Event.from_block(messages[100].data)))
    messages[130] = messages[130]._replace(data=b"\x00\x00")
    del messages[170]

    roomy, tight = walk_over(messages), walk_over(messages, max_in_memory=4)

    assert [found.cause for found in roomy.findings.kept] == [Cause.CONTENT_CHANGED, Cause.UNDECODABLE, Cause.MISSING]
    assert tight.findings.kept == roomy.findings.kept
    assert (tight.aggregates, roomy.aggregates) == (40, 40)


def test_memory_holds_no_more_tips_than_allowed() -> None:
    with Tips(100) as tips:
        for number in range(1000):
            tips.put(f"sales.order.{number}", Tip(number + 1, number, cid_of(b"").raw))

        found = [tips.get(f"sales.order.{number}") for number in (0, 500, 999)]

        assert tips.in_memory <= 100

    assert [tip and tip.version for tip in found] == [1, 501, 1000]


def test_the_newest_tip_counts_after_it_moved_to_disk_and_back() -> None:
    with Tips(4) as tips:
        for version in (1, 2):
            for number in range(20):
                tips.put(f"a.b.{number}", Tip(version, number, b"", is_open=True, finding=3))

        assert tips.get("a.b.0") == Tip(2, 0, b"", is_open=True, finding=3)


def test_findings_beyond_the_limit_are_counted_and_not_kept() -> None:
    count = MAX_FINDINGS + 50
    chains = [make_event(AggregateRef("sales", "order", f"o{number}"), 2, cid_of(b"gone")) for number in range(count)]

    walk = walk_over(stored([outgoing(EVENTS, event) for event in chains]))

    assert (len(walk.findings.kept), walk.findings.count, walk.findings.by_cause[Cause.MISSING]) == (MAX_FINDINGS, count, count)


def test_gaps_beyond_the_limit_are_counted() -> None:
    gaps = SequenceGaps(max_ranges=2)
    for first in (5, 10, 20):
        gaps.add(Range(first, first + 1))

    assert (gaps.free, gaps.untracked) == ((Range(5, 6), Range(10, 11)), 2)


def test_a_gap_explains_only_as_many_versions_as_it_is_long() -> None:
    gaps = SequenceGaps()
    gaps.add(Range(5, 7))

    assert gaps.take(2, after=3, before=9) == [Range(5, 6)]
    assert gaps.take(2, after=3, before=9) == [Range(7, 7)]
    assert gaps.free == ()


CHAINS = stored(
    [outgoing(EVENTS, event) for event in interleave(*(make_chain(AggregateRef("sales", "order", f"o{n}"), 4) for n in range(4)))]
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_flipped_bit_passes(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(CHAINS) - 1))
    block = bytearray(CHAINS[place].data)
    bit = data.draw(st.integers(0, len(block) * 8 - 1))
    block[bit // 8] ^= 1 << bit % 8

    walk = walk_over([*CHAINS[:place], CHAINS[place]._replace(data=bytes(block)), *CHAINS[place + 1 :]])

    assert [found.sequence for found in walk.findings.kept] == [place + 1]


@settings(max_examples=200, deadline=None)
@given(gone=st.sets(st.integers(0, len(CHAINS) - 1), min_size=1, max_size=6))
def test_as_many_events_are_missing_as_were_deleted(gone: set[int]) -> None:
    left = [message for place, message in enumerate(CHAINS) if place not in gone]
    with Tips() as tips:
        walk = Walk(EVENTS, tips, gaps_from=1, knows_start=True)
        walk.walk(walk.look(left))
        walk.finish(len(CHAINS))

    assert set(walk.findings.by_cause) == {Cause.MISSING}
    assert walk.findings.count <= len(gone)


@settings(max_examples=200, deadline=None)
@given(order=st.permutations(range(len(CHAINS))))
def test_a_changed_order_within_an_aggregate_never_passes(order: list[int]) -> None:
    moved = [CHAINS[place]._replace(sequence=sequence) for sequence, place in enumerate(order, start=1)]
    positions = {place: position for position, place in enumerate(order)}
    is_in_order = all(positions[place] < positions[place + 4] for place in range(len(CHAINS) - 4))

    walk = walk_over(moved)

    assert (walk.findings.count == 0) == is_in_order
    assert set(walk.findings.by_cause) - {Cause.MISPLACED} == {cause for cause, count in walk.findings.by_cause.items() if count == 0}


def test_a_whole_chain_with_a_rewritten_link_is_broken_once() -> None:
    chain = make_chain(ORDER, 6)
    chain[3] = replace(chain[3], previous=cid_of(b"elsewhere"))
    for place in (4, 5):
        chain[place] = replace(chain[place], previous=cid_of(chain[place - 1].to_block()))

    walk = walk_over(stored([outgoing(EVENTS, event) for event in chain]))

    assert [(found.cause, found.version) for found in walk.findings.kept] == [(Cause.LINK_BROKEN, 4)]
