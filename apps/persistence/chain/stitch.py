"""This module is one verdict from those on ranges that were verified by themselves, perhaps by several workers at once.

The first event of each aggregate in a range is held against the newest one before the range, so no link is left out at a border. Ranges
that are all intact are therefore as good as one reading. Where one is not, faults may reach over borders (a hole here, its empty
sequence there), and the whole is read once more in one go, so that each fault is named once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, cast

from ..encoding import Value
from ..errors import InvalidInput
from ..store import Store, get_stream
from . import scope
from .expiry import expired_of
from .logged import Folded, join
from .marks import Mark
from .removal_runs import confirmed_removals
from .standing import LogLayer, Read
from .verdict import NOTHING_BESIDE, Beside, LogStanding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeVerdict:
    """What matters of a verdict on one range. `begun` counts the aggregates whose first event lies in it, `met` all that it met."""

    first: int
    last: int
    checked: int
    met: int
    begun: int
    unnamed: int
    findings: int
    folded: Folded | None = None

    @property
    def is_faulty(self) -> bool:
        """Whether it can be no part of an intact whole, or only its log."""
        return bool(self.findings or (self.folded and self.folded.different))

    @classmethod
    def of(cls, verdict: Verdict) -> RangeVerdict:
        return cls(
            first=verdict.from_sequence,
            last=verdict.to_sequence,
            checked=verdict.checked,
            met=verdict.aggregates,
            begun=verdict.aggregates - verdict.known_before,
            unnamed=verdict.unnamed,
            findings=verdict.finding_count,
            folded=verdict.folded,
        )

    def to_value(self) -> dict[str, Value]:
        counts: dict[str, Value] = {name: getattr(self, name) for name in RangeVerdict.__slots__ if name != "folded"}
        return counts | {"folded": self.folded.to_value() if self.folded else None}

    @classmethod
    def from_value(cls, value: Value) -> RangeVerdict:
        kept = cast("dict[str, Any]", value)
        return cls(**(kept | {"folded": Folded.from_value(kept["folded"]) if kept["folded"] else None}))


def split_ranges(first: int, last: int, *, size: int) -> list[tuple[int, int]]:
    """The sequences `first` to `last` in ranges of `size`, the last one up to half as large again."""
    starts = list(range(first, last + 1, size))
    if len(starts) > 1 and last - starts[-1] + 1 < size // 2:
        starts.pop()
    return list(zip(starts, [start - 1 for start in starts[1:]] + [last], strict=True)) if starts else []


async def can_split(store: Store, mark: Mark | None) -> bool:
    """Whether ranges of this stream may be verified by themselves.

    Not where something was removed on purpose, as one removed sequence explains only one missing version, wherever that is missed; nor
    where the stream ends before its mark.
    """
    info = await get_stream(store.connection, store.layout.stream)
    is_cut = mark is not None and info.last_sequence < mark.sequence
    return not is_cut and await expired_of(store, info) is None and not await confirmed_removals(store, info)


async def hold(layer: LogLayer, ranges: Sequence[RangeVerdict]) -> LogStanding | None:
    """How the tree over all ranges stands to those who stand for it; None where that is not plainly well, or the ranges have no tree.

    Raises Unavailable, StreamNotFound.
    """
    in_order = sorted(ranges, key=lambda part: part.first)
    trees = [part.folded for part in in_order if part.folded is not None]
    if len(trees) < len(in_order):
        return None
    end = (await get_stream(layer.store.connection, layer.store.layout.stream)).last_sequence
    read = Read(folded=join(trees), first=in_order[0].first, last=in_order[-1].last, end=end, blamed=())
    standing = await layer.judge(read)
    return None if layer.findings else standing


def stitch(
    stream: str,
    ranges: Sequence[RangeVerdict],
    *,
    started: datetime,
    seconds: float,
    mark: Mark | None = None,
    log: LogStanding | None = None,
    said: Beside = NOTHING_BESIDE,
) -> Verdict:
    """The verdict on all of them, with that on the log. Raises InvalidInput unless they follow one another and each is intact."""
    in_order = sorted(ranges, key=lambda part: part.first)
    follow = all(after.first == before.last + 1 for before, after in pairwise(in_order))
    if not in_order or not follow or any(part.findings for part in in_order):
        raise InvalidInput("Only intact ranges that follow one another without a gap make one verdict.")
    first, last = in_order[0].first, in_order[-1].last
    checked, unnamed = sum(part.checked for part in in_order), sum(part.unnamed for part in in_order)
    before = scope.verified_before(mark, first)
    extent = scope.Extent(checked=checked, findings=0, unnamed=unnamed, removed=(), log=log, first=first, before=before)
    return Verdict(
        scope=f"{stream}, sequence {first:,} to {last:,}",
        stream=stream,
        is_whole_stream=True,
        is_stopped=False,
        reaches_end=True,
        from_sequence=first,
        to_sequence=last,
        checked=checked,
        aggregates=in_order[0].met + sum(part.begun for part in in_order[1:]),
        known_before=in_order[0].met - in_order[0].begun,
        unnamed=unnamed,
        findings=(),
        finding_count=0,
        by_cause={},
        first_bad=None,
        removed=(),
        started=started,
        seconds=seconds,
        proves=(*scope.proves(extent, whole=f"sequence {first:,} to {last:,}"), *said.proves),
        does_not_prove=(*scope.does_not_prove(extent, whole=True, from_sequence=first), *said.does_not_prove),
        intact_to=last,
        log=log,
    )
