"""This module is the player: it stores the steps of a story by the domain's own rules, several at a time, and can begin in the middle.

Each event's causation is the event before it in the story, across aggregates, and all have the story's correlation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from apps.persistence.errors import InvalidState, StreamClosed, VersionConflict
from apps.persistence.events import AggregateRef, Head, NewEvent, State, StoredEvent, fold, new_id
from apps.persistence.store import Store, append, head_of, history, load

from ..evolution import as_first_written
from .steps import ACTOR, Step, definition_of, to_event
from .stories import Story

MAX_TOGETHER = 1000
EVENTS_PER_SECOND = 1000.0
CLOSED_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Known:
    head: Head
    state: State


@dataclass(slots=True)
class _Thread:
    """Where a story stands: what its next event is caused by."""

    correlation: str
    causation: str | None = None


class Player:
    """Plays stories on one store. `events` counts what it stored; it pauses so that it stays below `events_per_second`."""

    def __init__(self, store: Store, *, events_per_second: float = EVENTS_PER_SECOND) -> None:
        self.events = 0
        self._store = store
        self._events_per_second = events_per_second
        self._known: dict[AggregateRef, _Known] = {}

    async def play(self, story: Story) -> None:
        """Store what is still missing of `story`; one that is stored already costs one look. Raises as `append`."""
        thread, steps = await self._find_place(story)
        for ref, group in groupby(steps, key=lambda step: step.ref):
            same = list(group)
            for start in range(0, len(same), MAX_TOGETHER):
                await self._store_steps(ref, same[start : start + MAX_TOGETHER], thread)
        self._known.pop(story.order, None)

    async def do(self, steps: Sequence[Step]) -> None:
        """Store steps of one aggregate that has none yet, as a story of their own; nothing where it exists."""
        known = await self._know(steps[0].ref)
        if known.head.version == 0:
            await self._store_steps(steps[0].ref, steps, _Thread(correlation=new_id()))

    async def _find_place(self, story: Story) -> tuple[_Thread, Sequence[Step]]:
        """The steps after those whose events are stored. Each step of the order causes one event, so its version counts them."""
        head = await head_of(self._store, story.order)
        own = [index for index, step in enumerate(story.steps) if step.ref == story.order]
        if head.version >= len(own):
            return _Thread(correlation=new_id()), ()
        if head.version == 0:
            self._known[story.order] = _Known(head, {})
            return _Thread(correlation=new_id()), story.steps
        last = (await history(self._store, story.order, from_version=head.version)).events[-1].event
        return _Thread(correlation=last.correlation, causation=last.id), story.steps[own[head.version - 1] + 1 :]

    async def _store_steps(self, ref: AggregateRef, steps: Sequence[Step], thread: _Thread) -> None:
        while True:
            known = await self._know(ref)
            try:
                stored = await self._append(known, steps, thread)
                break
            except VersionConflict:
                del self._known[ref]
            except StreamClosed:
                del self._known[ref]
                await asyncio.sleep(CLOSED_PAUSE_SECONDS)
            except InvalidState:
                if ref.type != "product":
                    raise
                return  # a story taken up again finds its products reserved or shipped already
        self.events += len(stored)
        await asyncio.sleep(len(stored) / self._events_per_second)

    async def _append(self, known: _Known, steps: Sequence[Step], thread: _Thread) -> list[StoredEvent]:
        """Decide all steps, one upon the other, and store what they cause at once."""
        ref, state, causation = known.head.aggregate, known.state, thread.causation
        definition, chosen = definition_of(ref), list[NewEvent]()
        for step in steps:
            for new in step.decide(state):
                identified = replace(as_first_written(new), id=new_id(), actor=ACTOR, correlation=thread.correlation, causation=causation)
                chosen.append(identified)
                event = to_event(identified, ref, version=known.head.version + len(chosen), previous=known.head.cid)
                state, causation = definition.apply(state, event), event.id
        stored = await append(self._store, known.head, chosen)
        thread.causation = causation
        self._known[ref] = _Known(stored[-1].head, state)
        return stored

    async def _know(self, ref: AggregateRef) -> _Known:
        if ref not in self._known:
            found = await load(self._store, ref)
            state = fold(definition_of(ref), (stored.event for stored in found.events))
            self._known[ref] = _Known(found.head, state)
        return self._known[ref]
