"""This module is taking snapshots: of one aggregate, of a type or of all; of those with enough new events, or that their policy says."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from ..encoding import Value
from ..errors import Conflict, InvalidInput, Unavailable
from ..registry import Registry
from ..snapshots import list_snapshots, take
from ..store import Store, head_of
from ..work.operation import SAMPLES_KEPT, Change, Outcome, Plan, Progress, Sample
from ..work.rates import measured_rate
from .aggregate_scope import (
    Scope,
    check_directory,
    check_scope,
    definitions_of,
    find_declared,
    foldable_types,
    in_words,
    page_of,
    target_of,
)
from .snapshot_picks import Due, Picks, survey


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSnapshot:
    """Folds all events of an aggregate, or of many, and keeps the state; five snapshots of each are kept, or as many as its policy says."""

    title: ClassVar[str] = "Take snapshots"
    permission: ClassVar[str] = "operations.snapshot"
    unit: ClassVar[str] = "aggregates"

    scope: Scope = field(default="aggregate", metadata={"help": "One aggregate, all of a type, or all of every declared type."})
    aggregate: str = field(default="", metadata={"help": "For one: the aggregate as context.type.id, such as sales.order.7f3c91e0."})
    type: str = field(default="", metadata={"help": "For a type: which one.", "choices": foldable_types})
    at_least: int = field(
        default=1, metadata={"help": "For many: only those with so many events since their newest snapshot.", "least": 1, "most": 10**9}
    )
    by_policy: bool = field(default=False, metadata={"help": "For many: only those that are due by the policy of their type."})
    only: tuple[str, ...] = field(default=(), metadata={"help": "Only these aggregates, one per line; empty for all."})

    @property
    def target(self) -> str:
        """One snapshot at a time for each aggregate, type, or all."""
        return target_of(self.scope, self.aggregate, self.type)

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """Which aggregates, and to which version. Raises InvalidInput for what does not exist or no domain declares."""
        check_scope(self.scope, aggregate=self.aggregate, type=self.type)
        if self.scope == "aggregate":
            return await self._plan_one(store, registry)
        picks, behind = self._picks(registry), await check_directory(store)
        total = await picks.count(store)
        if not total:
            raise InvalidInput(f"There is no aggregate of {self.type or 'any declared type'} yet, so there is no state to keep.")
        found = await survey(store, picks)
        if found.is_whole and not found.due:
            wanted = "is due by its policy" if self.by_policy else f"has {self.at_least:,} events since its newest snapshot"
            raise InvalidInput(f"Nothing is due: of {total:,} aggregates none {wanted}.")
        rate, source = await measured_rate(store.connection, "snapshot", self.target)
        return Plan(
            summary=f"Snapshot {in_words(self.scope, '', self.type)}{self._which()}",
            saw={},
            changes=(
                Change(what="Aggregates to look at", now=f"{total:,}", after="as they are"),
                Change(what="Snapshots to take", now="none yet", after=found.due_in_words),
            ),
            counts=tuple(found.counts.items()),
            notes=(*_notes(picks, behind), *found.notes),
            undo="Drop or prune them: loading works without. A snapshot is only used where it matches the events.",
            seconds=found.events / rate if rate and found.is_whole else None,
            rate_source=source,
        )

    async def dry_run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Look at every aggregate and say which are due."""
        if self.scope == "aggregate":
            return Outcome(sentence=f"Would do this: {(await self._plan_one(store, registry)).summary}.")
        return await self._take_many(store, registry, progress, is_dry=True)

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Fold from version 1 and write; an interrupted run goes on behind the aggregate it saw last."""
        if self.scope == "aggregate":
            return await self._take_one(store, registry, progress)
        return await self._take_many(store, registry, progress, is_dry=False)

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return "Snapshots that were taken stay; those that were not are still due."

    # -- one aggregate -----------------------------------------------------------------------------------------------------------------

    async def _plan_one(self, store: Store, registry: Registry) -> Plan:
        ref, definition = find_declared(registry, self.aggregate)
        head = await head_of(store, ref)
        if not head.version:
            raise InvalidInput(f"There is no event of {ref}, so there is no state to keep.")
        kept = await list_snapshots(store, ref)
        newest = f"at version {kept[0].version}" if kept else "none"
        policy = (f"The policy of {ref.context}.{ref.type}: {definition.snapshots}.",) if definition.snapshots else ()
        return Plan(
            summary=f"Snapshot {ref} at version {head.version}",
            saw={},
            changes=(Change(what="Newest snapshot", now=newest, after=f"at version {head.version} or later"),),
            notes=("Events are not changed; the state with and without snapshots is the same.", *policy),
            undo="Drop it, or leave it alone; it is only used where it matches the events.",
        )

    async def _take_one(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        ref, definition = find_declared(registry, self.aggregate)
        snapshot = await take(store, definition, ref, by=progress.requested_by)
        await progress.report(1, 1, force=True)
        return Outcome(
            sentence=f"Kept the state of {ref} at version {snapshot.version}, CID {snapshot.state_cid}.",
            figures={"version": snapshot.version, "state_cid": snapshot.state_cid},
        )

    # -- many --------------------------------------------------------------------------------------------------------------------------

    def _picks(self, registry: Registry) -> Picks:
        """Raises InvalidInput."""
        definitions = definitions_of(registry, self.scope, self.type)
        if self.by_policy and not any(definition.snapshots for definition in definitions):
            raise InvalidInput(f"by_policy is on, and no policy is declared for {in_words(self.scope, '', self.type)}; leave it off.")
        only = [find_declared(registry, name) for name in self.only]
        return Picks(definitions=definitions, at_least=self.at_least, by_policy=self.by_policy, only=only)

    async def _take_many(self, store: Store, registry: Registry, progress: Progress, *, is_dry: bool) -> Outcome:
        picks, started = self._picks(registry), time.monotonic()
        at = progress.checkpoint or {"after": "", "seen": 0, "taken": 0, "events": 0}
        total, samples = await picks.count(store), list[Sample]()
        async for due in picks.look(store, after=cast(str, at["after"])):
            is_taken = bool(due.why) and (is_dry or await _try_take(store, due, progress))
            if is_taken and len(samples) < SAMPLES_KEPT:
                samples.append(_sample(due))
            at = _beyond(at, due, is_taken=is_taken)
            await progress.report(cast(int, at["seen"]), max(total, cast(int, at["seen"])), checkpoint=at)
        seen, taken = cast(int, at["seen"]), cast(int, at["taken"])
        await progress.report(seen, seen, checkpoint=at, force=True)
        words = f"{'Would take' if is_dry else 'Took'} {taken:,} snapshot{'' if taken == 1 else 's'}"
        return Outcome(
            sentence=f"{words}; looked at {seen:,} aggregate{'' if seen == 1 else 's'}.",
            figures={"taken": taken, "aggregates": seen, "events": at["events"], "seconds": time.monotonic() - started},
            samples=tuple(samples),
        )

    def _which(self) -> str:
        if self.only:
            return f", {len(self.only):,} named"
        if self.by_policy:
            return " due by policy"
        return f" with {self.at_least:,} new events or more" if self.at_least > 1 else ""


async def _try_take(store: Store, due: Due, progress: Progress) -> bool:
    """Take it, or note why that cannot be done. Raises Unavailable and Conflict, after which the run is tried again."""
    ref = due.standing.aggregate
    try:
        await take(store, due.definition, ref, by=progress.requested_by)
    except (Unavailable, Conflict):
        raise
    except Exception as error:  # whatever a domain's own code raises concerns this one aggregate
        progress.fail(str(ref), f"{type(error).__name__}: {error}".replace(str(ref), "the aggregate"), page_of(ref))
        return False
    return True


def _beyond(at: dict[str, Value], due: Due, *, is_taken: bool) -> dict[str, Value]:
    """The checkpoint behind this aggregate."""
    return {
        "after": str(due.standing.aggregate),
        "seen": cast(int, at["seen"]) + 1,
        "taken": cast(int, at["taken"]) + is_taken,
        "events": cast(int, at["events"]) + (due.standing.version if is_taken else 0),
    }


def _sample(due: Due) -> Sample:
    before, ref = due.standing.snapshot, due.standing.aggregate
    return Sample(
        what=str(ref),
        now=f"version {before.version}" if before else "none",
        after=f"version {due.standing.version}",
        note=due.why,
        link=page_of(ref),
    )


def _notes(picks: Picks, behind: int) -> tuple[str, ...]:
    declared = [(definition, definition.snapshots) for definition in picks.definitions if definition.snapshots]
    late = f"The directory of aggregates is {behind:,} events behind; what is newest may be left for another run."
    return (
        "Events are not changed; the state with and without snapshots is the same.",
        *(f"The policy of {'.'.join(definition.key)}: {policy}." for definition, policy in declared),
        *((late,) if behind else ()),
    )
