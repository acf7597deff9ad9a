"""This module is the forged histories: what each attack makes of an honest one, at a random place."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apps.persistence.events import AggregateRef, Event
from apps.persistence.store import Layout

from .history import History, Stored, edited, events_of, forged, relinked, stored_as


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An honest history to forge, how much of it an auditor has a checkpoint of, and the luck by which a place in it is chosen."""

    layout: Layout
    history: Sequence[Stored]
    events: Sequence[Event]
    kept_size: int
    chance: random.Random

    @classmethod
    def of(cls, layout: Layout, history: History, *, kept_size: int, chance: random.Random) -> Past:
        stored = [one for one in history if one is not None]
        assert len(stored) == len(history), "an honest history has no gaps here"
        return cls(layout=layout, history=stored, events=events_of(stored), kept_size=kept_size, chance=chance)

    def inner(self) -> int:
        """The index of some event that a later one of its aggregate links to."""
        last = {event.aggregate: index for index, event in enumerate(self.events)}
        return self.chance.choice([index for index, event in enumerate(self.events) if last[event.aggregate] != index])

    def aggregate(self) -> AggregateRef:
        return self.chance.choice(sorted({event.aggregate for event in self.events}, key=str))

    def places_of(self, aggregate: AggregateRef) -> list[int]:
        return [index for index, event in enumerate(self.events) if event.aggregate == aggregate]


Forge = Callable[[Past], History]


def edit_one_payload(past: Past) -> History:
    """Its id is the right one for what it holds now; only the link of the next event tells."""
    index = past.inner()
    history: History = list(past.history)
    history[index] = stored_as(past.layout, edited(past.events[index]))
    return history


def edit_under_the_old_id(past: Past) -> History:
    """The bytes are changed, and the id is left as it was."""
    index = past.inner()
    history: History = list(past.history)
    history[index] = past.history[index]._replace(block=edited(past.events[index]).to_block())
    return history


def delete_and_leave_the_gap(past: Past) -> History:
    history: History = list(past.history)
    history[past.inner()] = None
    return history


def reorder_two(past: Past) -> History:
    """Two neighbours of different aggregates change places; every chain holds."""
    pairs = [index for index in range(len(past.events) - 1) if past.events[index].aggregate != past.events[index + 1].aggregate]
    index = past.chance.choice(pairs)
    history: History = list(past.history)
    history[index], history[index + 1] = history[index + 1], history[index]
    return history


def edit_and_relink(past: Past) -> History:
    events, index = list(past.events), past.inner()
    events[index] = edited(events[index])
    return relinked(past.layout, events)


def edit_the_last(past: Past) -> History:
    """The newest event of an aggregate, which nothing links to."""
    events = list(past.events)
    index = past.places_of(past.aggregate())[-1]
    events[index] = edited(events[index])
    return relinked(past.layout, events)


def delete_and_relink(past: Past) -> History:
    """What came after moves up, so that no gap is left."""
    index = past.inner()
    return relinked(past.layout, [*past.events[:index], *past.events[index + 1 :]])


def insert_and_relink(past: Past) -> History:
    index = past.inner()
    return relinked(past.layout, [*past.events[: index + 1], forged(past.events[index].aggregate), *past.events[index + 1 :]])


def truncate_an_aggregate(past: Past) -> History:
    """The newest events of an aggregate go, and the stream is made anew without them."""
    places = past.places_of(past.aggregate())
    gone = set(places[past.chance.randrange(1, len(places)) :]) if len(places) > 1 else {places[0]}
    return relinked(past.layout, [event for index, event in enumerate(past.events) if index not in gone])


def truncate_the_stream(past: Past) -> History:
    return list(past.history[: past.chance.randrange(1, len(past.history))])


def omit_an_aggregate(past: Past) -> History:
    omitted = past.aggregate()
    return relinked(past.layout, [event for event in past.events if event.aggregate != omitted])


def insert_a_forged_aggregate(past: Past) -> History:
    """One that never was, with three events from somewhere in the past on."""
    events = list(past.events)
    ref = AggregateRef("sales", "order", f"forged{past.chance.randrange(10**6)}")
    for index in sorted(past.chance.sample(range(len(events)), 3), reverse=True):
        events.insert(index, forged(ref))
    return relinked(past.layout, events)


def fork_at_the_head(past: Past) -> History:
    """The newest few events never were; others take their places, and there are more of them."""
    start = len(past.events) - past.chance.randrange(1, 11)
    events = [*past.events[:start], *(forged(event.aggregate) for event in past.events[start:]), forged(past.aggregate())]
    return relinked(past.layout, events)


def split_the_view(past: Past) -> History:
    """The same as far as the auditor's own checkpoint goes, and somewhere after it another history of the same length."""
    start = past.chance.randrange(past.kept_size, len(past.events))
    return relinked(past.layout, [*past.events[:start], *(forged(event.aggregate) for event in past.events[start:])])


def rewrite_everything(past: Past) -> History:
    return relinked(past.layout, [edited(event) for event in past.events])
