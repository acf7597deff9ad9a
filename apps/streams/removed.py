"""This module is gaps with their reasons: what recorded runs removed, by name, and of the rest what the configuration tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apps.keeper import HOME
from apps.persistence.chain.removal_runs import is_confirmed
from apps.persistence.chain.removals import Removal, list_removals
from apps.persistence.store import Gap, Store, StreamInfo

from .event_rows import GapRow, why_missing


async def gap_rows(store: Store, stream: StreamInfo, gaps: Sequence[Gap], *, to_begin: bool = False) -> list[GapRow]:
    """A row for each gap, or several where runs explain parts of it; `to_begin`: also what runs removed before the stream begins.

    Raises Unavailable.
    """
    begins = max(1, stream.first_sequence) if stream.messages else stream.last_sequence + 1
    before = [Gap(first=1, last=begins - 1)] if to_begin and begins > 1 else []
    if not (gaps or before) or store.connection.settings.name != HOME:
        return [_unexplained(stream, gap.first, gap.last) for gap in gaps]
    removals = [one for one in await list_removals(store.connection, stream) if _touches(one, [*before, *gaps])]
    removals = [one for one in removals if await is_confirmed(store, one)]
    rows = [row for gap in gaps for row in explain(stream, gap, removals)]
    return [row for gap in before for row in explain(stream, gap, removals) if row.run] + rows


def explain(stream: StreamInfo, gap: Gap, removals: Iterable[Removal]) -> list[GapRow]:
    """A gap cut at the edges of what was removed on purpose."""
    rows: list[GapRow] = []
    first = gap.first
    for begin, end, removal in _parts(removals):
        low, high = max(begin, first), min(end, gap.last)
        if low > high:
            continue
        if low > first:
            rows.append(_unexplained(stream, first, low - 1))
        rows.append(_explained(removal, low, high))
        first = high + 1
    return [*rows, _unexplained(stream, first, gap.last)] if first <= gap.last else rows


def _parts(removals: Iterable[Removal]) -> list[tuple[int, int, Removal]]:
    found = [(part.first, part.last, removal) for removal in removals for part in removal.ranges]
    return sorted(found, key=lambda part: part[:2])


def _touches(removal: Removal, gaps: Iterable[Gap]) -> bool:
    return any(part.first <= gap.last and gap.first <= part.last for gap in gaps for part in removal.ranges)


def _explained(removal: Removal, first: int, last: int) -> GapRow:
    how = "removed" if removal.is_exact else "many of them removed"
    return GapRow(
        first=first,
        last=last,
        reason=f"{how} by {removal.by} on {removal.at:%Y-%m-%d} at {removal.at:%H:%M} UTC: {removal.reason}",
        is_expected=True,
        run=removal.run_id,
    )


def _unexplained(stream: StreamInfo, first: int, last: int) -> GapRow:
    reason, is_expected = why_missing(stream)
    return GapRow(first=first, last=last, reason=reason, is_expected=is_expected)
