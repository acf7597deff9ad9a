"""This module is verification as an operation: of an aggregate, a type, a stream or everything, as runs that end in a verdict and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from ..chain import Progress as ChainProgress
from ..chain import RangeVerdict, verify_aggregate, verify_range, verify_type
from ..encoding import Value
from ..errors import InvalidInput
from ..events import AggregateRef
from ..registry import Registry
from ..store import Store, get_stream
from ..subjects import check_token
from ..work.findings import RunFindings
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate
from .aggregate_scope import check_scope
from .counting import count_from
from .verify_extents import Extent, chained_streams, check_new, find_extents, known_types, on_stream
from .verify_reading import Reading, begin, find_anchors, sizes_of
from .verify_receipt import Summary, figures_of, figures_of_all, finding_of, sentence_of, sentence_of_all, summary_of

PART_EVENTS = 100_000
"""A stream of more events than this is verified in ranges of so many."""

Scope = Literal["stream", "everything", "type", "aggregate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Verifies events: the bytes of each, its place and link; of a stream also its log, held against everybody who stands for it."""

    title: ClassVar[str] = "Verify chains"
    permission: ClassVar[str] = "operations.verify"

    scope: Scope = field(default="stream", metadata={"help": "A whole stream, every stream, or in one stream a type or an aggregate."})
    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream whose chains are verified.", "choices": chained_streams})
    type: str = field(default="", metadata={"help": "For a type: which one, in the stream.", "choices": known_types})
    aggregate: str = field(default="", metadata={"help": "For an aggregate: its name as context.type.id, such as sales.order.7f3c91e0."})
    full: bool = field(
        default=False, metadata={"help": "Of streams: read everything again, not only what came after the last mark. Else all is read."}
    )

    @property
    def target(self) -> str:
        """One verification at a time for each."""
        targets = {"stream": f"stream/{self.stream}", "everything": "streams/all"}
        return targets.get(self.scope, f"chains/{self.stream}/{self.aggregate if self.scope == 'aggregate' else self.type}")

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """How much would be read. Raises InvalidInput where there are no chains or nothing new, StreamNotFound."""
        check_scope(self.scope, aggregate=self.aggregate, type=self.type)
        if self.scope in ("type", "aggregate"):
            return await self._plan_part(store, registry)
        extents = await find_extents(store, registry, self._one_stream, full=self.full)
        check_new(extents)
        new = [extent for extent in extents if extent.has_new]
        left = [f"{extent.known}." for extent in extents if not extent.has_new]
        saw: dict[str, Value] = {}
        for extent in new if self._one_stream else ():
            saw["created"] = str((await get_stream(store.connection, extent.stream)).created)
        events = sum(extent.size for extent in new)
        rate, source = await measured_rate(store.connection, "verify", self.target)
        where = f"{self.stream} from sequence {new[0].first:,}" if self._one_stream else f"every stream{', all again' if self.full else ''}"
        return Plan(
            summary=f"Verify {where}",
            saw=saw,
            changes=(*(_change(extent) for extent in new), Change(what="Events to read", now="0", after=f"{events:,}")),
            counts=tuple((extent.stream, extent.size) for extent in new),
            notes=(
                "Reads only; what is found is written down as the stream's mark and in the run's receipt.",
                "Each stream is held against its log, signer, witness, checkpoint and list of heads, as far as they are there.",
                *(f"{extent.doubt}; so all of it is read, from the first sequence." for extent in new if extent.doubt),
                *_stands(new, full=self.full),
                *left,
            ),
            undo="Nothing is changed, so there is nothing to undo.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def is_needed(self, store: Store, registry: Registry) -> bool:
        """Whether there is anything new; a schedule does not ask for a run where there is not. Raises InvalidInput, StreamNotFound."""
        if self.scope in ("type", "aggregate"):
            return True
        return any(extent.has_new for extent in await find_extents(store, registry, self._one_stream, full=self.full))

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read, check, and enter the marks. A long stream is read in ranges, by as many workers as there are, and stitched."""
        if self.scope in ("type", "aggregate"):
            return await self._run_part_of(store, registry, progress)
        if progress.checkpoint is None:
            anchors = await find_anchors(store, registry, self._one_stream)
            extents = await find_extents(store, registry, self._one_stream, full=self.full)
            check_new(extents)
            began = await begin(store, registry, extents, anchors, size=PART_EVENTS)
            await progress.report(0, sum(extent.size for extent in extents), checkpoint=began, force=True)
        reading = Reading(store=store, registry=registry, progress=progress)
        summaries, findings = await reading.read_all()
        checked = sum(cast(int, one["events"]) for one in summaries)
        await progress.report(checked, checked, sequence=cast(int, summaries[-1]["to"]), force=True)
        first = findings.figures["findings"]
        if self._one_stream:
            return Outcome(sentence=sentence_of(summaries[0]), figures=figures_of(summaries[0], first, progress.seconds))
        left: Sequence[Summary] = reading.at["left"]
        return Outcome(sentence=sentence_of_all(summaries, left), figures=figures_of_all(summaries, left, first, progress.seconds))

    async def run_part(self, store: Store, registry: Registry, part: Value, progress: Progress) -> Value:
        """Verify one range of a stream."""
        extent = Extent.from_value(part)

        async def on_progress(at: ChainProgress) -> None:
            await progress.report(at.checked, extent.size, sequence=at.sequence)

        chained = on_stream(store, registry, extent.stream)
        sizes = sizes_of(part)
        verdict = await verify_range(chained, from_sequence=extent.first, to_sequence=extent.last, sizes=sizes, on_progress=on_progress)
        return RangeVerdict.of(verdict).to_value()

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return (
            "Ranges that were verified are kept." if why == "pause" else "The mark of a stream stays where it was, unless it was finished."
        )

    # -- a type or an aggregate --------------------------------------------------------------------------------------------------------

    async def _plan_part(self, store: Store, registry: Registry) -> Plan:
        chained = on_stream(store, registry, self.stream)
        name, pattern = self._part_of(chained)
        events = await count_from(chained.connection, await get_stream(chained.connection, self.stream), 1, pattern)
        if not events:
            raise InvalidInput(f"{self.stream} holds no event of {name[:80]}, so there is nothing to verify; check its name.")
        rate, source = await measured_rate(store.connection, "verify", self.target)
        return Plan(
            summary=f"Verify {'all of ' if self.scope == 'type' else ''}{name} in {self.stream}",
            saw={},
            changes=(Change(what="Events to read", now="0", after=f"{events:,}"),),
            counts=((name, events),),
            notes=("Reads only, and all of it. No mark is moved: that takes a verification of the whole stream.",),
            undo="Nothing is changed, so there is nothing to undo.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def _run_part_of(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """An interrupted reading begins again."""
        chained = on_stream(store, registry, self.stream)
        name, pattern = self._part_of(chained)
        total = await count_from(chained.connection, await get_stream(chained.connection, self.stream), 1, pattern)

        async def on_progress(at: ChainProgress) -> None:
            await progress.report(at.checked, max(total, at.checked), sequence=at.sequence)

        await progress.report(0, total, force=True)
        if self.scope == "aggregate":
            verdict = await verify_aggregate(chained, AggregateRef.parse(name), on_progress=on_progress)
        else:
            context, _, kind = name.partition(".")
            verdict = await verify_type(chained, context, kind, on_progress=on_progress)
        findings = RunFindings(store.connection, progress.run_id)
        for finding in verdict.findings:
            await findings.add(finding_of(finding, self.stream))
        await findings.save()
        summary = summary_of(verdict, None)
        await progress.report(verdict.checked, verdict.checked, force=True)
        return Outcome(sentence=sentence_of(summary), figures=figures_of(summary, findings.figures["findings"], progress.seconds))

    def _part_of(self, chained: Store) -> tuple[str, str]:
        """The name of the type or aggregate, and the pattern of its events. Raises InvalidInput."""
        name = self.aggregate if self.scope == "aggregate" else self.type
        if not name:
            raise InvalidInput(f"{self.scope} is missing: say which {self.scope} of {self.stream} is verified.")
        if self.scope == "aggregate":
            return name, chained.layout.all_of(AggregateRef.parse(name))
        context, _, kind = name.partition(".")
        check_token(context, "a context")
        return name, chained.layout.pattern_of(context=context, aggregate=check_token(kind, "an aggregate type"))

    @property
    def _one_stream(self) -> str | None:
        return self.stream if self.scope == "stream" else None


def _change(extent: Extent) -> Change:
    return Change(
        what=f"{extent.stream} verified to",
        now="nothing yet" if extent.mark is None else f"{extent.mark.sequence:,}, by {extent.mark.by}",
        after=f"{extent.last:,} or later, if all is intact",
    )


def _stands(extents: Sequence[Extent], *, full: bool) -> tuple[str, ...]:
    """What was found before and is not read again."""
    return tuple(
        f"{extent.stream} has earlier findings, {extent.mark.findings:,} of them; they stand until all of it is verified again."
        for extent in extents
        if not full and not extent.doubt and extent.mark is not None and not extent.mark.intact
    )
