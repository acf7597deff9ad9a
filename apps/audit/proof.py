"""This module is what is known of a stream's chains: up to where they were verified, when, by whom, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from apps.persistence.chain import Cause, Mark, mark_history, read_mark
from apps.persistence.drift import DriftReport, read_drift
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.events import AggregateRef
from apps.persistence.log.coverage import Coverage, read_coverage
from apps.persistence.store import Layout, Store, StreamInfo, find_layout, get_stream
from apps.persistence.work.progress import RunProgress, find_progress
from apps.persistence.work.run import Run, RunState
from apps.persistence.work.run_index import RunQuery, list_runs
from apps.registry import chained_layouts, registry, trust_of

LOOKED_AT_RUNS = 20
EVERY_STREAM = "streams/all"

CAUSES = {
    Cause.CONTENT_CHANGED: ("Content changed", "The stored bytes are not what the event's id names: changed after they were written."),
    Cause.LINK_BROKEN: ("Link broken", "It does not link to the event before it: one was inserted, removed or reordered."),
    Cause.MISSING: ("Missing", "A version between two others is not there: it was deleted, expired, or lost by the server."),
    Cause.DUPLICATE_VERSION: ("Version twice", "Two events claim one version: somebody wrote past the check that one writer wins."),
    Cause.MISPLACED: ("Misplaced", "The event is whole but lies under a subject that names another one."),
    Cause.UNDECODABLE: ("Not readable", "The bytes are no event. That alone is not tampering: another program may have written them."),
    Cause.HISTORY_REWRITTEN: ("History rewritten", "What lies there is not what was signed; ids and links behind it may hide that."),
    Cause.TAIL_CUT: ("Tail cut", "The stream ends before what was seen of it: its newest events were cut off, or it is an older copy."),
    Cause.OMITTED: ("Left out", "An aggregate, or its newest versions, that a list of all heads names is not there."),
    Cause.NOT_TRUSTED: ("Signature not trusted", "What should vouch for the log is signed by another key, or its signature does not hold."),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One finding of a verification, as its run's receipt keeps it."""

    cause: str
    aggregate: AggregateRef | None
    version: int | None
    sequence: int | None
    expected: str
    found: str
    explanation: str
    run_id: str

    @property
    def title(self) -> str:
        return CAUSES[Cause(self.cause)][0] if self.cause in set(Cause) else self.cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of the strip, in thousandths of the stream's length. `sequence` is that of a finding."""

    state: str
    x: float
    width: float
    words: str
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProof:
    """A stream with chains. `info` is None where the server has no such stream; `verification` is the newest finished one."""

    layout: Layout
    info: StreamInfo | None
    mark: Mark | None
    findings: tuple[Found, ...]
    verification: Run | None
    running: Run | None
    progress: RunProgress | None

    @property
    def name(self) -> str:
        return self.layout.stream

    @property
    def state(self) -> str:
        if self.mark is None:
            return "unknown"
        if self.is_cut:
            return "broken"
        return "verified" if self.mark.intact else "broken"

    @property
    def last(self) -> int:
        return self.info.last_sequence if self.info else 0

    @property
    def is_cut(self) -> bool:
        """Whether the stream ends before what was once verified."""
        return self.mark is not None and self.info is not None and self.info.last_sequence < self.mark.sequence

    @property
    def not_verified(self) -> int:
        """How many events came after the mark."""
        return max(0, self.last - (self.mark.sequence if self.mark else 0))

    @property
    def first_bad(self) -> Found | None:
        """The finding at the lowest sequence."""
        return min(self.findings, key=lambda found: found.sequence or 0, default=None)

    @property
    def causes(self) -> list[tuple[str, str, str, int]]:
        """Each cause that was found: its name, title, meaning, and how often."""
        counted = [(cause.value, *CAUSES[cause], sum(found.cause == cause for found in self.findings)) for cause in Cause]
        return [entry for entry in counted if entry[3]]

    @property
    def proves(self) -> list[str]:
        return _texts(self.verification, "proves")

    @property
    def does_not_prove(self) -> list[str]:
        return _texts(self.verification, "does_not_prove")

    @property
    def segments(self) -> list[Segment]:
        """The strip: what was verified, what was not, and above them every finding."""
        if not self.last:
            return []
        verified = min(self.mark.sequence, self.last) if self.mark else 0
        known = [
            Segment(state="intact", x=0, width=1000 * verified / self.last, words=f"1 – {verified:,}: verified"),
            Segment(
                state="unknown",
                x=1000 * verified / self.last,
                width=1000 - 1000 * verified / self.last,
                words=f"{verified + 1:,} – {self.last:,}: not verified yet",
            ),
        ]
        return [segment for segment in known if segment.width > 0] + [self._red(found) for found in self.findings if found.sequence]

    @property
    def revision(self) -> str:
        """Changes with everything that the page of the stream shows apart from its card."""
        mark = f"{self.mark.sequence}-{self.mark.findings}" if self.mark else "none"
        return f"{mark}-{self.verification.id if self.verification else ''}"

    def _red(self, found: Found) -> Segment:
        width = max(4.0, 1000 / self.last)
        x = min(1000 - width, 1000 * ((found.sequence or 1) - 1) / self.last)
        return Segment(state=found.cause, x=x, width=width, words=f"{found.sequence:,}: {found.title}", sequence=found.sequence)


