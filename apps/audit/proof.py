"""This module is what is known of a stream's chains: up to where they were verified, when, by whom, and what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from apps.persistence.chain import Mark, known_history, known_mark
from apps.persistence.drift import DriftReport, read_drift, removed_since
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.log.coverage import Coverage, read_coverage
from apps.persistence.log.published import CHECKPOINTS_BUCKET
from apps.persistence.store import Layout, Store, StreamInfo, find_layout, get_stream
from apps.persistence.work.progress import RunProgress, find_progress
from apps.persistence.work.run import Run, RunState
from apps.persistence.work.run_index import RunQuery, list_runs
from apps.registry import chained_layouts, registry, trust_of

from .causes import CauseWords
from .findings import Found, count_causes, found_by
from .gone import Absent, read_absent
from .held import HeldAgainst, held_against
from .strip import Facts, Strip, draw

LOOKED_AT_RUNS = 20
EVERY_STREAM = "streams/all"
_SIGNED = ("published", "signer")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProof:
    """A stream with chains. `info` is None where the server has no such stream; `verification` is the newest finished one.

    `doubt` says why a mark that lies there is not relied on; `mark` is None then.
    """

    layout: Layout
    info: StreamInfo | None
    mark: Mark | None
    findings: tuple[Found, ...]
    verification: Run | None
    running: Run | None
    progress: RunProgress | None
    coverage: Coverage
    absent: Absent
    doubt: str = ""

    @property
    def name(self) -> str:
        return self.layout.stream

    @property
    def state(self) -> str:
        if self.is_cut or self.contradiction or (self.mark and not self.mark.intact):
            return "broken"
        return "unknown" if self.mark is None or self.was_made_anew else "verified"

    @property
    def contradiction(self) -> str:
        """What says now that the stream is not what was signed; empty where nothing does. It may be newer than every verification."""
        return self.coverage.contradiction

    @property
    def was_made_anew(self) -> bool:
        """Whether what was verified was another stream of this name."""
        return self.mark is not None and self.info is not None and not self.mark.is_of(self.info.created)

    @property
    def is_outdated(self) -> bool:
        """Whether what the newest verification said is no longer so."""
        found = bool(self.mark and not self.mark.intact)
        return self.is_cut or self.was_made_anew or (bool(self.contradiction) and not found)

    @property
    def last(self) -> int:
        return self.info.last_sequence if self.info else 0

    @property
    def is_cut(self) -> bool:
        """Whether the stream ends before what was once verified."""
        return self.mark is not None and self.info is not None and self.info.last_sequence < self.mark.sequence

    @property
    def not_verified(self) -> int:
        """How many events came after the mark; all of them where that is of another stream."""
        if self.is_cut or self.was_made_anew:
            return self.last
        return max(0, self.last - (self.mark.sequence if self.mark else 0))

    @property
    def first_bad(self) -> Found | None:
        """The finding at the lowest sequence."""
        return min(self.findings, key=lambda found: found.sequence or 0, default=None)

    @property
    def causes(self) -> list[tuple[CauseWords, int]]:
        """Each cause that was found, and how often."""
        return count_causes(self.findings)

    @property
    def facts(self) -> Facts:
        """What the strip shows."""
        return Facts(
            last=self.last,
            verified=self.mark.sequence if self.mark and not self.is_cut and not self.was_made_anew else 0,
            covered=self.coverage.covered,
            gone=self.absent.parts,
            findings=self.findings,
        )

    @property
    def end(self) -> int:
        """The last sequence that is, or was once verified or signed."""
        return max(self.last, self.mark.sequence if self.mark else 0, self.coverage.covered)

    @property
    def strip(self) -> Strip | None:
        """The whole stream; None where there never was an event."""
        return draw(self.facts, 1, self.end) if self.end else None

    @property
    def strip_words(self) -> str:
        """What the strip shows, for those who do not see it."""
        if self.mark is None:
            return f"Nothing of {self.last:,} is verified"
        findings = f", {len(self.findings):,} finding{'' if len(self.findings) == 1 else 's'}" if self.findings else ""
        return f"Verified to {self.mark.sequence:,} of {self.last:,}{findings}"

    @property
    def gone_count(self) -> int:
        """How many events are no longer stored."""
        return sum(part.last - part.first + 1 for part in self.absent.parts) + self.absent.elsewhere

    @property
    def gone_recorded(self) -> int:
        """How many of those a recorded run removed, as far as their places are known."""
        return sum(part.last - part.first + 1 for part in self.absent.parts if part.run)

    @property
    def anchors(self) -> list[HeldAgainst]:
        """What the newest verification held the stream against."""
        return held_against(self.verification)

    @property
    def log_damage(self) -> str:
        """What the newest verification found wrong with the kept log alone; empty if nothing."""
        said = self.verification.figures.get("log_damage") if self.verification else ""
        return said if isinstance(said, str) else ""

    @property
    def is_unconfirmed(self) -> bool:
        """Whether nothing is wrong, as far as is known, and the witness that is named did not confirm it in the newest verification."""
        return self.state == "verified" and self.verification is not None and self.verification.figures.get("confirmed_to") == 0

    @property
    def anchors_missing(self) -> list[str]:
        return _texts(self.verification, "anchors_missing")

    @property
    def proves(self) -> list[str]:
        return _texts(self.verification, "proves")

    @property
    def does_not_prove(self) -> list[str]:
        return _texts(self.verification, "does_not_prove")

    @property
    def revision(self) -> str:
        """Changes with everything that the page of the stream shows apart from its card."""
        mark = f"{self.mark.sequence}-{self.mark.findings}" if self.mark else "none"
        made = "anew" if self.was_made_anew else "doubted" if self.doubt else ""
        return f"{mark}-{self.verification.id if self.verification else ''}-{self.contradiction.replace(' ', '_')}{made}"


async def read_proofs(store: Store) -> list[StreamProof]:
    """Every stream with chains that the console knows; broken ones first, those that are not there last."""
    proofs = await asyncio.gather(*(_read(store, layout) for layout in chained_layouts(store)))
    return sorted(proofs, key=lambda proof: (not proof.contradiction, proof.state != "broken", proof.info is None))


async def read_proof(store: Store, name: str) -> StreamProof:
    """One stream. Raises InvalidInput where no layout says that it has chains."""
    layout = find_layout((layout for layout in registry().layouts if layout.is_chained), name)
    if layout is None:
        known = ", ".join(layout.stream for layout in chained_layouts(store))
        raise InvalidInput(f"No layout says that {name} holds chains; those with chains are {known}.")
    return await _read(store, layout)


async def read_marks(store: Store, name: str) -> list[Mark]:
    """What was verified before, newest first."""
    return await known_history(store, name)


async def drift_of_stream(store: Store, name: str) -> DriftReport:
    """Whether the settings of a stream are as they were accepted."""
    return (await read_drift(store)).of(name)


async def _read(store: Store, layout: Layout) -> StreamProof:
    connection, name = store.connection, layout.stream
    runs = await _verifications(store, name)
    finished = [about for run in runs if run.state is RunState.FINISHED and (about := _about(run, name)) is not None]
    running = next((run for run in runs if not run.state.is_ended), None)
    known, info = await known_mark(store, name), await _info(store, name)
    mark, verification = known.mark, finished[0] if finished else None
    return StreamProof(
        layout=layout,
        info=info,
        mark=mark,
        doubt=known.doubt,
        findings=found_by(finished) if mark and not mark.intact else (),
        verification=verification,
        running=running,
        progress=await find_progress(connection, running.id) if running else None,
        coverage=await _covered(store, name, info, verification),
        absent=await read_absent(store, info),
    )


async def _covered(store: Store, name: str, info: StreamInfo | None, verification: Run | None) -> Coverage:
    """How far the log is signed, and whether checkpoints were there and are gone, by the newest verification or the drift watch."""
    coverage = await read_coverage(store.connection, name, trust_of(store.connection))
    if coverage.published is not None:
        return coverage
    if any(one.source in _SIGNED and one.size > 0 for one in held_against(verification)):
        return replace(coverage, is_gone=True)
    created = info.created if info and coverage.kept else None
    removed = await removed_since(store, f"KV_{CHECKPOINTS_BUCKET}") if created else None
    return replace(coverage, is_gone=bool(created and removed and created < removed))


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
    return next((replace(run, figures={**one, "findings": own}, outcome=_sentence(one)) for one in streams if one["stream"] == name), None)


def _sentence(figures: Mapping[str, Any]) -> str:
    """What the run said of this stream; receipts that are older than such sentences have the numbers alone."""
    if "sentence" in figures:
        return str(figures["sentence"])
    span = f"{figures['events']:,} events, sequence {figures['from']:,} to {figures['to']:,}"
    count = figures["finding_count"]
    return f"{count:,} finding{'' if count == 1 else 's'} in {span}." if count else f"Nothing wrong in {span}."


async def _info(store: Store, name: str) -> StreamInfo | None:
    try:
        return await get_stream(store.connection, name)
    except NotFound:
        return None


def _texts(run: Run | None, name: str) -> list[str]:
    listed: Value = run.figures.get(name) if run else None
    return [str(text) for text in listed] if isinstance(listed, list) else []
