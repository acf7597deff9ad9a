"""This module is removing snapshots as operations: dropping all of an aggregate or a type, and pruning all but the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, cast

from ..encoding import Value
from ..errors import InvalidInput
from ..events import AggregateRef, now
from ..registry import Registry
from ..snapshots.removal import EVERYTHING, Rule, Tally, drop_snapshots, prune_snapshots, snapshot_keys, tally_snapshots
from ..store import Store
from ..store.positions import parse_position
from ..subjects import check_token
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.parameters import Place
from .aggregate_scope import Scope, check_scope, foldable_types, in_words, target_of

PLAN_SECONDS = 1.5
UNDO = "It cannot be undone, and nothing is lost with it: states are folded from the events again, and snapshots can be taken anew."
ANY_AGE = Place("")


async def kept_types(store: Store, registry: Registry) -> Sequence[str]:
    """Every type of which a snapshot is kept, declared or not, and those that are declared."""
    kept = {key.rpartition(".")[0] for key in await snapshot_keys(store)}
    return sorted(kept | set(await foldable_types(store, registry)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSnapshots:
    """Removes all snapshots of an aggregate, of a type, or of everything. Events stay, and loading works without."""

    title: ClassVar[str] = "Drop snapshots"
    permission: ClassVar[str] = "operations.drop_snapshots"

    scope: Scope = field(default="aggregate", metadata={"help": "Those of one aggregate, of a type, or all."})
    aggregate: str = field(default="", metadata={"help": "For one: the aggregate as context.type.id, such as sales.order.7f3c91e0."})
    type: str = field(default="", metadata={"help": "For a type: which one.", "choices": kept_types})

    @property
    def target(self) -> str:
        """The same as that of taking them, so that not both are done at once."""
        return target_of(self.scope, self.aggregate, self.type)

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would go. Raises InvalidInput where nothing would."""
        check_scope(self.scope, aggregate=self.aggregate, type=self.type)
        found = await tally_snapshots(store, pattern_of(self.scope, self.aggregate, self.type), Rule(), seconds=PLAN_SECONDS)
        what = in_words(self.scope, self.aggregate, self.type)
        if not found.there:
            raise InvalidInput(f"There is no snapshot of {what}, so nothing would go.")
        return Plan(
            summary=f"Drop the snapshots of {what}",
            saw=_saw(found),
            changes=_changes(found),
            notes=("Events are not changed; the state with and without snapshots is the same, and loading takes longer.",),
            undo=UNDO,
            confirm_with=self.aggregate or self.type or "all snapshots",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Count, then remove all at once; an interrupted run remembers what it counted."""
        pattern = pattern_of(self.scope, self.aggregate, self.type)
        if progress.checkpoint is None:
            found = await tally_snapshots(store, pattern, Rule())
            await progress.report(0, found.snapshots, checkpoint=_counted(found), force=True)
        await drop_snapshots(store, pattern)
        at = cast("dict[str, int]", progress.checkpoint)
        await progress.report(at["snapshots"], at["snapshots"], checkpoint=progress.checkpoint, force=True)
        return _outcome("Dropped", at)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneSnapshots:
    """Removes all but the newest snapshots of each aggregate, or only those older than an age."""

    title: ClassVar[str] = "Prune snapshots"
    permission: ClassVar[str] = "operations.prune_snapshots"
    unit: ClassVar[str] = "aggregates"

    scope: Scope = field(default="all", metadata={"help": "Those of one aggregate, of a type, or all."})
    aggregate: str = field(default="", metadata={"help": "For one: the aggregate as context.type.id, such as sales.order.7f3c91e0."})
    type: str = field(default="", metadata={"help": "For a type: which one.", "choices": kept_types})
    keep: int = field(default=1, metadata={"help": "So many of the newest of each aggregate stay, however old they are."})
    older_than: Place = field(default=ANY_AGE, metadata={"help": "Only what was taken before: an age such as 30 days ago, or a time."})

    @property
    def target(self) -> str:
        """The same as that of taking them, so that not both are done at once."""
        return target_of(self.scope, self.aggregate, self.type)

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would go. Raises InvalidInput where nothing would."""
        check_scope(self.scope, aggregate=self.aggregate, type=self.type)
        what = in_words(self.scope, self.aggregate, self.type)
        found = await tally_snapshots(store, self._pattern, self._rule(), seconds=PLAN_SECONDS)
        if not found.snapshots and found.is_whole:
            raise InvalidInput(f"Nothing would go: {found.there:,} snapshots are kept of {what}, and this leaves all of them.")
        return Plan(
            summary=f"Prune the snapshots of {what} to the newest {self.keep:,}",
            saw={} if self.older_than else _saw(found),
            changes=_changes(found),
            counts=((what, found.aggregates),),
            notes=("Events are not changed; the state with and without snapshots is the same.",),
            undo=UNDO,
        )

    async def dry_run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Count all."""
        return _outcome("Would remove", _counted(await tally_snapshots(store, self._pattern, self._rule())))

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """One aggregate after another; an interrupted run goes on behind the one it saw last, by the same moment."""
        keys = await snapshot_keys(store, self._pattern)
        at = progress.checkpoint or {
            "after": "",
            "seen": 0,
            "began": str(self._before() or ""),
            "snapshots": 0,
            "bytes": 0,
            "aggregates": 0,
        }
        before = datetime.fromisoformat(str(at["began"])) if at["began"] else None
        for key in keys:
            if key <= cast(str, at["after"]):
                continue
            gone = await prune_snapshots(store, key, Rule(keep=self.keep, before=before))
            added = {name: cast(int, at[name]) + number for name, number in _counted(gone).items()}
            at = {**at, **added, "after": key, "seen": cast(int, at["seen"]) + 1}
            await progress.report(cast(int, at["seen"]), max(len(keys), cast(int, at["seen"])), checkpoint=at)
        seen = cast(int, at["seen"])
        await progress.report(seen, seen, checkpoint=at, force=True)
        return _outcome("Removed", at)

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """For people."""
        return "What went is gone; the snapshots of the other aggregates stay as they are."

    @property
    def _pattern(self) -> str:
        return pattern_of(self.scope, self.aggregate, self.type)

    def _rule(self) -> Rule:
        return Rule(keep=self.keep, before=self._before())

    def _before(self) -> datetime | None:
        """Raises InvalidInput."""
        if not self.older_than:
            return None
        found = parse_position(self.older_than, now())
        if isinstance(found, int):
            raise InvalidInput(
                f"older_than is {self.older_than[:80]!r}; write an age such as 30 days ago, or a time such as 2026-11-01 12:00."
            )
        return found


def pattern_of(scope: Scope, aggregate: str, type: str) -> str:
    """The keys that are meant. Raises InvalidInput for a name that is none."""
    if scope == "all":
        return EVERYTHING
    if scope == "aggregate":
        if not aggregate:
            raise InvalidInput("aggregate is missing: write it as context.type.id, such as sales.order.7f3c91e0.")
        return str(AggregateRef.parse(aggregate))
    context, _, name = type.partition(".")
    if not type:
        raise InvalidInput("type is missing: choose whose snapshots are meant, such as sales.order.")
    return f"{check_token(context, 'a context')}.{check_token(name, 'an aggregate type')}.*"


def _saw(found: Tally) -> dict[str, Value]:
    return {"snapshots that would go": found.snapshots} if found.is_whole else {}


def _changes(found: Tally) -> tuple[Change, ...]:
    least = "" if found.is_whole else "at least "
    left = f"{found.there - found.snapshots:,}" if found.is_whole else "the others"
    return (
        Change(what="Snapshots", now=f"{least}{found.there:,}", after=left),
        Change(
            what="That go",
            now=f"{least}{found.snapshots:,}, of {found.aggregates:,} aggregate{'' if found.aggregates == 1 else 's'}",
            after="gone",
        ),
        Change(what="Bytes that go", now=f"{least}{found.bytes:,}", after="gone"),
    )


def _counted(found: Tally) -> dict[str, int]:
    return {"snapshots": found.snapshots, "bytes": found.bytes, "aggregates": found.aggregates}


def _outcome(verb: str, at: Mapping[str, Value]) -> Outcome:
    snapshots, size, aggregates = (cast(int, at[name]) for name in ("snapshots", "bytes", "aggregates"))
    words = f"{snapshots:,} snapshot{'' if snapshots == 1 else 's'} of {aggregates:,} aggregate{'' if aggregates == 1 else 's'}"
    return Outcome(sentence=f"{verb} {words}, {size:,} bytes.", figures={"snapshots": snapshots, "bytes": size, "aggregates": aggregates})
