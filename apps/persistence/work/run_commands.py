"""This module is what people ask of runs: request, pause, resume, limit, cancel. Workers answer by events; web processes only ask."""

from __future__ import annotations

from typing import cast

from ..encoding import Value
from ..errors import InvalidInput, InvalidState, PlanStale, VersionConflict
from ..events import Head, NewEvent
from ..registry import Command, Registry
from ..store import CONSOLE, Store, append, load
from .operation import Operations, can_dry_run, leaves_behind, restore_operation
from .parameters import stored_values
from .planning import check_plan, digest_of
from .refusals import note_refusal
from .run import Run, RunState, load_run, run_from, run_ref

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
            await self._request_or_refuse(store, command)
        elif command.name in _MOVES:
            await self._move(store, command)
        else:
            raise InvalidInput(f"A run knows no command {command.name!r}; it knows request, pause, resume, limit and cancel.")

    async def _request_or_refuse(self, store: Store, command: Command) -> None:
        """A refusal is written down before it is raised, so that it can be read after whoever waited for it is gone."""
        try:
            await self._request(store, command)
        except (InvalidInput, PlanStale) as error:
            await note_refusal(store, command, str(error))
            raise

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
        event, _ = _MOVES[command.name]
        history = (await load(store.on(CONSOLE), command.aggregate)).events
        run = run_from(history)
        if run is None:
            raise InvalidInput(f"There is no run {command.aggregate.id}.")
        limit = _limit(command.payload.get("limit", 0))
        if any(stored.event.causation == command.id for stored in history):
            return
        check_move(run, command.name)
        if event == "limited" and run.limit == limit:
            return
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


def check_move(run: Run, word: str) -> None:
    """Raises InvalidState, saying how the run stands, where `pause`, `resume`, `cancel` or `limit` makes no sense now."""
    event, allowed = _MOVES[word]
    if run.state in allowed:
        return
    if event == run.state.value:
        raise InvalidState(f"The run is {event} already.")
    if word == "resume" and run.state in (RunState.CONFIRMED, RunState.RUNNING):
        stands = "is running" if run.state is RunState.RUNNING else "waits for a worker"
        raise InvalidState(f"The run {stands} already; only a paused run can be resumed.")
    raise InvalidState(f"The run is {run.state}; it cannot be {event} any more.")


def _limit(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= GREATEST_LIMIT:
        raise InvalidInput(f"The limit is {str(value)[:60]!r}; it is a whole number of events a second, 0 for none.")
    return value


def _event(command: Command, event_type: str, payload: dict[str, Value]) -> NewEvent:
    return NewEvent(type=event_type, payload=payload, actor=command.actor, correlation=command.correlation, causation=command.id)
