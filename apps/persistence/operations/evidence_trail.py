"""This module is the operator trail of a stream or an aggregate: the events of CIM-CONSOLE that name it, and what came of them."""

from __future__ import annotations

from collections import deque

from ..encoding import Value
from ..errors import EncodingError, InvalidEvent
from ..events import AggregateRef, Event
from ..store import CONSOLE, Message, Store, open_reader
from ..transfer.evidence import MAX_EVENTS

TRAIL_EVENTS = MAX_EVENTS
"""Of a longer trail the newest are in the file, which says how many are not."""


async def read_concerning(store: Store, stream: str, aggregate: str, *, last: int, at_most: int) -> tuple[list[Message], int]:
    """The newest events of CIM-CONSOLE up to `last` that name the stream, and those that follow in the same run; how many older there are.

    With an aggregate, what names another aggregate of that stream is left out, and what names this one alone is added.
    """
    found: deque[Message] = deque(maxlen=at_most)
    count = 0
    concerned: set[AggregateRef] = set()
    async with open_reader(store.connection, CONSOLE.stream, from_sequence=1, to_sequence=last) as reader:
        async for messages in reader:
            for message in messages:
                event = _event(message)
                if event is None:
                    continue
                if event.aggregate in concerned or _concerns(event, stream, aggregate):
                    if event.aggregate.type == "run":
                        concerned.add(event.aggregate)
                    found.append(message)
                    count += 1
    return list(found), count - len(found)


def _concerns(event: Event, stream: str, aggregate: str) -> bool:
    """Whether an event says something of the stream or, if one is given, of the aggregate."""
    named = event.payload.get("parameters")
    other = named.get("aggregate") if isinstance(named, dict) else None
    if aggregate and other:
        return other == aggregate
    return _names(event.payload, {stream, aggregate} - {""})


def _names(value: Value, wanted: set[str]) -> bool:
    """Whether one of these stands anywhere in a value as a text of its own."""
    if isinstance(value, str):
        return value in wanted
    if isinstance(value, dict):
        return any(_names(one, wanted) for one in value.values())
    return isinstance(value, list) and any(_names(one, wanted) for one in value)


def _event(message: Message) -> Event | None:
    try:
        return Event.from_block(message.data)
    except (EncodingError, InvalidEvent):
        return None
