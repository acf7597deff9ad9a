"""This module is the verification of a stream: every chain in it, from the last mark or from the beginning, ending in a new mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, cast

from ..chain import Finding, Mark, RangeVerdict, Verdict, can_split, read_mark, split_ranges, stitch, verify_stream, write_mark
from ..chain import Progress as ChainProgress
from ..encoding import Value
from ..errors import InvalidInput
from ..events import format_time, now, parse_time
from ..registry import Registry
from ..store import Store, chained_generations, find_layout, get_stream
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.parts import in_parts
from ..work.rates import measured_rate

FINDINGS_KEPT = 100
PART_EVENTS = 100_000
"""A stream of more events than this is verified in ranges of so many."""


async def _chained_streams(store: Store, registry: Registry) -> Sequence[str]:
    """The streams that hold chains, in every generation."""
    return list(dict.fromkeys(layout.stream for layout in chained_generations(store.connection, registry.layouts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Verifies every event of a stream: its bytes, its CID, its place and its link to the event before."""

    title: ClassVar[str] = "Verify a stream"
    permission: ClassVar[str] = "operations.verify"

    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream whose chains are verified.", "choices": _chained_streams})
    full: bool = field(default=False, metadata={"help": "Read everything again, not only what came after the last mark."})

    @property
    def target(self) -> str:
        """One verification at a time for each stream."""
        return f"stream/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """How much would be read. Raises InvalidInput for a stream without chains, StreamNotFound."""
        chained = _chained(store, registry, self.stream)
        info = await get_stream(chained.connection, self.stream)
        mark = await read_mark(chained, self.stream)
        first = 1 if self.full or mark is None else mark.sequence + 1
        events = max(0, info.last_sequence - first + 1)
        rate, source = await measured_rate(store.connection, "verify", self.target)
        return Plan(
            summary=f"Verify {self.stream} from sequence {first:,}",
            saw={"created": str(info.created)},
            changes=(
                Change(
                    what="Verified to",
                    now="nothing yet" if mark is None else f"{mark.sequence:,}, by {mark.by}",
                    after=f"{info.last_sequence:,} or later, if all is intact",
                ),
                Change(what="Events to read", now="0", after=f"{events:,}"),
            ),
            counts=((self.stream, events),),
            notes=("Reads only; what is found is written down as the stream's mark and in the run's receipt.",),
            undo="Nothing is changed, so there is nothing to undo.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read, check, and enter the mark. A long stream is read in ranges, by as many workers as there are, and stitched."""
        chained = _chained(store, registry, self.stream)
        mark = await read_mark(chained, self.stream)
        if progress.checkpoint is None:
            first = 1 if self.full or mark is None else mark.sequence + 1
            last = (await get_stream(chained.connection, self.stream)).last_sequence
            await progress.report(0, max(0, last - first + 1), checkpoint=_began(first, last, PART_EVENTS), force=True)
        first, last, size, started = _extent(progress)
        verdict = None
        if last - first + 1 > size and await can_split(chained, mark):
            verdict = await self._in_ranges(chained, progress, split_ranges(first, last, size=size), started)
        if verdict is None:
            verdict = await self._in_one_go(chained, progress, mark)
        await write_mark(chained, verdict, by=progress.requested_by)
        for finding in verdict.findings[:FINDINGS_KEPT]:
            progress.log(finding.explanation)
        await progress.report(verdict.checked, verdict.checked, sequence=verdict.to_sequence, force=True)
        return Outcome(sentence=_sentence(verdict), figures=_figures(verdict))

    async def run_part(self, store: Store, registry: Registry, part: Value, progress: Progress) -> Value:
        """Verify one range."""
        first, last = cast("list[int]", part)

        async def on_progress(at: ChainProgress) -> None:
            await progress.report(at.checked, last - first + 1, sequence=at.sequence)

        chained = _chained(store, registry, self.stream)
        verdict = await verify_stream(chained, from_sequence=first, to_sequence=last, on_progress=on_progress)
        return RangeVerdict.of(verdict).to_value()

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return "Ranges that were verified are kept." if why == "pause" else "The mark stays where it was."

    async def _in_ranges(self, chained: Store, progress: Progress, ranges: list[tuple[int, int]], started: datetime) -> Verdict | None:
        """The verdict of all ranges, or None where one holds a fault: then all is read in one go, so that each is named once."""
        progress.log(f"{len(ranges)} ranges, for as many workers as there are")
        values = await in_parts(chained, progress, [list(part) for part in ranges], total=ranges[-1][1] - ranges[0][0] + 1)
        verdicts = [RangeVerdict.from_value(value) for value in values]
        faulty = sum(1 for part in verdicts if part.findings)
        if faulty:
            progress.log(f"{faulty} ranges hold faults; the stream is read once more in one go, so that each is named once")
            return None
        return stitch(self.stream, verdicts, started=started, seconds=progress.seconds)

    async def _in_one_go(self, chained: Store, progress: Progress, mark: Mark | None) -> Verdict:
        """An interrupted reading begins again."""
        first, last, _, _ = _extent(progress)

        async def on_progress(at: ChainProgress) -> None:
            await progress.report(at.checked, at.to_sequence - at.from_sequence + 1, sequence=at.sequence)

        return await verify_stream(chained, from_sequence=first, to_sequence=last, mark=mark, on_progress=on_progress)


