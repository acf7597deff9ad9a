"""This module is reading one page of a stream's events, both ways, by sequence: any kind of stream, and never through a consumer."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime

from apps.persistence.errors import FeatureUnavailable
from apps.persistence.store import (
    Store,
    StreamInfo,
    StreamPage,
    at_time,
    gaps_between,
    get_next,
    get_stream,
    last_of_each,
    page_back,
    page_forward,
)

from .event_query import EventQuery
from .event_rows import EventRow, GapRow, is_plain, rows_of, why_missing
from .marks import mark_events
from .rates import RATES
from .removed import gap_rows

PAGE_SIZE = 50
NEAR = 40_000
"""So many sequences are searched for a filter's newest matches before the server is asked for all there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a filtered page was found in: from the higher sequence to the lower. `rest` is what was not looked at yet, higher end first."""

    high: int
    low: int
    hits: int
    bytes: int
    seconds: float
    rest: tuple[int, int] | None

    @property
    def count(self) -> int:
        """How many sequences were looked at."""
        return self.high - self.low + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """One page. `older` and `newer` are the cursors of the neighbours, None at an end; `live_last` is set where new events go on top."""

    stream: StreamInfo
    query: EventQuery
    rows: tuple[EventRow | GapRow, ...]
    hits: int
    older: int | None
    newer: int | None
    account: Account | None
    live_last: int | None
    current: int | None
    is_plain: bool

    @property
    def size(self) -> int:
        """How many events a page holds."""
        return PAGE_SIZE

    @property
    def is_at_beyond(self) -> bool:
        """Whether the person asked for a place where nothing is stored yet."""
        return isinstance(self.query.at, int) and self.query.at > self.stream.last_sequence

    @property
    def why_missing(self) -> str:
        """Why sequences may be missing in this stream."""
        return why_missing(self.stream)[0]


async def resolve(store: Store, name: str, query: EventQuery) -> EventQuery:
    """The query with the sequences that its times stand for, so that the address keeps meaning the same. Raises StreamNotFound."""
    stream = await get_stream(store.connection, name)
    places: dict[str, int | None] = {}
    for field, place in (("from", query.start), ("to", query.end), ("at", query.at)):
        if isinstance(place, datetime):
            found = await first_at(store, stream, place)
            place = found - 1 if field == "to" else found
        places[field] = max(place, 1) if place is not None else None
    return query.with_places(places)


async def read_events(store: Store, name: str, query: EventQuery) -> EventsPage:
    """The page that `query`, without times, asks for. Raises StreamNotFound, InvalidInput or Unavailable."""
    began = time.perf_counter()
    stream = await get_stream(store.connection, name)
    RATES.note([stream])
    if query.problems:
        return _nothing(store, stream, query)
    part = _range_of(stream, query)
    page = await _page(store, part, query)
    marks = await mark_events(store, page.messages)
    gaps = [] if query.is_filtered else gaps_between(page.messages, scanned_from=page.scanned_from, scanned_to=page.scanned_to)
    bottom = max(part.first_sequence, 1)
    is_oldest = page.scanned_from <= bottom and not query.is_filtered and query.start is None
    return EventsPage(
        stream=stream,
        query=query,
        rows=rows_of(store, page.messages, await gap_rows(store, stream, gaps, to_begin=is_oldest), marks),
        hits=len(page.messages),
        older=page.scanned_from if page.scanned_from > bottom else None,
        newer=page.scanned_to if page.scanned_to < part.last_sequence else None,
        account=_account(page, bottom, time.perf_counter() - began) if query.is_filtered else None,
        live_last=_live_last(stream, page, query),
        current=query.show or (query.at if isinstance(query.at, int) else None),
        is_plain=is_plain(store, stream),
    )


def _nothing(store: Store, stream: StreamInfo, query: EventQuery) -> EventsPage:
    """The page without events, where the question was not understood."""
    return EventsPage(
        stream=stream,
        query=query,
        rows=(),
        hits=0,
        older=None,
        newer=None,
        account=None,
        live_last=None,
        current=None,
        is_plain=is_plain(store, stream),
    )


async def first_at(store: Store, stream: StreamInfo, moment: datetime) -> int:
    """The first sequence stored at or after `moment`; one beyond the last where there is none."""
    try:
        found = await at_time(store.connection, stream.name, moment)
    except FeatureUnavailable:
        return await _halve_to(store, stream, moment)
    return found.sequence if found else stream.last_sequence + 1


