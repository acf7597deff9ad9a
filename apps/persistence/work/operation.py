"""This module is what an operation is: parameters, a plan that writes nothing, and a run that can be interrupted anywhere.

An operation is a frozen dataclass; its fields are its parameters (see parameters.py), its docstring's first line says what it does. From
the class alone follow the form, the review, the dry run, the run, the receipt, the command line and the API.

Beside what every operation has, one may declare

    async def dry_run(self, store, registry, progress) -> Outcome     what would be done, in full; only reads (`Outcome.samples`)
    def leaves(self, why) -> str                                      what a pause or a cancel leaves behind, for people
    async def is_needed(self, store, registry) -> bool                whether there is anything to look at; asked where a schedule is due
    unit: ClassVar[str]                                               what its progress and limit count, where that is not events
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast

from ..encoding import Value
from ..errors import InvalidInput
from ..registry import Registry
from ..store import Store
from .parameters import Given, parameters_of, restored_values, values_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a review: what it is now and what it will be."""

    what: str
    now: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an operation would do, computed without writing. `saw` is what it relies on; a run refuses when that has changed.

    `seconds` is an estimate from measured rates, `rate_source` says which; None where nothing was measured yet. `confirm_with` is a name
    to be typed where the operation destroys.
    """

    summary: str
    saw: dict[str, Value]
    changes: tuple[Change, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    undo: str = ""
    seconds: float | None = None
    rate_source: str = ""
    confirm_with: str = ""


class Progress(Protocol):
    """What a run reports to, and by which it hears that it must stop.

    `checkpoint` is what the last `report` of an earlier attempt left, or None. `report` saves and raises RunInterrupted when the run
    was paused or cancelled or is no longer this worker's: let it pass. It also waits where the run has a limit, so report after every
    batch. `requested_by` is the person who started it, `reason` what that person said, `run_id` the run's own id, `limit` the most
    that may be done in a second, 0 for no limit.
    """

    checkpoint: dict[str, Value] | None
    run_id: str
    requested_by: str
    reason: str

    @property
    def limit(self) -> int:
        """For an operation that can take smaller batches."""

    @property
    def seconds(self) -> float:
        """How long workers have been at it, over all attempts; what a receipt keeps, so that later plans know the rate."""

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        """`done` of `total` (events, or what the operation counts)."""

    def check(self) -> None:
        """Raises RunInterrupted where the run must stop; for a loop that has nothing to report yet."""

    def log(self, line: str) -> None:
        """A line for the person who watches."""

    def fail(self, item: str, reason: str, link: str = "") -> None:
        """One item could not be done; the run goes on. With a field `only: tuple[str, ...]` of the operation, people can retry those."""


Interruption = Literal["paused", "cancelled", "lost"]


class RunInterrupted(BaseException):
    """The run must stop here: `why` is paused, cancelled or lost. Like a cancellation, not an error: operations let it pass."""

    def __init__(self, why: Interruption) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One thing that was looked at: what it is now and what it would be, or was made, as short texts; `link` is a path in the console."""

    what: str
    now: str = ""
    after: str = ""
    note: str = ""
    is_bad: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended well: one sentence, and figures that later estimates and receipts use (`events`, `seconds` …).

    The first SAMPLES_KEPT samples are kept with the receipt.
    """

    sentence: str
    figures: dict[str, Value] = dataclasses.field(default_factory=dict)
    samples: tuple[Sample, ...] = ()


class Operation(Protocol):
    """The shape of every operation."""

    title: ClassVar[str]
    permission: ClassVar[str]

    @property
    def target(self) -> str:
        """What it works on, `kind/name`; one run at a time for each."""

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be done; reads only, within 2 s. Raises InvalidInput for parameters that make no sense here."""

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Do it. May be called again after an interruption, with the last checkpoint; must then end in the same state."""


Operations = Mapping[str, type[Operation]]

SAMPLES_KEPT = 40
ONLY = "only"
"""The parameter that narrows an operation to some items: those that failed."""


def can_dry_run(operation: type[Operation] | Operation) -> bool:
    """Whether the operation declares a dry run."""
    return callable(getattr(operation, "dry_run", None))


async def perform(operation: Operation, store: Store, registry: Registry, progress: Progress, *, is_dry_run: bool) -> Outcome:
    """Run it, or its dry run. Raises InvalidInput where it declares none."""
    if not is_dry_run:
        return await operation.run(store, registry, progress)
    if not can_dry_run(operation):
        raise InvalidInput(f"{operation.title} has no dry run; its plan says what it would do.")
    return await cast(Any, operation).dry_run(store, registry, progress)  # type: ignore[no-any-return]


def leaves_behind(operation: Operation, why: Literal["pause", "cancel"]) -> str:
    """What a pause or a cancel in the middle leaves, in words; empty where the operation does not say."""
    leaves = getattr(operation, "leaves", None)
    return str(leaves(why)) if callable(leaves) else ""


def unit_of(operation: type[Operation]) -> str:
    """What the progress and the limit of its runs count."""
    return str(getattr(operation, "unit", "events"))


def can_retry(operation: type[Operation]) -> bool:
    """Whether it can be done again for some items only: those in its field `only`."""
    return any(parameter.name == ONLY and parameter.kind == "many" for parameter in parameters_of(operation))


def build_operation(operation: type[Operation], given: Given) -> Operation:
    """The operation with parameters from text, as a form or a command line gives them. Raises InvalidInput naming the parameter."""
    return cast(Operation, cast(Any, operation)(**values_from(operation, given)))


def restore_operation(operations: Operations, name: str, parameters: Mapping[str, Value]) -> Operation:
    """The operation of a stored run. Raises InvalidInput where this version of the console does not know it."""
    if name not in operations:
        raise InvalidInput(f"This console knows no operation {name[:80]!r}; it knows {', '.join(sorted(operations))}.")
    try:
        return cast(Operation, cast(Any, operations[name])(**restored_values(operations[name], parameters)))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The parameters of the {name} do not fit this version of the console: {error}.") from error
