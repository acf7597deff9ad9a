"""This module is the reading of a verification of streams: in ranges where that can be, else in one go, each stream to its mark."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, cast

from ..chain import (
    LogLayer,
    Mark,
    RangeVerdict,
    Verdict,
    anchors_from_value,
    anchors_to_value,
    can_split,
    hold,
    known_mark,
    split_ranges,
    stitch,
    verify_stream,
    write_mark,
)
from ..chain import Progress as ChainProgress
from ..encoding import Value
from ..events import format_time, now, parse_time
from ..log.anchors import Anchors, read_anchors
from ..registry import Registry
from ..store import Store
from ..work.findings import IN_RECEIPT, RunFindings
from ..work.operation import Progress
from ..work.parts import in_parts
from .verify_beside import look_beside
from .verify_extents import Extent, chained_streams, on_stream
from .verify_receipt import Summary, finding_of, left_of, summary_of


async def find_anchors(store: Store, registry: Registry, stream: str | None) -> dict[str, Anchors]:
    """What is known of the logs of the streams to be read, before anybody looks where these end: so it is never ahead of that."""
    streams = [stream] if stream is not None else await chained_streams(store, registry)
    found = await asyncio.gather(*(read_anchors(on_stream(store, registry, name).connection, name, registry.trust) for name in streams))
    return dict(zip(streams, found, strict=True))


def sizes_of(part: Value) -> list[int]:
    """The sizes at which a part keeps its tree."""
    return cast("list[int]", part)[3:]


async def begin(
    store: Store, registry: Registry, extents: Sequence[Extent], anchors: Mapping[str, Anchors], *, size: int
) -> dict[str, Value]:
    """The checkpoint that every attempt keeps to: the same extents, the same of them split into ranges of `size`."""
    new = [extent for extent in extents if extent.has_new]
    split: list[Value] = []
    for extent in new:
        if extent.size > size and await can_split(on_stream(store, registry, extent.stream), extent.mark):
            split.append(extent.stream)
    return {
        "extents": [extent.to_value() for extent in new],
        "left": [left_of(extent.stream, extent.mark) for extent in extents if not extent.has_new],
        "split": split,
        "anchors": {extent.stream: anchors_to_value(anchors[extent.stream]) for extent in new},
        "marks": {extent.stream: extent.mark.sequence if extent.mark else 0 for extent in new},
        "created": {extent.stream: format_time(extent.created) if extent.created else None for extent in new},
        "doubts": [extent.doubt for extent in new if extent.doubt],
        "size": size,
        "started": format_time(now()),
        "finished": [],
        "found": None,
    }


@dataclass(slots=True, kw_only=True)
class Reading:
    """One attempt. `done` and `total` are what the progress says, in sequences."""

    store: Store
    registry: Registry
    progress: Progress
    at: dict[str, Any] = field(init=False)
    extents: list[Extent] = field(init=False)
    done: int = 0
    total: int = 0

    def __post_init__(self) -> None:
        self.at = dict(cast("dict[str, Any]", self.progress.checkpoint))
        self.extents = [Extent.from_value(value) for value in self.at["extents"]]
        self.total = sum(extent.size for extent in self.extents)

    async def read_all(self) -> tuple[list[Summary], RunFindings]:
        """What is to be said of each stream, and everything that was found, once each has its mark."""
        findings = RunFindings(self.store.connection, self.progress.run_id, self.at["found"])
        summaries: list[Summary] = list(self.at["finished"])
        self.done = sum(extent.size for extent in self.extents[: len(summaries)] if extent.stream not in self.at["split"])
        for doubt in self.at.get("doubts", ()):
            self.progress.log(f"{doubt}; all of it is read")
        in_ranges = await self._read_ranges(self.extents[len(summaries) :])
        for extent in self.extents[len(summaries) :]:
            verdict = in_ranges.get(extent.stream) or await self._read_in_one_go(extent)
            created = self.at.get("created", {}).get(extent.stream)
            made = parse_time(created) if created else None
            mark = await write_mark(
                self._on(extent),
                verdict,
                by=self.progress.requested_by,
                created=made,
                run=self.progress.run_id,
                known=await self._mark_of(extent.stream) is not None,
            )
            for finding in verdict.findings:
                await findings.add(finding_of(finding, extent.stream))
            for finding in verdict.findings[:IN_RECEIPT]:
                self.progress.log(finding.explanation)
            summaries.append(summary_of(verdict, mark))
            self.at = {**self.at, "finished": list(summaries), "found": findings.checkpoint}
            await self.progress.report(self.done, self.total, checkpoint=self.at, sequence=verdict.to_sequence, force=True)
        await findings.save()
        return summaries, findings

    async def _read_ranges(self, unread: Sequence[Extent]) -> dict[str, Verdict]:
        """The verdicts on streams that are read in ranges; without those where one holds a fault, so that each is named once."""
        split = [extent for extent in self.extents if extent.stream in self.at["split"]]
        self.done += sum(extent.size for extent in split)
        if not any(extent in split for extent in unread):
            return {}
        parts = [
            Extent(stream=extent.stream, first=first, last=last)
            for extent in split
            for first, last in split_ranges(extent.first, extent.last, size=self.at["size"])
        ]
        self.progress.log(f"{len(parts)} ranges, for as many workers as there are")
        given = [[*cast("list[Value]", part.to_value()), *self._sizes(part.stream)] for part in parts]
        values = await in_parts(self.store, self.progress, given, total=self.total)
        of_stream: dict[str, list[RangeVerdict]] = {}
        for part, value in zip(parts, values, strict=True):
            of_stream.setdefault(part.stream, []).append(RangeVerdict.from_value(value))
        return {stream: verdict for stream, ranges in of_stream.items() if (verdict := await self._stitch(stream, ranges)) is not None}

    def _sizes(self, stream: str) -> list[int]:
        """The sizes of the trees that somebody stands for."""
        anchors = self._anchors(stream)
        return sorted({self.at["marks"][stream], *(one.checkpoint.size for one in anchors.found)})

    def _anchors(self, stream: str) -> Anchors:
        return anchors_from_value(self.at["anchors"][stream])

    async def _stitch(self, stream: str, ranges: Sequence[RangeVerdict]) -> Verdict | None:
        faulty = sum(1 for part in ranges if part.is_faulty)
        if faulty:
            self.progress.log(f"{faulty} ranges of {stream} hold faults; it is read once more in one go, so that each is named once")
            return None
        chained = on_stream(self.store, self.registry, stream)
        mark = await self._mark_of(stream)
        layer = await LogLayer.begin(chained, anchors=self._anchors(stream), trust=self.registry.trust, mark=mark)
        standing, beside = await hold(layer, ranges), await look_beside(chained, ())
        if standing is None or beside.findings:
            self.progress.log(f"{stream} is not what was signed or listed; it is read once more in one go, so that each fault is named")
            return None
        started: datetime = parse_time(self.at["started"])
        return stitch(stream, ranges, started=started, seconds=self.progress.seconds, mark=mark, log=standing, said=beside)

    async def _read_in_one_go(self, extent: Extent) -> Verdict:
        """An interrupted reading of a stream begins again."""
        before, is_again = self.done, extent.stream in self.at["split"]
        self.total += extent.size if is_again else 0

        async def on_progress(at: ChainProgress) -> None:
            await self.progress.report(before + at.checked, max(self.total, before + at.checked), sequence=at.sequence)

        chained = self._on(extent)
        mark = await self._mark_of(extent.stream)
        self.done += extent.size
        return await verify_stream(
            chained,
            from_sequence=extent.first,
            to_sequence=extent.last,
            mark=mark,
            trust=self.registry.trust,
            anchors=self._anchors(extent.stream),
            beside=partial(look_beside, chained),
            on_progress=on_progress,
        )

    async def _mark_of(self, stream: str) -> Mark | None:
        return (await known_mark(on_stream(self.store, self.registry, stream), stream)).mark

    def _on(self, extent: Extent) -> Store:
        return on_stream(self.store, self.registry, extent.stream)
