"""This module is what a migration is: a declared step from one schema version to the next, and what carries it out in each direction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..encoding import Value
from ..errors import InvalidInput, MigrationConflict
from ..events import AggregateDefinition, AggregateRef
from ..store import Store
from ..subjects import check_token
from .version import SchemaVersion

Definitions = Mapping[tuple[str, str], AggregateDefinition]
Report = Callable[[int, int], Awaitable[None]]
"""Told how much of how much is done. What it raises ends the migration, which can be taken up again."""


async def no_report(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a change is given: the store, how aggregates are folded, who wants it, and the run that it is part of.

    The same `run` again means: go on with what was begun. `may_differ` are paths of states that an operator expects to differ.
    """

    store: Store
    run: str
    by: str
    definitions: Definitions
    report: Report = no_report
    say: Callable[[str], None] = lambda line: None
    may_differ: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a dry run found: counts, what stands in the way (nothing: it may be run), and a report for the page."""

    problems: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    report: Mapping[str, Value] | None = None


class Change(Protocol):
    """What a migration does. Every function may be called again after an interruption, with the same `run`, and then ends the same."""

    @property
    def is_reversible(self) -> bool:
        """Whether `down` exists."""

    async def validate(self, work: Work) -> tuple[str, ...]:
        """Reads only, quickly: what stands in the way, in sentences."""

    async def rehearse(self, work: Work) -> Rehearsal:
        """Do everything without writing."""

    async def up(self, work: Work) -> str:
        """Do it, and say in a sentence what was done."""

    async def down(self, work: Work) -> str:
        """Undo it, and say in a sentence what was done."""

    async def abandon(self, work: Work) -> None:
        """Tidy up after a run that was cancelled or failed: what served before serves, and writers can write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A step of a domain's schema. `id` is unique in its domain; `created` is the day it was written."""

    id: str
    title: str
    from_version: SchemaVersion
    to_version: SchemaVersion
    change: Change
    author: str = ""
    created: str = ""

    def __post_init__(self) -> None:
        check_token(self.id, "a migration's id")
        if self.to_version <= self.from_version:
            raise InvalidInput(
                f"The migration {self.id} leads from {self.from_version} to {self.to_version}; it must lead to a newer version."
            )

    @property
    def is_reversible(self) -> bool:
        """Whether it can be rolled back."""
        return self.change.is_reversible


Step = Callable[[Work], Awaitable[str]]
Validate = Callable[[Work], Awaitable[tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A change of a domain's own, as plain functions. Each must be safe to call again. Without `undo` it cannot be rolled back."""

    do: Step
    undo: Step | None = None
    check: Validate | None = None

    @property
    def is_reversible(self) -> bool:
        """Whether there is a way back."""
        return self.undo is not None

    async def validate(self, work: Work) -> tuple[str, ...]:
        """What the domain's own check finds."""
        return await self.check(work) if self.check else ()

    async def rehearse(self, work: Work) -> Rehearsal:
        """Only the check; plain functions cannot be tried without writing."""
        return Rehearsal(problems=await self.validate(work))

    async def up(self, work: Work) -> str:
        """Call `do`."""
        return await self.do(work)

    async def down(self, work: Work) -> str:
        """Call `undo`."""
        assert self.undo is not None, "the runner asks is_reversible first"
        return await self.undo(work)

    async def abandon(self, work: Work) -> None:
        """Nothing to tidy: plain functions are called again."""


def check_migrations(domain: str, migrations: Iterable[Migration]) -> tuple[Migration, ...]:
    """The migrations of a domain in order. Raises MigrationConflict where two have one id or claim one step."""
    ids: set[str] = set()
    steps: dict[tuple[SchemaVersion, SchemaVersion], str] = {}
    ordered = sorted(migrations, key=lambda one: (one.from_version, one.to_version, one.id))
    for one in ordered:
        if one.id in ids:
            raise MigrationConflict(f"The domain {domain} declares the migration {one.id} twice; rename one.")
        step = (one.from_version, one.to_version)
        if step in steps:
            raise MigrationConflict(
                f"The migrations {steps[step]} and {one.id} of the domain {domain} both claim the step from {step[0]} to {step[1]}; "
                "keep one, or give one a version of its own."
            )
        ids.add(one.id)
        steps[step] = one.id
    return tuple(ordered)


def ref_of(domain: str) -> AggregateRef:
    """The aggregate that keeps what was applied to a domain."""
    return AggregateRef("console", "migrations", domain)
