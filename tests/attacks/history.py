"""This module is the history of a stream as somebody who forges it handles it: its events in order, and the messages they are stored as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from apps.persistence.encoding import Cid, cid_of
from apps.persistence.events import AggregateRef, Event, Scope, new_id, now
from apps.persistence.store import Layout, Store, read_batch

PAGE = 1000


class Stored(NamedTuple):
    """One message as it lies in a stream, with the id that its header gives it."""

    subject: str
    block: bytes
    message_id: str


History = list[Stored | None]
"""What each sequence from 1 on holds; None where it holds nothing."""


async def read_history(store: Store) -> History:
    """What the stream holds now."""
    found: History = []
    while True:
        batch = await read_batch(store.connection, store.layout.stream, from_sequence=len(found) + 1, limit=PAGE)
        for message in batch.messages:
            found += [None] * (message.sequence - len(found) - 1)
            found.append(Stored(message.subject, message.data, message.headers.get("Nats-Msg-Id", "")))
        if not batch.messages:
            return found


def events_of(history: Sequence[Stored | None]) -> list[Event]:
    """The events of an honest history."""
    return [Event.from_block(stored.block) for stored in history if stored is not None]


def stored_as(layout: Layout, event: Event) -> Stored:
    """The message that the product would store."""
    block = event.to_block()
    return Stored(layout.subject(event), block, str(cid_of(block)))


def relinked(layout: Layout, events: Sequence[Event]) -> History:
    """The events in this order, each numbered and linked anew: what nobody touched keeps its bytes, and every chain holds."""
    tips: dict[AggregateRef, tuple[int, Cid | None]] = {}
    history: History = []
    for event in events:
        version, previous = tips.get(event.aggregate, (0, None))
        stored = stored_as(layout, replace(event, version=version + 1, previous=previous))
        tips[event.aggregate] = (version + 1, cid_of(stored.block))
        history.append(stored)
    return history


def edited(event: Event) -> Event:
    """The same event with another payload."""
    return replace(event, payload={**event.payload, "amount": 999_999})


def forged(aggregate: AggregateRef) -> Event:
    """An event that never was; `relinked` gives it its version and link."""
    story = new_id()
    return Event(
        aggregate=aggregate,
        version=1,
        type="item_added",
        schema=1,
        id=new_id(),
        time=now(),
        actor="mallory",
        correlation=story,
        causation=None,
        scope=Scope.CLUSTER,
        previous=None,
        payload={"amount": 1},
        metadata={},
    )


def first_difference(before: Sequence[Stored | None], after: Sequence[Stored | None]) -> int | None:
    """The first sequence at which two histories hold something else; None where the one is the other."""
    for index in range(max(len(before), len(after))):
        if _block_at(before, index) != _block_at(after, index):
            return index + 1
    return None


def _block_at(history: Sequence[Stored | None], index: int) -> bytes | None:
    stored = history[index] if index < len(history) else None
    return stored.block if stored else None
