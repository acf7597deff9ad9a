"""This module is the operator trail: who did what, why, and what came of it, read from the events of CIM-CONSOLE, newest first.

A deed is an intent with its result: a run that was asked for and how it ended, a request that was refused, a word to a run (pause, cancel,
limit), or a record that is complete in itself, such as a change of somebody's access. An intent that has no result yet is *unfinished*.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.persistence.errors import EncodingError, InvalidEvent, InvalidInput, NotFound
from apps.persistence.events import Event, StoredEvent, now
from apps.persistence.operations import OPERATIONS
from apps.persistence.store import CONSOLE, Message, Store, StreamInfo, at_time, decode_event, get_stream, page_back
from apps.persistence.store.positions import parse_position
from apps.persistence.work.refusals import REQUEST_TYPE
from apps.persistence.work.run import RUN_TYPE, Run, load_run
from apps.registry import registry

SHOWN = 15
PAGE = 50
AT_ONCE = 200
MOST_SCANNED = 2_000
"""So many events are looked at for one page; a filter that matches few goes on from there."""
RESULTS = ("unfinished", "finished", "failed", "cancelled", "refused", "recorded")
_WORDS_TO_RUNS = frozenset({"paused", "resumed", "limited", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One deed. `operation` is the name of an operation, or of the kind of record; `run` is what it became, where it became one."""

    stored: StoredEvent
    operation: str
    summary: str
    result: str
    run: Run | None = None

    @property
    def title(self) -> str:
        """What was done, for people."""
        named = OPERATIONS.get(self.operation)
        kind = named.title if named else self.operation.replace("_", " ").capitalize()
        event = self.stored.event
        if event.type == "requested":
            return kind
        return f"{kind}: refused" if event.type == "refused" else f"{kind}: {event.type.replace('_', ' ')}"

    @property
    def outcome(self) -> str:
        """What came of it, in words; empty where nothing did yet."""
        if self.run is None or self.stored.event.type != "requested":
            return ""
        return self.run.outcome

    @property
    def stands(self) -> str:
        """How an unfinished one stands."""
        return self.run.state.value if self.run is not None and self.result == "unfinished" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailQuery:
    """Which deeds are wanted; empty fields do not filter. Only deeds before the sequence `before` are looked at, 0 for all."""

    person: str = ""
    operation: str = ""
    result: str = ""
    since: str = ""
    until: str = ""
    before: int = 0

    @property
    def is_filtered(self) -> bool:
        return any((self.person, self.operation, self.result, self.since, self.until))

    def admits(self, deed: Deed) -> bool:
        return (
            self.person in ("", deed.stored.event.actor)
            and self.operation in ("", deed.operation)
            and self.result in ("", deed.result)
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailPage:
    """Newest first. `older` is the sequence to go on before, None at the beginning; `scanned` events were looked at, some not readable."""

    query: TrailQuery
    deeds: tuple[Deed, ...]
    older: int | None
    scanned: int
    unreadable: int
    last: int
    operations: tuple[tuple[str, str], ...]
    results: tuple[str, ...] = RESULTS


def read_query(given: Mapping[str, str]) -> TrailQuery:
    """The filter in an address. Raises InvalidInput."""
    texts = {name: given.get(name, "").strip()[:200] for name in ("person", "operation", "result", "since", "until")}
    before = given.get("before", "").strip()
    if texts["result"] and texts["result"] not in RESULTS:
        raise InvalidInput(f"No deed has the result {texts['result'][:60]!r}; there are {', '.join(RESULTS)}.")
    if before and not (before.isascii() and before.isdigit() and len(before) < 20):
        raise InvalidInput(f"{before[:40]!r} is no sequence to begin before; take the page's own links.")
    return TrailQuery(**texts, before=int(before or 0))


async def read_newest(store: Store) -> list[Deed]:
    """The newest events of CIM-CONSOLE as they lie there; none where there is no such stream yet."""
    info = await _info(store)
    if info is None:
        return []
    page = await page_back(store.connection, info, before_sequence=info.last_sequence + 1, limit=SHOWN)
    return [Deed(stored=stored, operation="", summary=summary_of(stored), result="") for stored in _decoded(store, page.messages)]


async def read_trail(store: Store, query: TrailQuery) -> TrailPage:
    """A page of deeds. Raises InvalidInput for a time that is none."""
    info = await _info(store)
    operations = tuple(sorted(((name, operation.title) for name, operation in OPERATIONS.items()), key=lambda pair: pair[1]))
    if info is None:
        return TrailPage(query=query, deeds=(), older=None, scanned=0, unreadable=0, last=0, operations=operations)
    floor, above = await _bounds(store, info, query)
    found: list[Deed] = []
    scanned = unreadable = 0
    while above > floor and len(found) < PAGE and scanned < MOST_SCANNED:
        page = await page_back(store.connection, info, before_sequence=above, limit=AT_ONCE)
        messages = [message for message in page.messages if message.sequence >= floor]
        stored = _decoded(store, messages)
        scanned, unreadable = scanned + len(messages), unreadable + len(messages) - len(stored)
        fitting = [deed for deed in await _deeds(store, stored) if query.admits(deed)]
        above = fitting[PAGE - len(found) - 1].stored.sequence if len(found) + len(fitting) > PAGE else max(page.scanned_from, floor)
        found += fitting[: PAGE - len(found)]
    return TrailPage(
        query=query,
        deeds=tuple(found),
        older=above if above > floor else None,
        scanned=scanned,
        unreadable=unreadable,
        last=info.last_sequence,
        operations=operations,
    )


async def _bounds(store: Store, info: StreamInfo, query: TrailQuery) -> tuple[int, int]:
    """The first sequence that is looked at, and the one before which the page begins."""
    floor, above = max(1, info.first_sequence), query.before or info.last_sequence + 1
    if query.since:
        first = await at_time(store.connection, CONSOLE.stream, _moment(query.since))
        floor = first.sequence if first else info.last_sequence + 1
    if query.until:
        first = await at_time(store.connection, CONSOLE.stream, _moment(query.until))
        above = min(above, first.sequence) if first else above
    return floor, min(above, info.last_sequence + 1)


def _moment(text: str) -> datetime:
    found = parse_position(text, now())
    if not isinstance(found, datetime):
        raise InvalidInput(f"{text[:60]!r} is no time; write a time such as 2026-11-21T10:40 (UTC), or an age such as 2 hours ago.")
    return found


async def _info(store: Store) -> StreamInfo | None:
    try:
        return await get_stream(store.connection, CONSOLE.stream)
    except NotFound:
        return None


def _decoded(store: Store, messages: Sequence[Message]) -> list[StoredEvent]:
    """Newest first, without those that cannot be read."""
    found = []
    for message in reversed(messages):
        try:
            found.append(decode_event(store.on(CONSOLE), message))
        except (EncodingError, InvalidEvent):
            continue
    return found


async def _deeds(store: Store, events: Sequence[StoredEvent]) -> list[Deed]:
    """The deeds among these events, each run as it is now."""
    intents = [stored for stored in events if _is_intent(stored.event)]
    ids = list(dict.fromkeys(one.event.aggregate.id for one in intents if one.event.aggregate.type == RUN_TYPE))
    runs = dict(zip(ids, await asyncio.gather(*(_run(store, run_id) for run_id in ids)), strict=True))
    return [_deed(stored, runs.get(stored.event.aggregate.id)) for stored in intents]


async def _run(store: Store, run_id: str) -> Run | None:
    """None where its events cannot be read, which is the audit's matter."""
    try:
        return await load_run(store, run_id)
    except (EncodingError, InvalidEvent):
        return None


def _is_intent(event: Event) -> bool:
    return event.aggregate.type != RUN_TYPE or event.type == "requested" or event.type in _WORDS_TO_RUNS


def _deed(stored: StoredEvent, run: Run | None) -> Deed:
    event = stored.event
    if event.aggregate.type == REQUEST_TYPE:
        return Deed(stored=stored, operation=str(event.payload.get("operation", "")), summary=summary_of(stored), result="refused")
    if event.aggregate.type != RUN_TYPE:
        return Deed(stored=stored, operation=event.aggregate.type, summary=summary_of(stored), result="recorded")
    result = "recorded" if event.type != "requested" else run.state.value if run and run.state.is_ended else "unfinished"
    return Deed(
        stored=stored,
        operation=run.operation if run else str(event.payload.get("operation", "")),
        summary=summary_of(stored),
        result=result,
        run=run,
    )


def summary_of(stored: StoredEvent) -> str:
    """What the event's definition says of it in a few words."""
    definition = registry().definition_of(stored.event.aggregate)
    return definition.summarise(stored.event) if definition and definition.summarise else ""
