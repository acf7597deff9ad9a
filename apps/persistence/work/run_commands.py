"""This module is what people ask of runs: request, pause, resume, limit, cancel. Workers answer by events; web processes only ask."""

from __future__ import annotations

from typing import cast

from ..encoding import Value
from ..errors import InvalidInput, InvalidState, VersionConflict
from ..events import Head, NewEvent
from ..registry import Command, Registry
from ..store import CONSOLE, Store, append
from .operation import Operations, can_dry_run, leaves_behind, restore_operation
from .parameters import stored_values
from .planning import check_plan, digest_of
from .run import Run, RunState, load_run, run_ref

_NOT_ENDED = frozenset({RunState.CONFIRMED, RunState.RUNNING, RunState.PAUSED})
_MOVES = {
    "pause": ("paused", frozenset({RunState.CONFIRMED, RunState.RUNNING})),
    "resume": ("resumed", frozenset({RunState.PAUSED})),
    "cancel": ("cancelled", _NOT_ENDED),
    "limit": ("limited", _NOT_ENDED),
}
VIA_LETTERS = 100
GREATEST_LIMIT = 10_000_000


class RunCommands:
    """The handler of every command to a `run`: `request`, `pause`, `resume`, `limit`, `cancel`."""

    def __init__(self, operations: Operations, registry: Registry) -> None:
        self._operations = operations
        self._registry = registry

    async def __call__(self, store: Store, command: Command) -> None:
        """Append what the command causes. Raises InvalidInput, InvalidState, PlanStale, or Unavailable to be called again."""
        if command.name == "request":
            await self._request(store, command)
        elif command.name in _MOVES:
            await self._move(store, command)
        else:
            raise InvalidInput(f"A run knows no command {command.name!r}; it knows request, pause, resume, limit and cancel.")

    async def _request(self, store: Store, command: Command) -> None:
        """Plan again, refuse if the world has moved, and store `requested` and `confirmed` together: the second is the work item."""
        asked = command.payload
        reason = str(asked.get("reason", "")).strip()
        if not reason:
            raise InvalidInput("A reason is needed: it is what others will read of this run later.")
        name = str(asked.get("operation", ""))
        operation = restore_operation(self._operations, name, cast("dict[str, Value]", asked.get("parameters", {})))
        is_dry_run = bool(asked.get("dry_run", False))
        if is_dry_run and not can_dry_run(operation):
            raise InvalidInput(f"{operation.title} has no dry run; its plan says what it would do.")
        plan = await operation.plan(store, self._registry)
        if not is_dry_run:
            check_plan(cast("dict[str, Value]", asked.get("saw", {})), plan)
        requested: dict[str, Value] = {
            "operation": name,
            "parameters": stored_values(operation),
            "target": operation.target,
            "summary": f"Dry run: {plan.summary}" if is_dry_run else plan.summary,
            "reason": reason,
            "digest": digest_of(name, operation, plan),
            "saw": plan.saw,
            "dry_run": is_dry_run,
            "limit": _limit(asked.get("limit", 0)),
            "via": str(asked.get("via", ""))[:VIA_LETTERS],
            "retry_of": str(asked.get("retry_of", "")),
        }
        events = [_event(command, "requested", requested), _event(command, "confirmed", {})]
        try:
            await append(store.on(CONSOLE), Head(aggregate=run_ref(command.aggregate.id)), events)
        except VersionConflict:
            if not await load_run(store, command.aggregate.id):
                raise

    async def _move(self, store: Store, command: Command) -> None:
        event, allowed = _MOVES[command.name]
        run = await load_run(store, command.aggregate.id)
        if run is None:
            raise InvalidInput(f"There is no run {command.aggregate.id}.")
        limit = _limit(command.payload.get("limit", 0))
        if _is_already(run, event, limit):
            return
        if run.state not in allowed:
            raise InvalidState(f"The run is {run.state}; it cannot be {event} any more.")
        payload: dict[str, Value] = {"via": via} if (via := str(command.payload.get("via", ""))[:VIA_LETTERS]) else {}
        if event == "cancelled":
            payload |= {"outcome": f"Cancelled by {command.actor}. {self._leaves(run)}".strip(), "figures": {}}
        if event == "limited":
            payload |= {"limit": limit}
        await append(store.on(CONSOLE), run.head, [_event(command, event, payload)])

    def _leaves(self, run: Run) -> str:
        """What a cancelled run leaves behind, in its operation's words."""
        if not run.attempts:
            return "It had not begun."
        if run.is_dry_run:
            return "A dry run only reads."
        try:
            return leaves_behind(restore_operation(self._operations, run.operation, run.parameters), "cancel")
        except InvalidInput:
            return ""


def _is_already(run: Run, event: str, limit: int) -> bool:
    is_there = (event == "paused" and run.state is RunState.PAUSED) or (event == "cancelled" and run.state is RunState.CANCELLED)
    return is_there or (event == "limited" and run.limit == limit)


def _limit(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= GREATEST_LIMIT:
        raise InvalidInput(f"The limit is {str(value)[:60]!r}; it is a whole number of events a second, 0 for none.")
    return value


def _event(command: Command, event_type: str, payload: dict[str, Value]) -> NewEvent:
    return NewEvent(type=event_type, payload=payload, actor=command.actor, correlation=command.correlation, causation=command.id)
