"""This module is what moves on the streams pages: the rows of the list, a stream's figures, and the tail of its events.

The tail reads by Direct Get from the last sequence it has shown, so mirrors and streams with sources have one, too. It never goes past
what it has seen: a replica or mirror that answers may be behind the leader.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.template.loader import render_to_string

from apps.live.frames import Frame, Refresh, Row, Rows, render
from apps.live.sources import source
from apps.persistence.store import Message, Store, StreamInfo, get_stream, page_back, read_batch
from apps.registry import informed

from .addresses import observed_by, parse_tail
from .browse import surely_seen
from .consumers import read_consumers
from .event_query import EVERYTHING
from .event_rows import EventRow, to_row
from .head import head_of
from .listing import revision_of
from .marks import mark_events
from .rates import RATES
from .survey import StreamRow, survey

LIST_SECONDS = 2.0
HEAD_SECONDS = 1.0
CONSUMERS_SECONDS = 1.0
TAIL_SECONDS = 0.25
ROWS_IN_FRAME = 50
SETTLED_SECONDS = 2.0
"""After this long whoever answers is taken to hold what the leader had: a filtered tail may then pass by what did not match."""


@source("streams", permission="streams.view", observes=True)
async def streams(store: Store, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The list: a row whenever something in it has changed, and word when there are other streams than before."""
    before: dict[str, StreamRow] = {}
    observed = observed_by(store)
    while True:
        rows = {row.name: row for row in await survey(store)}
        changed = [row for name, row in rows.items() if before.get(name) != row]
        yield [
            Refresh(id="streams", revision=revision_of(tuple(rows.values()))),
            *(render("streams/_stream.html", id=f"stream-{row.name}", row=row, observed=observed) for row in changed),
        ]
        before = rows
        await asyncio.sleep(LIST_SECONDS)


@source("stream", permission="streams.view", observes=True)
async def stream(store: Store, name: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The figures in the head of one stream's pages."""
    while True:
        found = await get_stream(store.connection, name)
        RATES.note([found])
        yield [render("streams/_head.html", id="stream-head", head=head_of(found), observed=observed_by(store))]
        await asyncio.sleep(HEAD_SECONDS)


@source("consumers", permission="streams.view", observes=True)
async def consumers(store: Store, name: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The consumers of one stream, and word when there are others than before."""
    observed = observed_by(store)
    while True:
        page = await read_consumers(store, name)
        yield [
            Refresh(id="consumers", revision=page.revision),
            *(
                render("streams/_consumer.html", id=f"consumer-{row.name}", row=row, consumer=row.consumer, observed=observed)
                for row in page.rows
            ),
        ]
        await asyncio.sleep(CONSUMERS_SECONDS)


@source("tail", permission="streams.view", observes=True)
async def tail(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """New events of a stream that match a pattern, newest shown, others counted."""
    name, pattern = parse_tail(argument)
    stream = await get_stream(store.connection, name)
    follower = _Follower(store=informed(store), pattern=pattern, position=0)
    yield await follower.begin(stream)
    while True:
        await asyncio.sleep(TAIL_SECONDS)
        found = await get_stream(store.connection, name)
        if found.created != stream.created or found.last_sequence < follower.position:
            stream = found
            yield [Refresh(id="stream-tail", revision=str(found.created)), *await follower.begin(found)]
        elif found.last_sequence > follower.position:
            yield await follower.go_on(found)


@dataclass(slots=True, kw_only=True)
class _Follower:
    """How far a tail has come. `settling` is a last sequence of the leader and when it was seen."""

    store: Store
    pattern: str
    position: int
    settling: tuple[float, int] = (0.0, 0)

    async def begin(self, stream: StreamInfo) -> Sequence[Frame]:
        """The newest rows there are, so that what came since a page was made is among them."""
        page = await page_back(
            self.store.connection, stream, before_sequence=stream.last_sequence + 1, limit=ROWS_IN_FRAME, pattern=self.pattern
        )
        self.position = surely_seen(page)
        first = page.scanned_from
        return [await self._rows(page.messages, first=first, shown_from=first, count=0)] if page.messages else []

    async def go_on(self, stream: StreamInfo) -> Sequence[Frame]:
        """What came since; only the newest where it is more than a frame holds."""
        first = self.position + 1
        batch = await read_batch(self.store.connection, stream.name, from_sequence=first, limit=ROWS_IN_FRAME, pattern=self.pattern)
        messages, shown_from, count = batch.messages, first, len(batch.messages) + batch.pending
        if batch.pending:
            part = replace(stream, first_sequence=first)
            page = await page_back(
                self.store.connection, part, before_sequence=stream.last_sequence + 1, limit=ROWS_IN_FRAME, pattern=self.pattern
            )
            messages, shown_from = page.messages, page.scanned_from
        self.position = max(self.position, self._reach(stream, messages))
        if self.position < first:
            return []
        inside = [message for message in messages if message.sequence <= self.position]
        return [await self._rows(inside, first=first, shown_from=min(shown_from, self.position + 1), count=count)]

    def _reach(self, stream: StreamInfo, messages: Sequence[Message]) -> int:
        """How far the tail may say that it has looked."""
        seen = messages[-1].sequence if messages else self.position
        if self.pattern == EVERYTHING:
            return seen
        since, sequence = self.settling
        is_settled = time.monotonic() - since > SETTLED_SECONDS
        if is_settled:
            self.settling = time.monotonic(), stream.last_sequence
        return max(seen, sequence if is_settled else 0)

    async def _rows(self, messages: Sequence[Message], *, first: int, shown_from: int, count: int) -> Rows:
        marks = await mark_events(self.store, messages)
        observed = observed_by(self.store)
        query = "" if self.pattern == EVERYTHING else f"{urlencode({'subject': self.pattern})}&"
        rows = (to_row(self.store, message, marks.get(message.sequence)) for message in messages)
        return Rows(
            id="stream-tail",
            rows=tuple(Row(sequence=row.sequence, html=_event_row(row, query, observed)) for row in rows),
            first=first,
            last=self.position,
            shown_from=shown_from,
            count=count,
        )


def _event_row(row: EventRow, row_query: str, observed: str) -> str:
    return render_to_string("streams/_event_row.html", {"row": row, "row_query": row_query, "observed": observed})
