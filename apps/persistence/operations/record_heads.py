"""This module is recording the heads of streams: every aggregate, its version and its newest event, so that one left out later shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

from ..encoding import Value
from ..errors import InvalidInput, StreamNotFound
from ..heads import Manifest, Omission, Recorded, find_manifest, record_heads
from ..registry import Registry
from ..store import Store, StreamInfo, get_stream
from ..work.findings import RunFinding, RunFindings
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate
from .counting import counted
from .verify_extents import chained_streams, on_stream

EVERY = "streams"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHeads:
    """Writes down every aggregate of a stream with its version and newest event, as a manifest whose CID is an event of CIM-CONSOLE."""

    title: ClassVar[str] = "Record heads"
    permission: ClassVar[str] = "operations.record_heads"

    scope: Literal["everything", "stream"] = field(default="everything", metadata={"help": "Every stream with chains, or one of them."})
    stream: str = field(default="CIM-EVENTS", metadata={"help": "For a stream: which one.", "choices": chained_streams})
    anew: bool = field(
        default=False,
        metadata={
            "help": "Read all again, and record what is there even where the manifest before names more; what is missing is told once."
        },
    )

    @property
    def target(self) -> str:
        """One at a time for each."""
        return f"heads/{EVERY if self.scope == 'everything' else self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """How much would be read. Raises InvalidInput for a stream without chains, StreamNotFound."""
        known = [(info, await find_manifest(store, info.name)) for info in await self._streams(store, registry)]
        if not known:
            raise InvalidInput("There is no stream with chains yet, so there are no heads to record; a worker makes them when it starts.")
        rate, source = await measured_rate(store.connection, "record-heads", self.target)
        events = sum(self._size(info, before) for info, before in known)
        where = self.stream if self.scope == "stream" else counted(len(known), "stream")
        return Plan(
            summary=f"Record the heads of {where}",
            saw={},
            changes=tuple(_change(info, before) for info, before in known),
            counts=tuple((info.name, self._size(info, before)) for info, before in known),
            notes=(
                "Of what the manifest before names it is looked up first whether it is still there; then only new events are read.",
                "All is read again, and what is there is recorded, whatever the manifest before names."
                if self.anew
                else "Where an aggregate is missing that nobody removed on purpose, nothing is recorded and the manifest before stands.",
            ),
            undo="A manifest is never changed or taken back; the next one follows it.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Stream by stream; an interrupted one begins again, those that are recorded stay so."""
        infos = await self._streams(store, registry)
        kept: dict[str, Any] = dict(progress.checkpoint or {"finished": [], "found": None})
        findings = RunFindings(store.connection, progress.run_id, kept["found"])
        finished: list[dict[str, Value]] = list(kept["finished"])
        span = _Span(progress=progress, whole=sum(info.last_sequence for info in infos))
        for info in infos:
            if info.name not in {one["stream"] for one in finished}:
                recorded = await self._record(store, registry, info, span)
                for omission in recorded.comparison.omitted if recorded.comparison else ():
                    await findings.add(_finding(omission, recorded.manifest))
                finished.append(_summary(recorded))
                progress.log(_words(finished[-1]))
            span.before += info.last_sequence
            kept = {"finished": list(finished), "found": findings.checkpoint}
            await progress.report(span.before, span.whole, checkpoint=kept, force=True)
        await findings.save()
        read = sum(cast(int, one["read"]) for one in finished)
        figures: dict[str, Value] = {"events": read, "seconds": progress.seconds, "streams": cast("list[Value]", finished)}
        return Outcome(sentence=" ".join(_words(one) for one in finished), figures={**figures, **findings.figures})

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return "The stream that is being read begins again; the manifests of those before it are recorded."

    async def _record(self, store: Store, registry: Registry, info: StreamInfo, span: _Span) -> Recorded:
        async def on_progress(done: int, total: int) -> None:
            await span.report(info.last_sequence * done // max(1, total))

        chained, asked = on_stream(store, registry, info.name), span.progress
        return await record_heads(chained, run=asked.run_id, by=asked.requested_by, anew=self.anew, on_progress=on_progress)

    async def _streams(self, store: Store, registry: Registry) -> list[StreamInfo]:
        """Those that are meant and are there, in the order in which they are declared."""
        if self.scope == "stream":
            return [await get_stream(store.connection, on_stream(store, registry, self.stream).layout.stream)]
        found = []
        for name in await chained_streams(store, registry):
            try:
                found.append(await get_stream(store.connection, name))
            except StreamNotFound:
                continue
        return found

    def _size(self, info: StreamInfo, before: Manifest | None) -> int:
        return info.last_sequence if before is None or self.anew else max(0, info.last_sequence - before.sequence)


@dataclass(slots=True, kw_only=True)
class _Span:
    """How far it is in all streams together, in sequences."""

    progress: Progress
    whole: int
    before: int = 0

    async def report(self, done: int) -> None:
        await self.progress.report(self.before + done, self.whole)


def _change(info: StreamInfo, before: Manifest | None) -> Change:
    now = f"{counted(before.aggregates, 'aggregate')} up to sequence {before.sequence:,}, by {before.by}" if before else "nothing yet"
    return Change(what=f"Heads of {info.name}", now=now, after=f"up to sequence {info.last_sequence:,} or later")


def _summary(recorded: Recorded) -> dict[str, Value]:
    manifest, comparison = recorded.manifest, recorded.comparison
    return {
        "stream": manifest.stream,
        "sequence": manifest.sequence,
        "aggregates": manifest.aggregates,
        "manifest": str(manifest.cid),
        "new": recorded.is_new,
        "read": recorded.read,
        "compared": comparison.aggregates if comparison else 0,
        "omitted": comparison.omitted_count if comparison else 0,
        "removed": comparison.removed if comparison else 0,
    }


def _words(one: Any) -> str:
    named = f"{counted(one['aggregates'], 'aggregate')} up to sequence {one['sequence']:,}"
    missing = f"{counted(one['omitted'], 'aggregate')} of the manifest before {'is' if one['omitted'] == 1 else 'are'} not as it names them"
    if one["new"]:
        told = f"; {missing}" if one["omitted"] else ""
        return f"{one['stream']}: {named}{told}."
    if one["omitted"]:
        return f"{one['stream']}: nothing is recorded, {missing}; that manifest stands."
    return f"{one['stream']}: nothing is new since {named}."


def _finding(omission: Omission, manifest: Manifest) -> RunFinding:
    ref = omission.aggregate
    return RunFinding(
        cause="omitted",
        stream=manifest.stream,
        aggregate=str(ref),
        version=omission.version,
        sequence=omission.sequence,
        expected=str(omission.expected),
        found=str(omission.found or "nothing"),
        explanation=omission.explanation,
        link=f"/aggregates/{ref.context}.{ref.type}/{ref.id}/?stream={manifest.stream}",
    )
