"""This module is following a stream from a place in its past into the present, with no seam between the two.

There is one way of reading: what lies behind the last event handed out, by Direct Get, in stream order. A message that flies by only says
that it is time to look; it is never handed out itself. So nothing can be lost or doubled where history ends, and a lost wake-up or a
broken link costs a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from ..errors import ContinuityLost, StreamClosed, Unavailable, Unreachable
from ..events import StoredEvent
from ..store import CoreMessage, Message, Store, at_time, decode_event, get_stream, read_batch
from .checking import OnRead, check_name
from .protocol import Behind, EventFilter

PAGE = 500
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""How long the server may stay away before a subscription ends with the reason."""
_PASSING = (Unavailable, Unreachable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Where a subscription reads and which events it wants."""

    store: Store
    declared: Store
    pattern: str
    only: EventFilter
    on_read: OnRead = OnRead.STRICT


@asynccontextmanager
async def follow(
    store: Store, behind: Behind | None, only: EventFilter, *, on_read: OnRead = OnRead.STRICT
) -> AsyncIterator[AsyncIterator[StoredEvent]]:
    """Events behind a place and then as they come. Raises StreamNotFound, ContinuityLost; see `EventStore.subscribe_to_events`.

    Iterating raises Unavailable where the server stays away, StreamClosed at the end of a generation that another one follows, and
    InvalidEvent or EncodingError at what is no event.
    """
    pinned = store.pinned()
    pattern = pattern_of(pinned, only)
    woken = asyncio.Event()

    def wake(message: CoreMessage) -> None:
        woken.set()

    async with store.connection.subscribe(pattern, wake):
        position = await _start(pinned, behind, pattern)
        place = Following(store=pinned, declared=store, pattern=pattern, only=only, on_read=on_read)
        async with aclosing(_events(place, position, woken)) as events:
            yield events


def pattern_of(store: Store, only: EventFilter) -> str:
    """The subjects on which these events lie."""
    return store.layout.pattern_of(context=only.context, aggregate=only.aggregate, entity=only.entity, event=only.event)


async def position_of(store: Store, behind: Behind, pattern: str) -> int | None:
    """The sequence behind which to read; None where nothing was stored since that time."""
    if isinstance(behind, int):
        return behind
    first = await at_time(store.connection, store.layout.stream, behind, pattern=pattern)
    return first.sequence - 1 if first else None


def read_event(store: Store, message: Message, on_read: OnRead = OnRead.STRICT) -> StoredEvent:
    """The event in a message, in the newest schema. Raises InvalidEvent or EncodingError, ChainBroken where it was changed."""
    stored = decode_event(store, message)
    check_name(stored, message, on_read)
    return store.upcasters.read(stored)


async def _start(store: Store, behind: Behind | None, pattern: str) -> int:
    info = await get_stream(store.connection, store.layout.stream)
    position = None if behind is None else await position_of(store, behind, pattern)
    if position is None:
        return info.last_sequence
    if position > info.last_sequence:
        raise ContinuityLost(
            f"{info.name} ends at sequence {info.last_sequence:,}, before {position:,}; it is not the one that was read before."
        )
    if position > 0 and position + 1 < info.first_sequence:
        raise ContinuityLost(
            f"{info.name} begins at sequence {info.first_sequence:,} now; what lay behind {position:,} was removed, so it cannot be read."
        )
    return position


async def _events(place: Following, position: int, woken: asyncio.Event) -> AsyncGenerator[StoredEvent, None]:
    pause, heard = FIRST_PAUSE_SECONDS, time.monotonic()
    while True:
        woken.clear()
        try:
            messages = await _next(place, position)
            heard = time.monotonic()
        except _PASSING as error:
            if type(error) not in _PASSING or time.monotonic() - heard > PATIENCE_SECONDS:
                raise
            messages = ()
        for message in messages:
            position = message.sequence
            stored = read_event(place.store, message, place.on_read)
            if place.only.takes(stored.event):
                yield stored
        pause = FIRST_PAUSE_SECONDS if messages else await _rest(woken, pause)


async def _next(place: Following, position: int) -> tuple[Message, ...]:
    stream, serving = place.store.layout.stream, place.declared.layout.stream
    batch = await read_batch(place.store.connection, stream, from_sequence=position + 1, limit=PAGE, pattern=place.pattern)
    if not batch.messages and serving != stream:
        raise StreamClosed(stream, successor=serving)
    return batch.messages


async def _rest(woken: asyncio.Event, pause: float) -> float:
    """Wait for a sign or for the pause to end; say how long the next one is. The sign of a write may come before it can be read."""
    try:
        async with asyncio.timeout(pause):
            await woken.wait()
    except TimeoutError:
        return min(pause * 2, LONGEST_PAUSE_SECONDS)
    return FIRST_PAUSE_SECONDS
