"""This module is a bounded cache of aggregates' stored messages. What it holds are prefixes of chains, which never change.

Whether there is more, or another chain, is asked of the server at every read, so what others write is seen at once. Bytes are kept, not
events: nobody who changes a payload in hand changes what the next reader gets.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from ..encoding import cid_of
from ..errors import EncodingError, InvalidEvent
from ..events import AggregateRef, Event
from ..store import Message, Store, get_last, messages_of


@dataclass(slots=True, kw_only=True)
class EventCache:
    """The aggregates that were read last; none with more than `longest` events. `size` 0 keeps nothing."""

    size: int = 1000
    longest: int = 2000
    hits: int = 0
    misses: int = 0
    kept: OrderedDict[AggregateRef, tuple[Message, ...]] = field(default_factory=OrderedDict)

    def clear(self) -> None:
        """Forget everything; the counts stay."""
        self.kept.clear()

    async def read(self, store: Store, aggregate: AggregateRef) -> tuple[Message, ...]:
        """All messages of an aggregate: those kept, if the server's newest one follows from them, and what is new."""
        known = self.kept.get(aggregate)
        found = await _grown(store, aggregate, known) if known else None
        if found is None:
            self.misses += 1
            found = tuple(await messages_of(store, aggregate))
        else:
            self.hits += 1
        self._keep(aggregate, found)
        return found

    def _keep(self, aggregate: AggregateRef, messages: tuple[Message, ...]) -> None:
        self.kept.pop(aggregate, None)
        if messages and len(messages) <= self.longest:
            self.kept[aggregate] = messages
        while len(self.kept) > self.size:
            self.kept.popitem(last=False)


async def _grown(store: Store, aggregate: AggregateRef, known: tuple[Message, ...]) -> tuple[Message, ...] | None:
    """What is known with what has come since; None where the server holds another chain."""
    newest = await get_last(store.connection, store.layout.stream, store.layout.all_of(aggregate))
    last = known[-1]
    if newest is None or newest.stream != last.stream:
        return None
    if newest.sequence == last.sequence:
        return known if newest.data == last.data else None
    more = await messages_of(store, aggregate, from_version=len(known) + 1)
    return (*known, *more) if more and _follows(more[0], last) else None


def _follows(message: Message, before: Message) -> bool:
    """Whether an event links to the very bytes of the one before it; not, where it is no event."""
    try:
        return Event.from_block(message.data).previous == cid_of(before.data)
    except (EncodingError, InvalidEvent):
        return False
