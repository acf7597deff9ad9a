"""This module is the journal of a domain's migrations: events of `console.migrations.{domain}` in CIM-CONSOLE, chained like all others.

What is applied is what these events fold to; there is no other record. An event is appended after the head that was read, so two runners
can never both begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from ..encoding import Value
from ..errors import InvalidState, MigrationConflict, VersionConflict
from ..events import AggregateDefinition, Event, Head, NewEvent, State, fold, format_time, parse_time
from ..store import CONSOLE, Store, append, load
from .migration import Migration, ref_of
from .version import FIRST_VERSION, SchemaVersion

Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened: `kind` is started, applied, rolled_back, failed or abandoned."""

    kind: str
    migration: str
    from_version: str
    to_version: str
    by: str
    at: datetime
    run: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What was done to one domain: its version, the migrations that are applied (oldest first), the one that is running, everything."""

    domain: str
    head: Head
    version: SchemaVersion
    applied: tuple[str, ...]
    running: Entry | None
    entries: tuple[Entry, ...]

    def last_of(self, migration: str) -> Entry | None:
        """What happened last to a migration, the beginnings aside."""
        own = [entry for entry in self.entries if entry.migration == migration and entry.kind != "started"]
        return own[-1] if own else None


def _apply(state: State, event: Event) -> State:
    said = event.payload
    entry: dict[str, Value] = {**said, "kind": event.type, "by": event.actor, "at": format_time(event.time)}
    applied = [one for one in cast("list[str]", state["applied"]) if one != said["migration"]]
    running: Value = None
    version = state["version"]
    match event.type:
        case "started":
            applied, running = cast("list[str]", state["applied"]), entry
        case "applied":
            applied, version = [*applied, cast(str, said["migration"])], said["to"]
        case "rolled_back":
            version = said["to"]
        case "failed" | "abandoned":
            applied = cast("list[str]", state["applied"])
        case _:
            raise InvalidState(f"The journal of migrations knows no event {event.type!r}.")
    entries: list[Value] = [*cast("list[Value]", state["entries"]), entry]
    return {"version": version, "applied": cast("list[Value]", applied), "running": running, "entries": entries}


def _summarise(event: Event) -> str:
    said = cast("dict[str, str]", event.payload)
    return f"{said['migration']}: {said['from']} → {said['to']}"


JOURNAL_DEFINITION = AggregateDefinition(
    context="console",
    type="migrations",
    title="Migrations",
    apply=_apply,
    initial={"version": str(FIRST_VERSION), "applied": [], "running": None, "entries": []},
    summarise=_summarise,
)


async def read_journal(store: Store, domain: str) -> Journal:
    """What was done to a domain; version 1.0 where nothing was."""
    found = await load(store.on(CONSOLE), ref_of(domain))
    state = fold(JOURNAL_DEFINITION, (stored.event for stored in found.events))
    running = state["running"]
    return Journal(
        domain=domain,
        head=found.head,
        version=SchemaVersion.parse(cast(str, state["version"])),
        applied=tuple(cast("list[str]", state["applied"])),
        running=_entry(cast("dict[str, Value]", running)) if running else None,
        entries=tuple(_entry(one) for one in cast("list[dict[str, Value]]", state["entries"])),
    )


async def begin(store: Store, journal: Journal, migration: Migration, direction: Direction, *, run: str, by: str) -> Journal:
    """Enter that a run begins, or go on with the one that it began before. Raises MigrationConflict where another is running."""
    if journal.running and journal.running.run != run:
        raise MigrationConflict(
            f"The migration {journal.running.migration} of {journal.domain} is running since {journal.running.at:%Y-%m-%d %H:%M:%S} UTC, "
            f"started by {journal.running.by} (run {journal.running.run}); wait for it, or cancel it."
        )
    if journal.running:
        return journal
    return await enter(store, journal, migration, direction, "started", run=run, by=by)


async def enter(
    store: Store, journal: Journal, migration: Migration, direction: Direction, kind: str, *, run: str, by: str, words: str = ""
) -> Journal:
    """Append one event after the head that was read. Raises MigrationConflict if somebody was faster."""
    start, end = migration.from_version, migration.to_version
    if direction == "down":
        start, end = end, start
    payload: dict[str, Value] = {"migration": migration.id, "from": str(start), "to": str(end), "run": run, "words": words}
    try:
        await append(store.on(CONSOLE), journal.head, [NewEvent(type=kind, payload=payload, actor=by)])
    except VersionConflict as error:
        raise MigrationConflict(f"Another run has just changed the migrations of {journal.domain}; look again.") from error
    return await read_journal(store, journal.domain)


def _entry(given: Mapping[str, Value]) -> Entry:
    def text(name: str) -> str:
        return cast(str, given[name])

    return Entry(
        kind=text("kind"),
        migration=text("migration"),
        from_version=text("from"),
        to_version=text("to"),
        by=text("by"),
        at=parse_time(text("at")),
        run=text("run"),
        words=text("words"),
    )
