"""This module is the proof of snapshots: of an aggregate, a type or all that are kept, each held against the events it stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from ..encoding import Value
from ..errors import Conflict, InvalidInput, Unavailable
from ..events import AggregateRef
from ..registry import Registry
from ..snapshots.proving import KeptProof, SnapshotCause, SnapshotFault, prove_kept
from ..snapshots.removal import snapshot_keys
from ..store import Store
from ..work.findings import RunFinding, RunFindings
from ..work.operation import Change, Outcome, Plan, Progress
from .aggregate_scope import Scope, check_scope, in_words, page_of, target_of
from .snapshot_removal import kept_types, pattern_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveSnapshots:
    """Folds aggregates from their first event and compares, by CID, with what their snapshots say; whatever differs is a finding."""

    title: ClassVar[str] = "Prove snapshots"
    permission: ClassVar[str] = "operations.prove"
    unit: ClassVar[str] = "aggregates"

    scope: Scope = field(default="all", metadata={"help": "Those of one aggregate, of a type, or all that are kept."})
    aggregate: str = field(default="", metadata={"help": "For one: the aggregate as context.type.id, such as sales.order.7f3c91e0."})
    type: str = field(default="", metadata={"help": "For a type: which one.", "choices": kept_types})

    @property
    def target(self) -> str:
        """The same as that of taking them, so that none comes or goes meanwhile."""
        return target_of(self.scope, self.aggregate, self.type)

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """How many aggregates have snapshots. Raises InvalidInput where none has."""
        check_scope(self.scope, aggregate=self.aggregate, type=self.type)
        keys = await self._keys(store)
        what = in_words(self.scope, self.aggregate, self.type)
        return Plan(
            summary=f"Prove the snapshots of {what}",
            saw={},
            changes=(Change(what="Aggregates to fold from their first event", now="0", after=f"{len(keys):,}"),),
            counts=((what, len(keys)),),
            notes=(
                "Reads only. A snapshot that does not hold is left where it is; drop it, or take a new one.",
                "One that was taken of another generation of the stream is no fault: it is counted, and not used.",
            ),
            undo="Nothing is changed, so there is nothing to undo.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """One aggregate after another; an interrupted run goes on behind the one it saw last, with what it found."""
        keys = await snapshot_keys(store, pattern_of(self.scope, self.aggregate, self.type))
        at = progress.checkpoint or {"after": "", "seen": 0, "snapshots": 0, "events": 0, "found": None, "elsewhere": {}}
        findings = RunFindings(store.connection, progress.run_id, at["found"])
        for key in keys:
            if key <= cast(str, at["after"]):
                continue
            proof = await _prove(store, registry, key)
            for fault in proof.faults:
                await findings.add(_finding(key, fault))
            at = {
                "after": key,
                "seen": cast(int, at["seen"]) + 1,
                "snapshots": cast(int, at["snapshots"]) + proof.snapshots,
                "events": cast(int, at["events"]) + proof.events,
                "found": findings.checkpoint,
                "elsewhere": dict(Counter(cast("dict[str, int]", at.get("elsewhere", {}))) + Counter(proof.elsewhere)),
            }
            await progress.report(cast(int, at["seen"]), max(len(keys), cast(int, at["seen"])), checkpoint=at)
        await findings.save()
        await progress.report(cast(int, at["seen"]), cast(int, at["seen"]), checkpoint={**at, "found": findings.checkpoint}, force=True)
        counted: dict[str, Value] = {"snapshots": at["snapshots"], "aggregates": at["seen"], "events": at["events"]}
        elsewhere = cast("dict[str, int]", at.get("elsewhere", {}))
        if elsewhere:
            counted["of_other_generations"] = sum(elsewhere.values())
        return Outcome(
            sentence=f"{_sentence(findings, cast(int, at['snapshots']), cast(int, at['seen']))}{_words_elsewhere(elsewhere)}",
            figures={**counted, "seconds": progress.seconds, **findings.figures},
        )

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return "What was found so far is kept." if why == "pause" else "Without a verdict; nothing was changed."

    async def _keys(self, store: Store) -> list[str]:
        """Raises InvalidInput where there is nothing to prove."""
        keys = await snapshot_keys(store, pattern_of(self.scope, self.aggregate, self.type))
        if not keys:
            raise InvalidInput(f"There is no snapshot of {in_words(self.scope, self.aggregate, self.type)} to prove; take one first.")
        return keys


async def _prove(store: Store, registry: Registry, key: str) -> KeptProof:
    """Raises Unavailable and Conflict, after which the run is tried again; what else goes wrong is a finding."""
    try:
        definition = registry.definition_of(AggregateRef.parse(key))
    except InvalidInput:
        definition = None
    try:
        return await prove_kept(store, definition, key)
    except (Unavailable, Conflict):
        raise
    except Exception as error:  # whatever a domain's own code raises concerns this one aggregate
        reason = f"Its events cannot be folded, so its snapshots prove nothing. {type(error).__name__}: {error}"
        fault = SnapshotFault(
            cause=SnapshotCause.UNFOLDABLE, version=None, expected="a state", found=type(error).__name__, explanation=reason
        )
        return KeptProof(snapshots=1, events=0, faults=(fault,))


def _finding(key: str, fault: SnapshotFault) -> RunFinding:
    try:
        ref = AggregateRef.parse(key)
    except InvalidInput:
        ref = None
    is_there = fault.version is not None and fault.cause in (SnapshotCause.DRIFT, SnapshotCause.OTHER_EVENT, SnapshotCause.OTHER_SCHEMA)
    place = f"?version={fault.version}&prove={fault.version}#snapshots" if is_there else "#snapshots"
    return RunFinding(
        cause=fault.cause.value,
        aggregate=key,
        version=fault.version,
        expected=fault.expected,
        found=fault.found,
        explanation=fault.explanation,
        link=f"{page_of(ref)}{place}" if ref else "",
    )


def _sentence(findings: RunFindings, snapshots: int, aggregates: int) -> str:
    of = f"{snapshots:,} snapshot{'' if snapshots == 1 else 's'} of {aggregates:,} aggregate{'' if aggregates == 1 else 's'}"
    if not findings.count and not snapshots:
        return "There is no snapshot that the events could be held against."
    if not findings.count:
        return f"Proved: {of} hold{'s' if snapshots == 1 else ''} just what the events make."
    drift = findings.by_cause.get(SnapshotCause.DRIFT.value, 0)
    others = findings.count - drift
    words = [f"Drift: {drift:,} do{'es' if drift == 1 else ''} not hold what the events make"] if drift else ["Not proved"]
    words += [f"{others:,} {'more ' if drift else ''}cannot be used"] if others else []
    return f"{'; '.join(words)}, of {of}."


def _words_elsewhere(elsewhere: Mapping[str, int]) -> str:
    """What is said of snapshots that were taken of another generation; empty where there is none."""
    said = [
        f"{count:,} belong{'s' if count == 1 else ''} to the generation {stream} and {'is' if count == 1 else 'are'} not used"
        for stream, count in sorted(elsewhere.items())
    ]
    return f" {'; '.join(said)}." if said else ""