async def _halve_to(store: Store, stream: StreamInfo, moment: datetime) -> int:
    """The same without Direct Get: sequences ascend with time, so halving finds it in some thirty reads."""
    low, high = max(stream.first_sequence, 1), stream.last_sequence + 1
    while low < high:
        middle = (low + high) // 2
        message = await get_next(store.connection, stream.name, from_sequence=middle)
        if message is None or message.time >= moment:
            high = middle
        else:
            low = message.sequence + 1
    message = await get_next(store.connection, stream.name, from_sequence=low)
    return message.sequence if message else stream.last_sequence + 1


def _range_of(stream: StreamInfo, query: EventQuery) -> StreamInfo:
    """The stream as if it held nothing outside the range that was asked for."""
    assert not query.has_times, "resolve the query first"
    first, last = max(stream.first_sequence, 1), stream.last_sequence
    if isinstance(query.start, int):
        first = max(first, query.start)
    if isinstance(query.end, int):
        last = min(last, query.end)
    return replace(stream, first_sequence=first, last_sequence=last)


async def _page(store: Store, part: StreamInfo, query: EventQuery) -> StreamPage:
    if query.after is not None:
        page = await page_forward(store.connection, part, from_sequence=query.after + 1, limit=PAGE_SIZE, pattern=query.pattern)
        inside = tuple(message for message in page.messages if message.sequence <= part.last_sequence)
        if len(inside) == PAGE_SIZE or query.after < part.first_sequence:
            return replace(page, messages=inside, scanned_to=min(page.scanned_to, part.last_sequence))
    before = part.last_sequence + 1
    if query.after is None:
        at = query.at + 1 if isinstance(query.at, int) else before
        before = min(before, query.before or before, at)
    own = store.on_stream(part.name)
    if not query.is_filtered or own is None or not own.layout.is_chained:
        return await page_back(store.connection, part, before_sequence=before, limit=PAGE_SIZE, pattern=query.pattern)
    return await _page_of_matches(store, part, before, query.pattern, names_one=own.layout.names_one(query.pattern))


async def _page_of_matches(store: Store, part: StreamInfo, before: int, pattern: str, *, names_one: bool) -> StreamPage:
    """The page of a filter where every event has a subject of its own: what is frequent lies near, and of what is rare there is little."""
    near = None
    if not names_one:
        near = await page_back(store.connection, part, before_sequence=before, limit=PAGE_SIZE, pattern=pattern, max_scanned=NEAR)
        if near.is_complete:
            return near
    found = await _few_matches(store, part, before, pattern)
    if found is not None:
        return found
    if near is None:
        return await page_back(store.connection, part, before_sequence=before, limit=PAGE_SIZE, pattern=pattern)
    missing = PAGE_SIZE - len(near.messages)
    far = await page_back(store.connection, part, before_sequence=near.scanned_from, limit=missing, pattern=pattern)
    return replace(far, messages=far.messages + near.messages, scanned_to=near.scanned_to)


async def _few_matches(store: Store, part: StreamInfo, before: int, pattern: str) -> StreamPage | None:
    """The page in one look-up where few match; None where there are too many for that."""
    try:
        found = await last_of_each(store.connection, part.name, [pattern], up_to_sequence=before - 1)
    except FeatureUnavailable:
        return None
    inside = [message for message in found if message.sequence >= part.first_sequence]
    shown = tuple(inside[-PAGE_SIZE:])
    lowest = shown[0].sequence if len(inside) > PAGE_SIZE else max(part.first_sequence, 1)
    return StreamPage(messages=shown, scanned_from=min(lowest, before), scanned_to=before - 1)


def _account(page: StreamPage, bottom: int, seconds: float) -> Account:
    rest = (page.scanned_from - 1, bottom) if page.scanned_from > bottom else None
    return Account(
        high=page.scanned_to,
        low=page.scanned_from,
        hits=len(page.messages),
        bytes=sum(len(message.data) for message in page.messages),
        seconds=seconds,
        rest=rest,
    )


def _live_last(stream: StreamInfo, page: StreamPage, query: EventQuery) -> int | None:
    """How far the page has surely come; None where new events do not belong on top of it."""
    is_newest = page.scanned_to >= stream.last_sequence and query.end is None and query.at is None
    return surely_seen(page) if is_newest else None


def surely_seen(page: StreamPage) -> int:
    """The highest sequence that nothing was missed up to: a replica or a mirror that answered may be behind, so only what came counts."""
    return page.messages[-1].sequence if page.messages else page.scanned_from - 1
