"""This module is carrying out a migration of a domain's schema, or undoing it; its dry run tries every event without writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, cast

from ..encoding import Value
from ..errors import InvalidInput, MigrationConflict, NoMigrationPath, PlanStale
from ..evolution import Journal, Migration, Rehearsal, StreamChange, Work, abandon, apply, find_manifest, read_journal, roll_back
from ..registry import Registry
from ..store import Generations, Store, get_stream, read_generations, stream_name
from ..work.operation import Change, Outcome, Plan, Progress, RunInterrupted
from ..work.rates import measured_rate
from ..work.run import load_run
from ..work.vouching import SERVES_AFTER
from .behind_archive import clear_away, met_again, problems_now
from .rehearsed import samples_of, tell_failures, words_of


async def _migrations(store: Store, registry: Registry) -> Sequence[str]:
    """Every declared migration, as domain.id."""
    return [f"{domain}.{one.id}" for domain, declared in registry.migrations.items() for one in declared]


@dataclass(slots=True, kw_only=True)
class _Told:
    """How far a run has told that it is, in this attempt or one before."""

    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    """Carries out a migration that a domain declares, or rolls it back; a stream is copied into a new generation and switched."""

    title: ClassVar[str] = "Migrate"
    permission: ClassVar[str] = "operations.migrate"

    migration: str = field(metadata={"help": "The migration, as domain.id.", "choices": _migrations})
    direction: Literal["forward", "back"] = field(default="forward", metadata={"help": "Carry it out, or roll it back."})
    may_differ: tuple[str, ...] = field(
        default=(), metadata={"help": "Paths of states that may differ after it, such as lines.*.name; one on each line."}
    )

    @property
    def target(self) -> str:
        """One migration at a time for each domain."""
        return f"migrations/{self.migration.partition('.')[0]}"

    def leaves(self, why: Literal["pause", "cancel"]) -> str:
        """What was copied is kept on a pause, removed on a cancel; what serves goes on serving."""
        if why == "pause":
            return "What was copied so far is kept, and the copy goes on from there; what serves now goes on serving and takes events."
        return "What was copied is removed; what serves now goes on serving and takes events."

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """From which version to which. Raises InvalidInput where it cannot be carried out now."""
        domain, migration = _find(registry, self.migration)
        journal = await read_journal(store, domain)
        check_turn(journal, migration, self.direction)
        if self.direction == "forward" and (problems := await _problems(store, migration)):
            raise InvalidInput(" ".join(problems))
        start, end = migration.from_version, migration.to_version
        if self.direction == "back":
            start, end = end, start
        changes, events = await _stream_changes(store, migration, self.direction)
        after: dict[str, Value] = {SERVES_AFTER: changes[0].after} if changes else {}
        rate, source = await measured_rate(store.connection, "migrate", self.target)
        return Plan(
            summary=f"{'Migrate' if self.direction == 'forward' else 'Roll back'} {domain}: {migration.title}",
            saw={"schema version": str(journal.version), "entries in the journal": len(journal.entries), **after},
            changes=(Change(what=f"Schema of {domain}", now=str(start), after=str(end)), *changes),
            counts=events,
            notes=(*_notes(migration, self.direction), *await _met_again(store, registry, migration, self.direction)),
            undo=_undo(migration, self.direction),
            seconds=events[0][1] / rate if rate and events else None,
            rate_source=source,
        )

    async def dry_run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Transform every event and compare every state; samples of both are kept with the receipt."""
        _, migration = _find(registry, self.migration)
        work = self._work(store, registry, progress)
        found = await (migration.change.rehearse(work) if self.direction == "forward" else _rehearse_back(migration, work))
        tell_failures(found, progress)
        counts = {name.replace(" ", "_"): count for name, count in found.counts if name != "events read"}
        figures: dict[str, Value] = {
            "events": dict(found.counts).get("events read", 0),
            "seconds": progress.seconds,
            "problems": list(found.problems),
            **counts,
        }
        return Outcome(sentence=words_of(found), figures=figures, samples=samples_of(found))

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Do it, or go on with it."""
        domain, migration = _find(registry, self.migration)
        told = _Told(position=cast(int, (progress.checkpoint or {}).get("position", 0)))
        work = self._work(store, registry, progress, told)
        try:
            await _clear_away(work, domain, registry)
            if isinstance(migration.change, StreamChange):
                await clear_away(store, migration.change, work.run)
            done = await (apply if self.direction == "forward" else roll_back)(work, domain, migration)
        except RunInterrupted as interrupted:
            if interrupted.why == "cancelled":
                await abandon(work, domain, migration)
            raise
        except MigrationConflict as conflict:
            raise PlanStale(str(conflict)) from conflict
        count = await _copied(work, migration, self.direction, told)
        return Outcome(
            sentence=f"{done.words}{_of_snapshots(migration, self.direction)}", figures={"events": count, "seconds": progress.seconds}
        )

    def _work(self, store: Store, registry: Registry, progress: Progress, told: _Told | None = None) -> Work:
        async def report(done: int, total: int) -> None:
            if told is not None:
                told.position = done
            sequence = done if self.direction == "forward" else None
            await progress.report(done, total, checkpoint={"position": done}, sequence=sequence, force=done >= total)

        return Work(
            store=store,
            run=progress.run_id,
            by=progress.requested_by,
            definitions=registry.aggregates,
            report=report,
            say=progress.log,
            may_differ=self.may_differ,
        )


def _find(registry: Registry, name: str) -> tuple[str, Migration]:
    domain, _, migration_id = name.partition(".")
    for one in registry.migrations.get(domain, ()):
        if one.id == migration_id:
            return domain, one
    known = ", ".join(f"{domain}.{one.id}" for domain, declared in registry.migrations.items() for one in declared)
    raise InvalidInput(f"No domain declares the migration {name[:80]!r}; {f'there are {known}' if known else 'none is declared'}.")


def check_turn(journal: Journal, migration: Migration, direction: str) -> None:
    """Raises InvalidInput or NoMigrationPath where it is not this migration's turn; `direction` is forward or back."""
    is_applied = migration.id in journal.applied
    if direction == "forward" and is_applied:
        raise InvalidInput(f"{migration.id} is applied to {journal.domain} already; it can be rolled back.")
    if direction == "forward" and journal.version != migration.from_version:
        reason = f"{migration.id} starts from {migration.from_version}."
        raise NoMigrationPath(current=journal.version, wanted=migration.to_version, reason=reason)
    if direction == "back" and (not journal.applied or journal.applied[-1] != migration.id):
        last = f"{journal.applied[-1]} was applied last and comes first" if journal.applied else "nothing is applied"
        raise InvalidInput(f"{migration.id} cannot be rolled back now: {last}.")
    if direction == "back" and not migration.is_reversible:
        raise InvalidInput(f"{migration.id} cannot be rolled back: it declares no way back.")


