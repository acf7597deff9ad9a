"""This module is setting and removing schedules. Only operations that read can be scheduled; SCHEDULABLE is the one list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ..encoding import Value
from ..errors import InvalidInput
from ..events import now
from ..registry import Registry
from ..store import Store
from ..subjects import check_token
from ..work.operation import Change, Operation, Operations, Outcome, Plan, Progress, build_operation, restore_operation
from ..work.parameters import ParameterValue, parameters_of, stored_values
from ..work.schedules import Default, Schedule, find_schedule, list_schedules, remove_schedule, seconds_of, set_schedule, words_of
from .check_log import CheckLog
from .compare_replicas import CompareReplicas
from .record_heads import RecordHeads
from .verify import Verify

SCHEDULABLE: Operations = {"verify": Verify, "record-heads": RecordHeads, "check-log": CheckLog, "compare-replicas": CompareReplicas}
DEFAULT_SCHEDULES = (
    Default(name="verify", operation="verify", parameters={"scope": "everything"}, every_seconds=600, first_seconds=600),
    Default(name="record-heads", operation="record-heads", parameters={"scope": "everything"}, every_seconds=86_400, first_seconds=900),
)
_NOT_BY_ITSELF = {"mend": "it writes", "anew": "it would let an omission be forgotten without a person"}
"""Switches that a person must set each time, and why."""


def scheduled_operation(name: str, parameters: Mapping[str, Value]) -> Operation:
    """The operation that a schedule asks for. Raises InvalidInput where it must not be scheduled so, whoever wrote that down."""
    _kind(name)
    return _checked(name, restore_operation(SCHEDULABLE, name, parameters))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSchedule:
    """Has an operation that only reads asked for again and again, such as a verification; each time is a run of its own."""

    title: ClassVar[str] = "Set a schedule"
    permission: ClassVar[str] = "operations.set_schedule"

    what: str = field(default="verify", metadata={"help": "What is asked for.", "choices": tuple(SCHEDULABLE)})
    parameters: str = field(
        default="",
        metadata={"help": "Its parameters, one in a line, such as scope=everything; what is left out has its default.", "lines": True},
    )
    every: str = field(default="1 hour", metadata={"help": "How often: 10 minutes, 6 hours, 1 day. The first run begins at once."})
    name: str = field(default="", metadata={"help": "What the schedule is called; empty for the name of the operation."})

    @property
    def target(self) -> str:
        """One change at a time for each schedule."""
        return f"schedule/{self._name}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What it would be. Raises InvalidInput where the operation cannot be scheduled or its parameters make no sense."""
        check_token(self._name, "a schedule's name")
        operation, every = self._operation(), words_of(seconds_of(self.every))
        found = await find_schedule(store.connection, self._name)
        planned = await _try(operation, store, registry)
        return Plan(
            summary=f"Schedule {self.what} every {every}",
            saw={},
            changes=(
                Change(what="Operation", now=found.operation if found else "none", after=self.what),
                Change(what="Parameters", now=_line(found.given) if found else "none", after=_line(self._schedule("", operation).given)),
                Change(what="Every", now=found.every if found else "never", after=every),
            ),
            notes=(
                planned,
                "Times that were missed are made up for by one run, and no run begins before the last has ended.",
            ),
            undo="Remove the schedule; its runs stay.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Set it; the first run is due at once."""
        found = await find_schedule(store.connection, self._name)
        schedule = self._schedule(progress.requested_by, self._operation())
        if found is not None:
            schedule = replace(schedule, run=found.run, asked_at=found.asked_at)
        await set_schedule(store.connection, schedule)
        return Outcome(sentence=f"{self.what} is asked for every {schedule.every} by the schedule {schedule.name}.")

    @property
    def _name(self) -> str:
        return self.name or self.what

    def _operation(self) -> Operation:
        kind = _kind(self.what)
        return _checked(self.what, build_operation(kind, _given(kind, self.parameters)))

    def _schedule(self, by: str, operation: Operation) -> Schedule:
        at = now()
        return Schedule(
            name=self._name,
            operation=self.what,
            parameters=_without_defaults(operation),
            every_seconds=seconds_of(self.every),
            by=by,
            set_at=at,
            next_at=at,
        )


async def _names(store: Store, registry: Registry) -> Sequence[str]:
    return [schedule.name for schedule in await list_schedules(store.connection)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSchedule:
    """Ends a schedule: nothing more is asked for by it. The runs that it asked for stay."""

    title: ClassVar[str] = "Remove a schedule"
    permission: ClassVar[str] = "operations.remove_schedule"

    name: str = field(metadata={"help": "The schedule.", "choices": _names})

    @property
    def target(self) -> str:
        """One change at a time for each schedule."""
        return f"schedule/{self.name}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What ends. Raises InvalidInput where there is no such schedule."""
        found = await find_schedule(store.connection, self.name)
        if found is None:
            raise InvalidInput(f"There is no schedule {self.name[:80]!r}; it may have been removed already.")
        return Plan(
            summary=f"Remove the schedule {self.name}",
            saw={},
            changes=(Change(what=found.operation, now=f"every {found.every}, set by {found.by}", after="when somebody asks for it"),),
            undo="Set it again.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Remove it; removed already is the same end."""
        found = await find_schedule(store.connection, self.name)
        if found is not None:
            await remove_schedule(store.connection, self.name)
        return Outcome(sentence=f"The schedule {self.name} is removed; nothing more is asked for by it.")


def _kind(name: str) -> type[Operation]:
    if name not in SCHEDULABLE:
        raise InvalidInput(f"what is {name[:60]!r}; only {', '.join(SCHEDULABLE)} can be scheduled: they only read.")
    return SCHEDULABLE[name]


def _checked(name: str, operation: Operation) -> Operation:
    for switch, why in _NOT_BY_ITSELF.items():
        if getattr(operation, switch, False):
            raise InvalidInput(f"{name} cannot be scheduled with {switch}: {why}. Leave it out.")
    return operation


def _given(kind: type[Operation], lines: str) -> dict[str, str | list[str]]:
    """Parameters as a form would give them. Raises InvalidInput for a line that is none."""
    many = {parameter.name for parameter in parameters_of(kind) if parameter.kind == "many"}
    given: dict[str, str | list[str]] = {}
    for line in filter(None, (line.strip() for line in lines.replace(";", "\n").splitlines())):
        name, mark, value = (part.strip() for part in line.partition("="))
        if not mark or not name:
            raise InvalidInput(f"parameters has the line {line[:60]!r}; write name=value, such as scope=everything.")
        given[name] = value.split(",") if name in many else value
    return given


def _without_defaults(operation: Operation) -> dict[str, Value]:
    defaults = {parameter.name: parameter.default for parameter in parameters_of(type(operation))}
    return {name: value for name, value in stored_values(operation).items() if value != _as_stored(defaults[name])}


def _as_stored(default: ParameterValue) -> Value:
    return list(default) if isinstance(default, tuple) else default


async def _try(operation: Operation, store: Store, registry: Registry) -> str:
    """What it would do now, or why it would do nothing. That says nothing against a schedule, unless the parameters make no sense."""
    needed = getattr(operation, "is_needed", None)
    if callable(needed) and not await needed(store, registry):
        return "Nothing is new for it at this moment; it runs when there is."
    plan = await operation.plan(store, registry)
    return f"Now it would: {plan.summary}."


def _line(given: str) -> str:
    return given.replace("\n", ", ") or "none"
