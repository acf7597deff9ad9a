"""This module is the runner of migrations: it validates, does each step of the way, enters what was done, and rolls back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Conflict, MigrationConflict, MigrationFailed, NoMigrationPath, Unavailable
from .journal import Direction, Journal, begin, enter, read_journal
from .migration import Migration, Work
from .path import find_path
from .version import SchemaVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One migration that was carried out: which way, and what it says it did."""

    migration: Migration
    direction: Direction
    words: str


async def migrate_to(work: Work, domain: str, migrations: Sequence[Migration], wanted: SchemaVersion) -> list[Done]:
    """Bring a domain to `wanted`, forward by the shortest path or back by what was applied; nothing where it is there.

    Raises NoMigrationPath before anything is done, and as `apply` and `roll_back`.
    """
    journal = await read_journal(work.store, domain)
    if wanted >= journal.version:
        path = find_path(migrations, current=journal.version, wanted=wanted)
        return [await apply(work, domain, one) for one in path]
    return [await roll_back(work, domain, one) for one in way_back(journal, migrations, wanted)]


async def apply(work: Work, domain: str, migration: Migration) -> Done:
    """Carry out one migration that starts at the domain's version.

    Raises MigrationConflict where it is applied already or another is running, NoMigrationPath where it starts elsewhere, MigrationFailed
    with the step and what was left. Unavailable and Conflict pass: the same `run` may be tried again.
    """
    journal = await read_journal(work.store, domain)
    if done := _done_before(work, journal, migration, "applied"):
        return done
    if migration.id in journal.applied:
        raise MigrationConflict(f"The migration {migration.id} of {domain} is applied already; roll it back first.")
    if journal.version != migration.from_version:
        raise NoMigrationPath(
            current=journal.version, wanted=migration.to_version, reason=f"{migration.id} starts from {migration.from_version}."
        )
    return await _carry_out(work, journal, migration, "up")


async def roll_back(work: Work, domain: str, migration: Migration) -> Done:
    """Undo the migration that was applied last. Raises as `apply`; NoMigrationPath where it is not the last, or cannot be undone."""
    journal = await read_journal(work.store, domain)
    if done := _done_before(work, journal, migration, "rolled_back"):
        return done
    if not journal.applied or journal.applied[-1] != migration.id:
        last = f"{journal.applied[-1]} was applied last and comes first." if journal.applied else "nothing is applied."
        raise NoMigrationPath(current=journal.version, wanted=migration.from_version, reason=last)
    _check_reversible(journal, migration, migration.from_version)
    return await _carry_out(work, journal, migration, "down")


def way_back(journal: Journal, migrations: Sequence[Migration], wanted: SchemaVersion) -> tuple[Migration, ...]:
    """What has to be undone, newest first, to be at an older version again. Raises NoMigrationPath."""
    known = {one.id: one for one in migrations}
    path: list[Migration] = []
    version = journal.version
    for one_id in reversed(journal.applied):
        if version == wanted:
            break
        if one_id not in known:
            raise NoMigrationPath(current=journal.version, wanted=wanted, reason=f"{one_id} was applied and is no longer declared.")
        _check_reversible(journal, known[one_id], wanted)
        path.append(known[one_id])
        version = known[one_id].from_version
    if version != wanted:
        raise NoMigrationPath(current=journal.version, wanted=wanted, reason="no applied migration started from there.")
    return tuple(path)


async def abandon(work: Work, domain: str, migration: Migration) -> None:
    """After a run that was cancelled: put back what served before, and enter that nothing is running."""
    journal = await read_journal(work.store, domain)
    if journal.running is None or journal.running.run != work.run:
        return
    await migration.change.abandon(work)
    direction: Direction = "up" if journal.running.to_version == str(migration.to_version) else "down"
    await enter(work.store, journal, migration, direction, "abandoned", run=work.run, by=work.by)


def _done_before(work: Work, journal: Journal, migration: Migration, kind: str) -> Done | None:
    """What this very run has done already, before it was interrupted."""
    last = journal.last_of(migration.id)
    if last is None or last.run != work.run or last.kind != kind:
        return None
    return Done(migration=migration, direction="up" if kind == "applied" else "down", words=last.words)


def _check_reversible(journal: Journal, migration: Migration, wanted: SchemaVersion) -> None:
    if not migration.is_reversible:
        raise NoMigrationPath(current=journal.version, wanted=wanted, reason=f"{migration.id} cannot be undone; it declares no way back.")


async def _carry_out(work: Work, journal: Journal, migration: Migration, direction: Direction) -> Done:
    if direction == "up" and journal.running is None:
        problems = await migration.change.validate(work)
        if problems:
            raise MigrationFailed(migration.id, step="validation", reason=" ".join(problems), left="Nothing was changed.")
    journal = await begin(work.store, journal, migration, direction, run=work.run, by=work.by)
    try:
        words = await (migration.change.up(work) if direction == "up" else migration.change.down(work))
    except (Unavailable, Conflict):
        raise
    except Exception as error:
        raise await _failed(work, journal, migration, direction, error) from error
    kind = "applied" if direction == "up" else "rolled_back"
    await enter(work.store, journal, migration, direction, kind, run=work.run, by=work.by, words=words)
    return Done(migration=migration, direction=direction, words=words)


async def _failed(work: Work, journal: Journal, migration: Migration, direction: Direction, error: Exception) -> MigrationFailed:
    await migration.change.abandon(work)
    if isinstance(error, MigrationFailed):
        failed = error
    else:
        step = "its way forward" if direction == "up" else "its way back"
        reason = f"{type(error).__name__}: {error}."
        failed = MigrationFailed(migration.id, step=step, reason=reason, left=f"The schema is still {journal.version}.")
    await enter(work.store, journal, migration, direction, "failed", run=work.run, by=work.by, words=str(failed))
    return failed
