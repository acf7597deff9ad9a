"""What verification says of ranges one by one: together exactly as strict as one reading, whatever was done to the stream."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable

import pytest

from apps.persistence.chain import RangeVerdict, Verdict, split_ranges, stitch, verify_stream
from apps.persistence.errors import InvalidInput
from apps.persistence.events import now
from apps.persistence.store import Outgoing
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.raw_stream import ORDER, RawStream, edited, make_event, open_raw_stream, outgoing, three_chains, with_bytes

ROUNDS = int(os.environ.get("CIM_TEST_ROUNDS", "25"))
SIZE = 5


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        yield stream


async def verify_ranges(raw: RawStream, last: int) -> list[Verdict]:
    return [await verify_stream(raw.store, from_sequence=a, to_sequence=b) for a, b in split_ranges(1, last, size=SIZE)]


async def test_intact_ranges_make_the_verdict_of_one_reading(raw: RawStream) -> None:
    await raw.write(*three_chains())
    whole = await verify_stream(raw.store)

    ranges = [RangeVerdict.of(verdict) for verdict in await verify_ranges(raw, 24)]
    joined = stitch(raw.layout.stream, [RangeVerdict.from_value(part.to_value()) for part in ranges], started=now(), seconds=1.0)

    assert len(ranges) == 5
    assert (joined.checked, joined.aggregates, joined.known_before) == (whole.checked, whole.aggregates, whole.known_before)
    assert (joined.scope, joined.proves, joined.does_not_prove) == (whole.scope, whole.proves, whole.does_not_prove)


def drop(messages: list[Outgoing], chance: random.Random) -> None:
    del messages[chance.randrange(len(messages))]


def swap(messages: list[Outgoing], chance: random.Random) -> None:
    a, b = chance.sample(range(len(messages)), 2)
    messages[a], messages[b] = messages[b], messages[a]


def repeat(messages: list[Outgoing], chance: random.Random) -> None:
    messages.insert(chance.randrange(len(messages)), chance.choice(messages))


def forge(messages: list[Outgoing], chance: random.Random) -> None:
    place = chance.randrange(len(messages))
    messages[place] = with_bytes(messages[place], edited(make_event(ORDER, 1, None)))


FAULTS: list[Callable[[list[Outgoing], random.Random], None]] = [drop, swap, repeat, forge]


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_ranges_find_a_fault_exactly_where_one_reading_does(raw: RawStream, seed: int) -> None:
    chance = random.Random(seed)
    messages = [outgoing(raw.layout, event) for event in three_chains()]
    for fault in chance.choices(FAULTS, k=chance.randrange(3)):
        fault(messages, chance)
    sequences = await raw.put(*messages)
    if chance.random() < 0.3:
        await raw.delete(chance.choice(sequences))

    whole = await verify_stream(raw.store)

    assert any(not verdict.intact for verdict in await verify_ranges(raw, sequences[-1])) == (not whole.intact)


@pytest.mark.parametrize(("first", "last", "ranges"), [(1, 0, []), (1, 6, [(1, 6)]), (3, 12, [(3, 7), (8, 12)]), (1, 8, [(1, 5), (6, 8)])])
def test_ranges_cover_every_sequence_once(first: int, last: int, ranges: list[tuple[int, int]]) -> None:
    assert split_ranges(first, last, size=SIZE) == ranges


async def test_ranges_with_a_hole_between_them_make_no_verdict(raw: RawStream) -> None:
    await raw.write(*three_chains())
    first, _, *rest = [RangeVerdict.of(verdict) for verdict in await verify_ranges(raw, 24)]

    with pytest.raises(InvalidInput, match="follow one another without a gap"):
        stitch(raw.layout.stream, [first, *rest], started=now(), seconds=1.0)
