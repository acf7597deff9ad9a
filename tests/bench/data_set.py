"""This module is the data that is measured on: many aggregates, each with its events near each other, and a large one all through."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apps.persistence.encoding import Cid, cid_of
from apps.persistence.events import AggregateRef, Event, Head, Scope, new_id, now
from apps.persistence.store import EVENTS, Connection, Outgoing, store_batch
from apps.persistence.store.publish import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, MAX_BATCH, MESSAGE_ID

from .measured_domain import CONTEXT, FIRST, RARE, RARE_EVERY, TYPE, USUAL, payload_of

ACTIVE_AT_ONCE = 300
"""So many aggregates are being written at any time: one of ten events lies within some 3,000 sequences."""
LARGEST = 10_000
SEED = 20
_SLICE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """What is stored: `events` in all; aggregates of ten events, of a hundred, of seven, and one large one."""

    events: int
    tens: tuple[AggregateRef, ...]
    hundreds: tuple[AggregateRef, ...]
    sevens: tuple[AggregateRef, ...]
    large: AggregateRef
    large_size: int

    @property
    def aggregates(self) -> int:
        return len(self.tens) + len(self.hundreds) + len(self.sevens) + 1


class Writing:
    """An aggregate that is being written."""

    __slots__ = ("cid", "left", "ref", "version")

    def __init__(self, ref: AggregateRef, left: int) -> None:
        self.ref = ref
        self.left = left
        self.version = 0
        self.cid: Cid | None = None


def plan_data(events: int) -> DataSet:
    """Of a million events: 80,000 aggregates of ten, 20,000 of seven, 500 of a hundred, and one of 10,000."""
    large_size = min(LARGEST, events // 100)
    hundreds = max(1, events // 2_000)
    sevens = events // 50
    tens = (events - large_size - 100 * hundreds - 7 * sevens) // 10
    return DataSet(
        events=large_size + 100 * hundreds + 7 * sevens + 10 * tens,
        tens=tuple(_ref("ten", number) for number in range(tens)),
        hundreds=tuple(_ref("hundred", number) for number in range(hundreds)),
        sevens=tuple(_ref("seven", number) for number in range(sevens)),
        large=_ref("large", 0),
        large_size=large_size,
    )


async def write_data(connection: Connection, data: DataSet) -> None:
    """Store it as `append` would, expectations and all, with the events of many aggregates in each atomic batch."""
    batch: list[Outgoing] = []
    sending: asyncio.Task[object] | None = None
    for number, head in enumerate(_order_of_writing(data), start=1):
        batch.append(make_outgoing(head, event_type=_type_of(head, number), number=number))
        if number % _SLICE == 0:
            await asyncio.sleep(0)
        if len(batch) == MAX_BATCH or number == data.events:
            if sending is not None:
                await sending
            sending, batch = asyncio.create_task(store_batch(connection, batch, timeout=30)), []
    if sending is not None:
        await sending


def make_outgoing(head: Writing, *, event_type: str = USUAL, number: int = 0) -> Outgoing:
    """The next event of an aggregate as `append` sends it; `head` goes on to it."""
    event = Event(
        aggregate=head.ref,
        version=head.version + 1,
        type=event_type,
        schema=1,
        id=new_id(),
        time=now(),
        actor="bench",
        correlation=new_id(),
        causation=None,
        scope=Scope.CLUSTER,
        previous=head.cid,
        payload=payload_of(number),
        metadata={},
    )
    block = event.to_block()
    head.version, head.cid = event.version, cid_of(block)
    expected = EVENTS.at_version(event.aggregate, event.version)
    return Outgoing(EVENTS.subject(event), block, {MESSAGE_ID: str(head.cid), EXPECTED_SEQUENCE: "0", EXPECTED_SUBJECT: expected})


def writing_on(head: Head) -> Writing:
    """An aggregate that goes on from `head`."""
    writing = Writing(head.aggregate, 0)
    writing.version, writing.cid = head.version, head.cid
    return writing


def _order_of_writing(data: DataSet) -> Iterator[Writing]:
    """Whose event comes next: one of those at work, by chance but always the same; now and then the large one."""
    chance = random.Random(SEED)
    waiting = [Writing(ref, size) for refs, size in ((data.tens, 10), (data.hundreds, 100), (data.sevens, 7)) for ref in refs]
    chance.shuffle(waiting)
    large = Writing(data.large, data.large_size)
    active = [waiting.pop() for _ in range(min(ACTIVE_AT_ONCE, len(waiting)))]
    for number in range(data.events):
        if large.left and (number % 100 == 0 or not active):
            large.left -= 1
            yield large
            continue
        place = chance.randrange(len(active))
        chosen = active[place]
        chosen.left -= 1
        yield chosen
        if not chosen.left:
            _replace(active, place, waiting)


def _replace(active: list[Writing], place: int, waiting: list[Writing]) -> None:
    """What stands at `place` is written; the next one begins there, if there is one."""
    if waiting:
        active[place] = waiting.pop()
    else:
        active[place] = active[-1]
        active.pop()


def _type_of(head: Writing, number: int) -> str:
    if head.version == 0:
        return FIRST
    return RARE if number % RARE_EVERY == 0 else USUAL


def _ref(kind: str, number: int) -> AggregateRef:
    return AggregateRef(CONTEXT, TYPE, f"{kind}-{number:06}")


def picked(refs: Sequence[AggregateRef], count: int, *, seed: int) -> list[AggregateRef]:
    """Up to `count` of them, by chance but always the same."""
    return random.Random(seed).sample(refs, min(count, len(refs)))
