"""This module is what an operation is: parameters, a plan that writes nothing, and a run that can be interrupted anywhere.

An operation is a frozen dataclass; its fields are its parameters (`str`, `int` or `bool`, with help in the field's metadata), its
docstring's first line says what it does. From the class alone follow the form, the review, the run and the receipt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast, get_type_hints

from ..encoding import Value, cid_of, encode
from ..errors import InvalidInput, PlanStale
from ..registry import Registry
from ..store import Store

ParameterKind = Literal["text", "number", "switch"]


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
    was paused or cancelled or is no longer this worker's: let it pass. `requested_by` is the person who started it.
    """

    checkpoint: dict[str, Value] | None
    requested_by: str

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        """`done` of `total` (events, or what the operation counts)."""

    def log(self, line: str) -> None:
        """A line for the person who watches."""


class RunInterrupted(BaseException):
    """The run must stop here: `why` is paused, cancelled or lost. Like a cancellation, not an error: operations let it pass."""

    def __init__(self, why: Literal["paused", "cancelled", "lost"]) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended well: one sentence, and figures that later estimates and receipts use (`events`, `seconds` …)."""

    sentence: str
    figures: dict[str, Value] = dataclasses.field(default_factory=dict)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter as a form shows it."""

    name: str
    kind: ParameterKind
    default: str | int | bool | None
    help: str
    is_required: bool


_KINDS: dict[type, ParameterKind] = {str: "text", int: "number", bool: "switch"}


def parameters_of(operation: type[Operation]) -> tuple[Parameter, ...]:
    """The parameters that an operation declares, in order."""
    hints = get_type_hints(operation)
    return tuple(
        Parameter(
            name=field.name,
            kind=_KINDS[hints[field.name]],
            default=None if field.default is dataclasses.MISSING else field.default,
            help=str(field.metadata.get("help", "")),
            is_required=field.default is dataclasses.MISSING,
        )
        for field in dataclasses.fields(cast(Any, operation))
    )


def build_operation(operation: type[Operation], given: Mapping[str, str]) -> Operation:
    """The operation with parameters from text, as a form or a command line gives them. Raises InvalidInput naming the parameter."""
    parameters = parameters_of(operation)
    unknown = sorted(given.keys() - {parameter.name for parameter in parameters})
    if unknown:
        raise InvalidInput(f"{operation.title} has no parameter {', '.join(unknown)}.")
    values = {parameter.name: _read(parameter, given.get(parameter.name, "").strip()) for parameter in parameters}
    return cast(Operation, cast(Any, operation)(**{name: value for name, value in values.items() if value is not None}))


def restore_operation(operations: Operations, name: str, parameters: Mapping[str, Value]) -> Operation:
    """The operation of a stored run. Raises InvalidInput where this version of the console does not know it."""
    if name not in operations:
        raise InvalidInput(f"This console knows no operation {name!r}; it knows {', '.join(sorted(operations))}.")
    try:
        return cast(Operation, cast(Any, operations[name])(**parameters))
    except TypeError as error:
        raise InvalidInput(f"The parameters of the {name} do not fit this version of the console: {error}.") from error


def parameters_as_value(operation: Operation) -> dict[str, Value]:
    """The parameters as they are stored in the run's events."""
    return cast("dict[str, Value]", dataclasses.asdict(cast(Any, operation)))


def digest_of(name: str, operation: Operation, plan: Plan) -> str:
    """What identifies a plan: the CID of the operation, its parameters and what it saw."""
    return str(cid_of(encode({"operation": name, "parameters": parameters_as_value(operation), "saw": plan.saw})))


def check_plan(saw: Mapping[str, Value], plan: Plan) -> None:
    """Raises PlanStale, saying how, if the world is not what the confirmed plan saw."""
    moved = [f"{name} was {saw.get(name)!s} and is {value!s}" for name, value in plan.saw.items() if saw.get(name) != value]
    if moved:
        raise PlanStale(f"The plan no longer holds: {'; '.join(moved)}. Plan again.")


def _read(parameter: Parameter, text: str) -> str | int | bool | None:
    if parameter.kind == "switch":
        return text.lower() in ("on", "true", "yes", "1")
    if not text:
        if parameter.is_required:
            raise InvalidInput(f"{parameter.name} is missing: {parameter.help}")
        return None
    if parameter.kind == "text":
        return text
    digits = text.replace(",", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise InvalidInput(f"{parameter.name} is {text!r}; it must be a whole number.")
    return int(digits)