def _began(first: int, last: int, size: int) -> dict[str, Value]:
    """What an attempt after an interruption keeps to: the same extent in the same ranges."""
    return {"from": first, "to": last, "size": size, "started": format_time(now())}


def _extent(progress: Progress) -> tuple[int, int, int, datetime]:
    kept = cast("dict[str, Any]", progress.checkpoint)
    return kept["from"], kept["to"], kept["size"], parse_time(kept["started"])


def _chained(store: Store, registry: Registry, stream: str) -> Store:
    found = find_layout((layout for layout in registry.layouts if layout.is_chained), stream)
    if found is None:
        known = ", ".join(layout.stream for layout in chained_generations(store.connection, registry.layouts))
        raise InvalidInput(f"{stream} holds no chains that this console knows of; those with chains are {known}.")
    return store.on(found)


def _sentence(verdict: Verdict) -> str:
    span = f"{verdict.checked:,} events, sequence {verdict.from_sequence:,} to {verdict.to_sequence:,}"
    if verdict.intact:
        return f"Intact: {span}{_removed(verdict)}."
    first = verdict.first_bad
    where = f", the first at sequence {first.sequence:,}" if first and first.sequence else ""
    return f"{verdict.finding_count:,} findings in {span}{where}{_removed(verdict)}."


def _removed(verdict: Verdict) -> str:
    """What is not there because somebody removed it on purpose."""
    if not verdict.removed:
        return ""
    count, runs = sum(part.count for part in verdict.removed), len(verdict.removed)
    return f"; {count:,} more {'was' if count == 1 else 'were'} removed by {runs:,} recorded run{'' if runs == 1 else 's'}"


def _figures(verdict: Verdict) -> dict[str, Value]:
    """What the receipt keeps: enough for a page to show every finding without reading the stream again."""
    return {
        "events": verdict.checked,
        "seconds": float(verdict.seconds),
        "stream": verdict.stream,
        "from": verdict.from_sequence,
        "to": verdict.to_sequence,
        "intact": verdict.intact,
        "finding_count": verdict.finding_count,
        "by_cause": {cause.value: count for cause, count in verdict.by_cause.items()},
        "findings": [_finding(finding) for finding in verdict.findings[:FINDINGS_KEPT]],
        "removed": [
            {"run": part.removal.run_id, "count": part.count, "sentence": part.sentence} for part in verdict.removed[:FINDINGS_KEPT]
        ],
        "proves": list(verdict.proves),
        "does_not_prove": list(verdict.does_not_prove),
    }


def _finding(finding: Finding) -> Value:
    return {
        "cause": finding.cause.value,
        "aggregate": str(finding.aggregate) if finding.aggregate else None,
        "version": finding.version,
        "sequence": finding.sequence,
        "expected": finding.expected,
        "found": finding.found,
        "explanation": finding.explanation,
    }
