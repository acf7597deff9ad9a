"""This module is holding the log of a stream against the stream: every event is read again, and must have the root that was signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

from ..chain import Cause
from ..errors import InvalidInput, Unavailable
from ..log.anchors import ask_leaves
from ..log.comparison import LogComparison, compare_with_stream, mend_tiles
from ..log.coverage import Coverage, read_coverage
from ..log.feeding import log_anew
from ..log.trust import Trust
from ..registry import Registry
from ..store import Connection, Store, get_stream
from ..work.findings import RunFinding, RunFindings
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate
from .verify_extents import chained_streams

_LOGGED_AGAIN = " Its state could not be read, and the stream was logged again."


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLog:
    """Makes the tree of a stream anew from all its events, and holds it against the kept log and the newest signed checkpoint."""

    title: ClassVar[str] = "Hold a log against its stream"
    permission: ClassVar[str] = "operations.check_log"

    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream whose log is checked.", "choices": chained_streams})
    mend: bool = field(
        default=False,
        metadata={
            "help": "Write tiles that are damaged or missing anew, where the signed root proves them, and a state that cannot be read."
        },
    )

    @property
    def target(self) -> str:
        """One at a time for each log."""
        return f"log/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """How much would be read. Raises InvalidInput where nothing was logged, or its state cannot be read, StreamNotFound."""
        coverage = await read_coverage(store.connection, self.stream, registry.trust)
        await get_stream(store.connection, self.stream)
        self._check_kept(coverage)
        rate, source = await measured_rate(store.connection, "check-log", self.target)
        events = max(coverage.kept.size if coverage.kept else coverage.last, coverage.covered)
        anew = (
            ("The state of the log cannot be read, so that the stream is logged again first, as it is now.",)
            if coverage.kept_problem
            else ()
        )
        signed = f"the checkpoint of {coverage.covered:,} events" if coverage.checkpoint else "the kept tree; nothing is signed yet"
        return Plan(
            summary=f"Hold the log of {self.stream} against its events",
            saw={},
            changes=(
                Change(what="Events to read", now="0", after=f"{events:,}"),
                Change(what="Held against", now="", after=signed),
            ),
            notes=(
                *anew,
                "Of events that are gone the log says what they were, or else the signer; the root shows whether that is true.",
                "Tiles that are damaged are written anew, none else." if self.mend else "Reads only.",
            ),
            undo="A mended tile is what the signed root says, so there is nothing to undo." if self.mend else "Nothing is changed.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read, compare, and mend if asked to. An interrupted one begins again."""

        async def on_progress(done: int, total: int) -> None:
            await progress.report(done, total, sequence=done)

        coverage = await read_coverage(store.connection, self.stream, registry.trust)
        info = await get_stream(store.connection, self.stream)
        is_anew = self.mend and await log_anew(store.connection, self.stream)
        signed = coverage.checkpoint.checkpoint if coverage.checkpoint else None
        compare = partial(
            compare_with_stream, store.connection, self.stream, last=info.last_sequence, signed=signed, on_progress=on_progress
        )
        found, missing = await compare(), ""
        if signed is not None and not found.holds and not found.is_cut:
            try:
                found = await compare(recall=partial(self._recall, store.connection, registry.trust))
            except (Unavailable, InvalidInput) as error:
                missing = str(error)
        findings = RunFindings(store.connection, progress.run_id)
        if not found.holds:
            await findings.add(_finding(found, missing))
        mended = await mend_tiles(store.connection, found) if self.mend and found.holds and not found.agrees else 0
        await findings.save()
        await progress.report(found.read, found.read, checkpoint={"found": findings.checkpoint}, force=True)
        return Outcome(
            sentence=_sentence(found, mended, missing) + (_LOGGED_AGAIN if is_anew else ""),
            figures={
                "events": found.read,
                "seconds": progress.seconds,
                "gone": found.gone,
                "recalled": found.recalled,
                "damaged_tiles": len(found.damaged),
                "mended_tiles": mended,
                **findings.figures,
            },
        )

    async def _recall(self, connection: Connection, trust: Trust, after: int, last: int) -> list[bytes]:
        """What the signer keeps of events that the stream holds no more."""
        return await ask_leaves(connection, self.stream, trust, after=after, last=last)

    def _check_kept(self, coverage: Coverage) -> None:
        """Raises InvalidInput where there is no kept tree to hold the stream against, nor one to be made anew."""
        if coverage.kept_problem and not self.mend:
            raise InvalidInput(coverage.kept_problem)
        if coverage.kept is None and not coverage.kept_problem:
            raise InvalidInput(f"Nothing of {self.stream} was logged yet; a worker does that within seconds of its first event.")

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return "It begins again." if why == "pause" else "Without a verdict; nothing was changed."


def _sentence(found: LogComparison, mended: int, missing: str) -> str:
    against = f"the root that was signed for {found.signed.size:,} events" if found.signed else "the root of its log"
    if not found.holds:
        return f"{found.stream} is not what its log says: {_explanation(found, missing)}"
    who = f"logged, {found.recalled:,} by the signer's own copy" if found.recalled else "logged"
    gone = f", {found.gone:,} of them by what was {who}, as they are gone" if found.gone else ""
    held = f"{found.read:,} events of {found.stream} have {against}{gone}."
    if mended:
        return f"{held} {mended:,} damaged tile{'' if mended == 1 else 's'} of the log {'was' if mended == 1 else 'were'} written anew."
    if found.damaged:
        return f"{held} {len(found.damaged):,} tiles of the log are damaged; start it again with mend."
    return held


def _explanation(found: LogComparison, missing: str) -> str:
    if found.is_cut:
        return f"it ends at {found.read:,}, and its log goes on to {found.size:,}. Its tail was cut, or the server was rolled back."
    if found.first_changed is not None:
        was, now = found.first_changed
        return f"the first of {found.changed:,} events that differ is at sequence {now.sequence:,}: {was.cid or 'nothing'} was logged."
    lost = "every event that is there is as it was logged, so what was logged of events that are gone is not true, or is lost."
    return (
        f"{lost} {missing or 'What the signer keeps of them does not lead to the root that was signed either.'}" if found.signed else lost
    )


def _finding(found: LogComparison, missing: str) -> RunFinding:
    was, now = found.first_changed or (None, None)
    return RunFinding(
        cause=(Cause.TAIL_CUT if found.is_cut and now is None else Cause.HISTORY_REWRITTEN).value,
        stream=found.stream,
        sequence=now.sequence if now else found.read + 1 if found.is_cut else None,
        expected=str(was.cid or "nothing") if was else found.signed.root.hex() if found.signed else found.kept_root.hex(),
        found=str(now.cid or "nothing") if now else found.root.hex(),
        explanation=f"{found.stream} is not what its log says: {_explanation(found, missing)}",
        link=f"/streams/{found.stream}/{now.sequence}/" if now else "",
    )