async def _rehearse_back(migration: Migration, work: Work) -> Rehearsal:
    return await migration.change.rehearse_back(work) if isinstance(migration.change, StreamChange) else Rehearsal()


async def _problems(store: Store, migration: Migration) -> Sequence[str]:
    if isinstance(migration.change, StreamChange):
        return await problems_now(store, migration.change)
    return await migration.change.validate(_looking(store))


def _looking(store: Store) -> Work:
    """For looking only."""
    return Work(store=store, run="", by="", definitions={})


async def _stream_changes(store: Store, migration: Migration, direction: str) -> tuple[tuple[Change, ...], tuple[tuple[str, int], ...]]:
    """Which generation serves now and after, and how many events are to be copied; nothing where no stream is migrated."""
    if not isinstance(migration.change, StreamChange):
        return (), ()
    record = await read_generations(store.connection, migration.change.layout.stream)
    serving = stream_name(record.stream, record.serving)
    after = stream_name(record.stream, record.last + 1 if direction == "forward" else await _made_of(store, migration.change, record))
    change = Change(what="Stream that serves", now=serving, after=after)
    if direction == "back":
        return (change,), ((f"{serving}, since the switch", await migration.change.came_since(_looking(store))),)
    return (change,), ((serving, (await get_stream(store.connection, serving)).messages),)


async def _made_of(store: Store, change: StreamChange, record: Generations) -> int:
    """The generation that the one that serves was made of. Raises InvalidInput."""
    manifest = await find_manifest(store.on(change.layout.of_generation(record.serving)))
    if manifest is None:
        raise InvalidInput(f"{stream_name(record.stream, record.serving)} was not made of another generation, so there is no way back.")
    return manifest.number


async def _copied(work: Work, migration: Migration, direction: str, told: _Told) -> int:
    """How many events were copied in all attempts: as the new generation's manifest says, or as was told of a way back."""
    if not isinstance(migration.change, StreamChange):
        return 0
    return await migration.change.copied(work) if direction == "forward" else told.position


def _undo(migration: Migration, direction: str) -> str:
    if direction == "back":
        return "Apply it again: it can be carried out anew."
    return "Roll it back: what is left behind is kept." if migration.is_reversible else "It declares no way back."


def _notes(migration: Migration, direction: str) -> tuple[str, ...]:
    if not isinstance(migration.change, StreamChange):
        return (f"Written by {migration.author} on {migration.created}.",) if migration.author else ()
    if direction == "back":
        return (
            "Events that came since the switch are copied back first; writers are refused for as long as that takes.",
            "Snapshots belong to the generation that they were taken of: those of the one that serves again are used again, those taken "
            "since the switch are not.",
        )
    return (
        "The stream takes events while it is copied. Before the switch it is closed for a moment; writers are refused then, and try again.",
        "What is left behind is closed and kept, byte for byte. Projections are built anew from the new generation.",
        "Snapshots belong to the generation that they were taken of and are not used in the new one: take them anew after it.",
        "A dry run shows what becomes of the events, and every state that would be another.",
    )


async def _met_again(store: Store, registry: Registry, migration: Migration, direction: str) -> tuple[str, ...]:
    if not isinstance(migration.change, StreamChange) or direction == "back":
        return ()
    layout = migration.change.layout
    return await met_again(store, registry, layout, (await read_generations(store.connection, layout.stream)).serving)


def _of_snapshots(migration: Migration, direction: str) -> str:
    """What the receipt says of snapshots, where a stream was migrated."""
    if not isinstance(migration.change, StreamChange):
        return ""
    if direction == "forward":
        return " Snapshots belong to the generation that they were taken of: take them anew."
    return " Snapshots taken before the migration are used again, those taken since are not."


async def _clear_away(work: Work, domain: str, registry: Registry) -> None:
    """Tidy up after a run that has ended without saying so, as one that was cancelled while it was paused."""
    running = (await read_journal(work.store, domain)).running
    if running is None or running.run == work.run:
        return
    before = await load_run(work.store, running.run)
    if before is None or before.state.is_ended:
        _, migration = _find(registry, f"{domain}.{running.migration}")
        await abandon(replace(work, run=running.run), domain, migration)
