"""This module is what the API takes and answers with, as dataclasses: the JSON and its schema both follow from their fields.

A field with a default may be left out; every other is always there. A class's docstring is its description in the document.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

JsonMap = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """What is wrong with one field of what was sent; `field` is its path, such as `parameters.projection`."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemShape:
    """What went wrong, as RFC 9457 has it. `detail` is a sentence for a person; `type` says which problem it is, for a program."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: tuple[FieldProblem, ...] | None = None
    permission: str | None = None
    role: str | None = None
    saw: JsonMap | None = None
    now: JsonMap | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemKindShape:
    """A kind of problem: what its `type` stands for."""

    type: str
    title: str
    status: int
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterShape:
    """A parameter of an operation. `schema` is the JSON Schema of its value; `options` are the values there are now, where it has such."""

    name: str
    kind: str
    is_required: bool
    help: str
    schema: JsonMap
    options: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationShape:
    """An operation that can be started. `may_start` says whether this token may; `unit` is what its progress and its limit count."""

    name: str
    title: str
    description: str
    permission: str
    may_start: bool
    has_dry_run: bool
    unit: str
    parameters: tuple[ParameterShape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsShape:
    """Every operation, in the order in which they are declared."""

    operations: tuple[OperationShape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanBody:
    """The parameters to plan with; those that are left out have their default. Or `retry_of`, a run whose failed items are done again."""

    parameters: JsonMap = field(default_factory=dict)
    retry_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeShape:
    """One line of a plan: what it is now and what it will be."""

    what: str
    now: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountShape:
    """How many of a kind an operation works on."""

    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanShape:
    """What an operation would do. Nothing was written; `plan` confirms or tries just this, for an hour, and starts one run at most.

    `confirm_with` is what to send with the confirmation where the operation destroys, else empty. `seconds` is null where nothing was
    measured yet. `saw` is what the plan relies on: a run is refused when that has changed.
    """

    plan: str
    operation: str
    parameters: JsonMap
    target: str
    summary: str
    changes: tuple[ChangeShape, ...]
    counts: tuple[CountShape, ...]
    notes: tuple[str, ...]
    undo: str
    seconds: float | None
    rate_source: str
    confirm_with: str
    saw: JsonMap
    digest: str
    last_dry_run: str | None
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunBody:
    """The plan to try: what only reads needs no reason."""

    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmBody:
    """The confirmation of a plan: why, the target's name where the plan asks for it, and the most of its unit a second (0: no limit)."""

    plan: str
    reason: str
    confirm_with: str = ""
    limit: int = 0
    retry_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedShape:
    """A request that is stored. A worker takes it up, or refuses it; the run says which. `requests_waiting` is the queue before it."""

    run: str
    url: str
    workers_alive: int
    requests_waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitBody:
    """At most how much a second, in the unit of the operation; 0 for no limit."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBody:
    """Nothing: the body is empty, or an empty object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedShape:
    """What was asked of a run is stored, and a worker carries it out."""

    run: str
    url: str
    asked: str
