"""This module is which of many aggregates are due for a snapshot: those named, those with enough new events, or those their policy says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..events import AggregateDefinition, AggregateRef
from ..snapshots import Standing, read_newest, why_due
from ..store import Store, head_of
from .aggregate_scope import Page, count_aggregates, walk_aggregates

PLAN_SECONDS = 1.5
"""So long a plan looks at aggregates one by one; beyond that it says of how many it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One aggregate that was looked at. `why` says why a snapshot is due, empty where none is."""

    definition: AggregateDefinition
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picks:
    """What is looked at: the aggregates of these types, or only those that are named; and what makes one due."""

    definitions: Sequence[AggregateDefinition]
    at_least: int
    by_policy: bool
    only: Sequence[tuple[AggregateRef, AggregateDefinition]] = ()

    async def count(self, store: Store) -> int:
        """How many there are to look at."""
        return len(self.only) or await count_aggregates(store, self.definitions)

    async def look(self, store: Store, *, after: str = "") -> AsyncIterator[Due]:
        """Every one of them by name, from behind the one that is named `after`."""
        if self.only:
            for ref, definition in sorted(self.only, key=lambda pair: str(pair[0])):
                if str(ref) > after:
                    version = (await head_of(store, ref)).version
                    yield Due(definition=definition, standing=Standing.of(definition, ref, version, None), why="named")
            return
        async for page in walk_aggregates(store, self.definitions, after=after):
            for due in await self._judge(store, page):
                yield due

    async def _judge(self, store: Store, page: Page) -> list[Due]:
        newest = await read_newest(store, [entry.aggregate for entry in page.entries])
        found = []
        for entry in page.entries:
            last, generation = newest.get(entry.aggregate), store.layout.generation
            standing = Standing.of(page.definition, entry.aggregate, entry.version, last, generation=generation)
            found.append(Due(definition=page.definition, standing=standing, why=await self._why(store, page.definition, standing)))
        return found

    async def _why(self, store: Store, definition: AggregateDefinition, standing: Standing) -> str:
        if self.by_policy:
            return await why_due(store, definition.snapshots, standing) if definition.snapshots else ""
        return f"{standing.events_since:,} events since the newest" if standing.events_since >= self.at_least else ""


@dataclass(slots=True, kw_only=True)
class Survey:
    """What a plan could see in its time; `is_whole` where that was everything. `events` are those that would be folded."""

    seen: int = 0
    events: int = 0
    is_whole: bool = True
    by_type: Counter[str] = field(default_factory=Counter)

    @property
    def due(self) -> int:
        return self.by_type.total()

    @property
    def due_in_words(self) -> str:
        return f"{self.due:,}" if self.is_whole else f"{self.due:,} of the first {self.seen:,}"

    @property
    def counts(self) -> Mapping[str, int]:
        return self.by_type if self.is_whole else {}

    @property
    def notes(self) -> tuple[str, ...]:
        if self.is_whole:
            return ()
        return (f"A plan has time to look at {self.seen:,} of them only; a dry run looks at all and says how many are due.",)


async def survey(store: Store, picks: Picks) -> Survey:
    """Look at as many as a plan has time for."""
    found, deadline = Survey(), time.monotonic() + PLAN_SECONDS
    async for due in picks.look(store):
        if time.monotonic() >= deadline:
            found.is_whole = False
            break
        found.seen += 1
        if due.why:
            found.by_type[".".join(due.definition.key)] += 1
            found.events += due.standing.version
    return found
