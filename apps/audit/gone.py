"""This module is what a stream no longer holds: from where to where, and which of it recorded runs removed on purpose.

The places of at most MOST_LISTED single removals are asked for; of more, only those that a record names are known.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from apps.persistence.chain.removal_runs import is_confirmed
from apps.persistence.chain.removals import Removal, list_removals
from apps.persistence.store import Connection, Store, StreamInfo, deleted_sequences

from .strip import Gone

MOST_LISTED = 50_000
MOST_RECORDS = 100
KEPT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """`parts` in stream order; `elsewhere` counts what is not there in places that are not known."""

    parts: tuple[Gone, ...] = ()
    elsewhere: int = 0


_Shape = tuple[object, ...]
_known: WeakKeyDictionary[Connection, dict[str, tuple[_Shape, float, Absent]]] = WeakKeyDictionary()


async def read_absent(store: Store, info: StreamInfo | None) -> Absent:
    """What is not there, at most KEPT_SECONDS after it went or a record came."""
    if info is None or info.messages == info.last_sequence:
        return Absent()
    kept = _known.setdefault(store.connection, {})
    shape = (info.created, info.first_sequence, info.deleted, info.messages == 0)
    known = kept.get(info.name)
    if known is not None and known[0] == shape and time.monotonic() - known[1] < KEPT_SECONDS:
        return known[2]
    found = await _read(store, info)
    kept[info.name] = shape, time.monotonic(), found
    return found


async def _read(store: Store, info: StreamInfo) -> Absent:
    holes = _holes(info, await deleted_sequences(store.connection, info.name) if 0 < info.deleted <= MOST_LISTED else [])
    listed = await list_removals(store.connection, info)
    removals = [one for one in listed[-MOST_RECORDS:] if one.is_exact and await is_confirmed(store, one)]
    if info.deleted > MOST_LISTED:
        begins, ends = info.first_sequence, info.last_sequence
        holes += [(part.first, part.last) for one in removals for part in one.ranges if begins < part.first and part.last <= ends]
    parts = tuple(part for first, last in sorted(set(holes)) for part in _named(first, last, removals))
    placed = sum(part.last - part.first + 1 for part in parts if part.first > info.first_sequence)
    return Absent(parts=parts, elsewhere=max(0, info.deleted - placed))


def _holes(info: StreamInfo, deleted: Sequence[int]) -> list[tuple[int, int]]:
    """What lies before the first message, and the runs of what is deleted after it."""
    begins = info.first_sequence if info.messages else info.last_sequence + 1
    holes = [(1, begins - 1)] if begins > 1 else []
    for sequence in deleted:
        if holes and holes[-1][1] == sequence - 1 and holes[-1][0] >= begins:
            holes[-1] = holes[-1][0], sequence
        elif sequence >= begins:
            holes.append((sequence, sequence))
    return holes


def _named(first: int, last: int, removals: Iterable[Removal]) -> list[Gone]:
    """A hole, cut where records begin and end."""
    inside = [(max(first, part.first), min(last, part.last), one.run_id) for one in removals for part in one.ranges]
    found: list[Gone] = []
    for begin, end, run in sorted(part for part in inside if part[0] <= part[1]):
        if begin > first:
            found.append(Gone(first=first, last=begin - 1))
        if end >= first:
            found.append(Gone(first=max(begin, first), last=end, run=run))
            first = end + 1
    return [*found, Gone(first=first, last=last)] if first <= last else found
