"""This module is a story: the events of one correlation as a tree, each under the event that caused it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..events import StoredEvent
from .protocol import EventStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Caused:
    """An event and what it caused, in stream order."""

    stored: StoredEvent
    caused: tuple[Caused, ...] = ()

    def walk(self) -> Iterator[tuple[int, StoredEvent]]:
        """This event and all that came of it, each with how far down it lies."""
        waiting = [(0, self)]
        while waiting:
            depth, one = waiting.pop()
            yield depth, one.stored
            waiting += [(depth + 1, effect) for effect in reversed(one.caused)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a story begins with: events that nothing caused (`causation` None), or that a command or an event elsewhere caused."""

    causation: str | None
    caused: tuple[Caused, ...]


async def story_of(events: EventStore, correlation: str, *, limit: int = 1000) -> tuple[Beginning, ...]:
    """The first events of a story as a tree, its beginnings in stream order. Raises as `get_events_by_correlation`."""
    return causation_tree(await events.get_events_by_correlation(correlation, limit=limit))


def causation_tree(found: Sequence[StoredEvent]) -> tuple[Beginning, ...]:
    """Events, in stream order, each under the one that caused it. What names itself or a later one as its cause begins anew."""
    children: dict[str, list[StoredEvent]] = {}
    beginnings: dict[str | None, list[StoredEvent]] = {}
    seen: set[str] = set()
    for stored in found:
        cause = stored.event.causation
        if cause is not None and cause in seen:
            children.setdefault(cause, []).append(stored)
        else:
            beginnings.setdefault(cause, []).append(stored)
        seen.add(stored.event.id)
    trees = _trees(found, children)
    return tuple(Beginning(causation=cause, caused=tuple(trees[one.cid.raw] for one in ones)) for cause, ones in beginnings.items())


def _trees(found: Sequence[StoredEvent], children: dict[str, list[StoredEvent]]) -> dict[bytes, Caused]:
    """The tree of each event by its CID, made from the last one on, as an effect comes after its cause. Each effect has one cause."""
    trees: dict[bytes, Caused] = {}
    for stored in reversed(found):
        effects = children.pop(stored.event.id, [])
        trees[stored.cid.raw] = Caused(stored=stored, caused=tuple(trees[effect.cid.raw] for effect in effects))
    return trees
