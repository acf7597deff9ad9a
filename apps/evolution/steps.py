"""This module is the migrations that domains declare: which wait, which were carried out, by whom, and what may be done with each now."""

from __future__ import annotations

from dataclasses import dataclass

from apps.persistence.errors import PersistenceError
from apps.persistence.evolution import Entry, Journal, Migration, SchemaVersion, read_journal
from apps.persistence.operations.migrate import check_turn
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import Store

_STATES = {
    "applied": ("done", "Applied"),
    "rolled_back": ("off", "Rolled back"),
    "failed": ("failed", "Failed"),
    "abandoned": ("cancelled", "Cancelled"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A migration of a domain. `not_forward` and `not_back` say why it cannot be carried out or rolled back now; empty where it can.

    `migration` is None where it was applied and is no longer declared.
    """

    domain: str
    id: str
    migration: Migration | None
    is_running: bool
    is_applied: bool
    last: Entry | None
    not_forward: str
    not_back: str

    @property
    def name(self) -> str:
        """How the operation names it."""
        return f"{self.domain}.{self.id}"

    @property
    def row_id(self) -> str:
        return f"step-{self.name}"

    @property
    def state(self) -> str:
        return self._state[0]

    @property
    def words(self) -> str:
        return self._state[1]

    @property
    def is_declared(self) -> bool:
        return self.migration is not None

    @property
    def _state(self) -> tuple[str, str]:
        if self.is_running:
            return "running", "Running"
        if self.is_applied:
            return _STATES["applied"]
        return _STATES[self.last.kind] if self.last and self.last.kind != "applied" else ("waiting", "Pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSteps:
    """A domain's schema version, its migrations in order, and what was done, newest first."""

    domain: Domain
    version: SchemaVersion
    steps: tuple[Step, ...]
    entries: tuple[Entry, ...]


async def read_steps(store: Store, registry: Registry) -> tuple[DomainSteps, ...]:
    """Every domain that declares migrations. Raises Unavailable."""
    found = []
    for domain in registry.domains:
        declared = registry.migrations.get(domain.name, ())
        if declared:
            found.append(_steps(domain, declared, await read_journal(store, domain.name)))
    return tuple(found)


def why_not(journal: Journal, migration: Migration, direction: str) -> str:
    """Why a migration cannot be carried out (`forward`) or rolled back (`back`) now; empty where it can."""
    if journal.running:
        return f"{journal.running.migration} is running; wait for it, or cancel its run."
    try:
        check_turn(journal, migration, direction)
    except PersistenceError as error:
        return str(error)
    return ""


def _steps(domain: Domain, declared: tuple[Migration, ...], journal: Journal) -> DomainSteps:
    known = {one.id for one in declared}
    gone = [one_id for one_id in journal.applied if one_id not in known]
    steps = [*(_step(domain.name, one.id, one, journal) for one in declared), *(_step(domain.name, one, None, journal) for one in gone)]
    return DomainSteps(domain=domain, version=journal.version, steps=tuple(steps), entries=journal.entries[::-1])


def _step(domain: str, one_id: str, migration: Migration | None, journal: Journal) -> Step:
    is_running = journal.running is not None and journal.running.migration == one_id
    return Step(
        domain=domain,
        id=one_id,
        migration=migration,
        is_running=is_running,
        is_applied=one_id in journal.applied,
        last=journal.running if is_running else journal.last_of(one_id),
        not_forward=why_not(journal, migration, "forward") if migration else "",
        not_back=why_not(journal, migration, "back") if migration else "",
    )
