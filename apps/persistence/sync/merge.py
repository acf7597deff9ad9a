"""This module is what comes of events that several nodes wrote to one aggregate while they were apart: one order, the same everywhere.

The result is a function of the set of events alone, so it does not matter who synchronised first. Two events conflict where both follow
the same one; the rule says which is kept, and each conflict is recorded with what every side wrote.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..encoding import Cid
from ..events import AggregateRef, Event
from .gathered import Gathered


class ConflictRule(StrEnum):
    """Which of the events that follow the same one count. Earlier and later are by the writers' times; of equal ones by CID."""

    KEEP_ALL = "keep_all"
    FIRST_WINS = "first_wins"
    LAST_WINS = "last_wins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One of the events that conflict, and the nodes that have it."""

    cid: Cid
    event: Event
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Events that follow the same one: `parent` is its CID, None where each begins the aggregate. `kept` are those that count."""

    aggregate: AggregateRef
    parent: Cid | None
    rule: ConflictRule
    contenders: tuple[Contender, ...]
    kept: tuple[Cid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The events that count, in their order; those that a rule left out; and where the histories parted."""

    events: tuple[Event, ...]
    left_out: tuple[Event, ...]
    conflicts: tuple[Conflict, ...]


def merge(aggregate: AggregateRef, said: Iterable[Gathered], rule: ConflictRule = ConflictRule.KEEP_ALL) -> Merged:
    """Bring what nodes said of one aggregate into one order. The same events give the same answer, in whatever order they come.

    An event whose predecessor is not among them, because it did not travel, begins a line of its own.
    """
    contenders = _distinct(said)
    following: dict[Cid | None, list[Contender]] = defaultdict(list)
    for one in contenders.values():
        following[one.event.previous].append(one)
    conflicts, lost = [], set[Cid]()
    for parent in sorted(following, key=lambda cid: cid.raw if cid else b""):
        if len(following[parent]) > 1:
            conflict = _judge(aggregate, parent, following[parent], rule)
            conflicts.append(conflict)
            lost |= {one.cid for one in conflict.contenders} - set(conflict.kept)
    lost = _with_descendants(lost, following)
    return Merged(
        events=tuple(one.event for one in _in_order(contenders, following) if one.cid not in lost),
        left_out=tuple(one.event for one in sorted(contenders.values(), key=_rank) if one.cid in lost),
        conflicts=tuple(conflicts),
    )


def _distinct(said: Iterable[Gathered]) -> dict[Cid, Contender]:
    """Each event once, with all who have it."""
    nodes: dict[Cid, set[str]] = defaultdict(set)
    events: dict[Cid, Event] = {}
    for one in said:
        nodes[one.stored.cid].add(one.node)
        events[one.stored.cid] = one.stored.event
    return {cid: Contender(cid=cid, event=event, nodes=tuple(sorted(nodes[cid]))) for cid, event in events.items()}


def _judge(aggregate: AggregateRef, parent: Cid | None, contenders: Sequence[Contender], rule: ConflictRule) -> Conflict:
    ranked = sorted(contenders, key=_rank)
    kept = {ConflictRule.KEEP_ALL: ranked, ConflictRule.FIRST_WINS: ranked[:1], ConflictRule.LAST_WINS: ranked[-1:]}[rule]
    return Conflict(aggregate=aggregate, parent=parent, rule=rule, contenders=tuple(ranked), kept=tuple(one.cid for one in kept))


def _with_descendants(lost: set[Cid], following: Mapping[Cid | None, Sequence[Contender]]) -> set[Cid]:
    """What builds on a lost event is lost with it."""
    found, waiting = set(lost), list(lost)
    while waiting:
        for one in following.get(waiting.pop(), ()):
            if one.cid not in found:
                found.add(one.cid)
                waiting.append(one.cid)
    return found


def _in_order(contenders: Mapping[Cid, Contender], following: Mapping[Cid | None, Sequence[Contender]]) -> Iterable[Contender]:
    """Each event behind the one that it follows; of those that could come next the earliest."""
    ready = [(_rank(one), one) for one in contenders.values() if one.event.previous is None or one.event.previous not in contenders]
    heapq.heapify(ready)
    while ready:
        _, one = heapq.heappop(ready)
        yield one
        for after in following.get(one.cid, ()):
            heapq.heappush(ready, (_rank(after), after))


def _rank(one: Contender) -> tuple[datetime, bytes]:
    return one.event.time, one.cid.raw
