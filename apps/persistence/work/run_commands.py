"""This module is what people ask of runs: request one, pause, resume or cancel it. Workers answer by events; web processes only ask."""

from __future__ import annotations

from typing import cast

from ..encoding import Value
from ..errors import InvalidInput, InvalidState, VersionConflict
from ..events import Head, NewEvent
from ..registry import Command, Registry
from ..store import CONSOLE, Store, append
from .operation import Operations, check_plan, digest_of, parameters_as_value, restore_operation
from .run import Run, RunState, load_run, run_ref

_MOVES = {
    "pause": ("paused", frozenset({RunState.CONFIRMED, RunState.RUNNING})),
    "resume": ("resumed", frozenset({RunState.PAUSED})),
    "cancel": ("cancelled", frozenset({RunState.CONFIRMED, RunState.RUNNING, RunState.PAUSED})),
}


class RunCommands:
    """The handler of every command to a `run`: `request`, `pause`, `resume`, `cancel`."""

    def __init__(self, operations: Operations, registry: Registry) -> None:
        self._operations = operations
        self._registry = registry

    async def __call__(self, store: Store, command: Command) -> None:
        """Append what the command causes. Raises InvalidInput, InvalidState, PlanStale, or Unavailable to be called again."""
        if command.name == "request":
            await self._request(store, command)
        elif command.name in _MOVES:
            await _move(store, command)
        else:
            raise InvalidInput(f"A run knows no command {command.name!r}; it knows request, pause, resume and cancel.")

    async def _request(self, store: Store, command: Command) -> None:
        """Plan again, refuse if the world has moved, and store `requested` and `confirmed` together: the second is the work item."""
        asked = command.payload
        reason = str(asked.get("reason", "")).strip()
        if not reason:
            raise InvalidInput("A reason is needed: it is what others will read of this run later.")
        name = str(asked.get("operation", ""))
        operation = restore_operation(self._operations, name, cast("dict[str, Value]", asked.get("parameters", {})))
        plan = await operation.plan(store, self._registry)
        check_plan(cast("dict[str, Value]", asked.get("saw", {})), plan)
        requested: dict[str, Value] = {
            "operation": name,
            "parameters": parameters_as_value(operation),
            "target": operation.target,
            "summary": plan.summary,
            "reason": reason,
            "digest": digest_of(name, operation, plan),
            "saw": plan.saw,
        }
        events = [_event(command, "requested", requested), _event(command, "confirmed", {})]
        try:
            await append(store.on(CONSOLE), Head(aggregate=run_ref(command.aggregate.id)), events)
        except VersionConflict:
            if not await load_run(store, command.aggregate.id):
                raise


async def _move(store: Store, command: Command) -> None:
    event, allowed = _MOVES[command.name]
    run = await load_run(store, command.aggregate.id)
    if run is None:
        raise InvalidInput(f"There is no run {command.aggregate.id}.")
    if _is_already(run, event):
        return
    if run.state not in allowed:
        raise InvalidState(f"The run is {run.state}; it cannot be {event} any more.")
    payload: dict[str, Value] = {"outcome": f"Cancelled by {command.actor}.", "figures": {}} if event == "cancelled" else {}
    await append(store.on(CONSOLE), run.head, [_event(command, event, payload)])


def _is_already(run: Run, event: str) -> bool:
    return (event == "paused" and run.state is RunState.PAUSED) or (event == "cancelled" and run.state is RunState.CANCELLED)


def _event(command: Command, event_type: str, payload: dict[str, Value]) -> NewEvent:
    return NewEvent(type=event_type, payload=payload, actor=command.actor, correlation=command.correlation, causation=command.id)