async def read_proofs(store: Store) -> list[StreamProof]:
    """Every stream with chains that the console knows; broken ones first, those that are not there last."""
    proofs = [await _read(store, layout) for layout in chained_layouts(store)]
    return sorted(proofs, key=lambda proof: (proof.state != "broken", proof.info is None))


async def read_proof(store: Store, name: str) -> StreamProof:
    """One stream. Raises InvalidInput where no layout says that it has chains."""
    layout = find_layout((layout for layout in registry().layouts if layout.is_chained), name)
    if layout is None:
        known = ", ".join(layout.stream for layout in chained_layouts(store))
        raise InvalidInput(f"No layout says that {name} holds chains; those with chains are {known}.")
    return await _read(store, layout)


async def read_marks(store: Store, name: str) -> list[Mark]:
    """What was verified before, newest first."""
    return await mark_history(store, name)


async def coverage_of(store: Store, name: str) -> Coverage:
    """How far the log of a stream is signed."""
    return await read_coverage(store.connection, name, trust_of(store.connection))


async def drift_of_stream(store: Store, name: str) -> DriftReport:
    """Whether the settings of a stream are as they were accepted."""
    return (await read_drift(store)).of(name)


async def _read(store: Store, layout: Layout) -> StreamProof:
    connection, name = store.connection, layout.stream
    runs = await _verifications(store, name)
    finished = [about for run in runs if run.state is RunState.FINISHED and (about := _about(run, name)) is not None]
    running = next((run for run in runs if not run.state.is_ended), None)
    mark = await read_mark(store, name)
    return StreamProof(
        layout=layout,
        info=await _info(store, name),
        mark=mark,
        findings=_findings(finished) if mark and not mark.intact else (),
        verification=finished[0] if finished else None,
        running=running,
        progress=await find_progress(connection, running.id) if running else None,
    )


async def _verifications(store: Store, name: str) -> list[Run]:
    """The newest runs that verify this stream, by itself or with all others, newest first."""
    found: list[Run] = []
    for target in (f"stream/{name}", EVERY_STREAM):
        page = await list_runs(store.connection, RunQuery(operation="verify", target=target), limit=LOOKED_AT_RUNS)
        found += [run for run in page.runs if run.target == target]
    return sorted(found, key=lambda run: run.requested_at, reverse=True)


def _about(run: Run, name: str) -> Run | None:
    """A run with only those figures that are about this stream; None where it read nothing of it."""
    if run.target != EVERY_STREAM:
        return run
    streams: Any = run.figures.get("streams", ())
    findings: Any = run.figures.get("findings", ())
    own = [found for found in findings if found["stream"] == name]
    return next((replace(run, figures={**one, "findings": own}) for one in streams if one["stream"] == name), None)


async def _info(store: Store, name: str) -> StreamInfo | None:
    try:
        return await get_stream(store.connection, name)
    except NotFound:
        return None


def _findings(finished: list[Run]) -> tuple[Found, ...]:
    """What the verifications found since the last one that began at the first event, by sequence."""
    found: dict[tuple[str, int | None, str], Found] = {}
    for run in finished:
        listed = run.figures.get("findings")
        for entry in listed if isinstance(listed, list) else []:
            finding = _found(entry, run.id)
            found.setdefault((finding.cause, finding.sequence, str(finding.aggregate)), finding)
        if run.figures.get("from") == 1:
            break
    return tuple(sorted(found.values(), key=lambda finding: finding.sequence or 0))


def _found(entry: Any, run_id: str) -> Found:
    name = entry["aggregate"]
    return Found(
        cause=entry["cause"],
        aggregate=AggregateRef.parse(name) if name else None,
        version=entry["version"],
        sequence=entry["sequence"],
        expected=entry["expected"],
        found=entry["found"],
        explanation=entry["explanation"],
        run_id=run_id,
    )


def _texts(run: Run | None, name: str) -> list[str]:
    listed: Value = run.figures.get(name) if run else None
    return [str(text) for text in listed] if isinstance(listed, list) else []
