"""This module is carrying out one saga as far as it goes now: its commands by the handlers of their aggregates, its progress as events.

Before a command there is an event that names it, and the command has the id that is in there. So a worker that is killed anywhere leaves
what the next one needs: the same command again, which does nothing where it was carried out already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, Unavailable, VersionConflict
from apps.persistence.events import AggregateRef, Event, NewEvent, State, fold, format_time, new_id, now
from apps.persistence.registry import Command, Registry
from apps.persistence.store import History, Store, append, head_of, load
from apps.persistence.work.commands import is_final

from ..stored import inner
from .definition import Saga, SagaCommand, Step
from .moves import LOOK_SECONDS, Ask, End, Look, Start, Wait, next_move
from .progress import aggregate_of, step_of

COMMAND_SECONDS = 15.0
ACTOR = "saga"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt came to nothing: `kind` is refused, error or timeout."""

    kind: str
    reason: str


async def begin_by(store: Store, saga: Saga, event: Event) -> None:
    """Begin the saga that this event triggers, if it is not begun already. Raises as `append`."""
    ref = AggregateRef(saga.context, saga.type, event.aggregate.id)
    for trigger in saga.triggers:
        if trigger.event != (event.aggregate.context, event.aggregate.type, event.type) or event.time < trigger.since:
            continue
        head = await head_of(store, ref)
        if head.version == 0:
            begun = NewEvent(
                type="begun",
                payload={"said": trigger.said_of(event)},
                actor=ACTOR,
                correlation=event.correlation,
                causation=event.id,
            )
            await append(store, head, [begun])


async def advance(store: Store, registry: Registry, saga: Saga, ref: AggregateRef) -> float | None:
    """Do the one thing that is next for a saga. Returns the seconds until there is something to do; None where it has ended, or where an
    event was stored, after which it can be called again.

    Raises VersionConflict where another worker is at it, and Unavailable where the server is away: call it again.
    """
    history = await load(store, ref)
    state = fold(aggregate_of(saga), (stored.event for stored in history.events))
    move = next_move(saga, state, now())
    if move is None:
        return None
    if isinstance(move, Wait):
        return move.seconds
    events = await _Turn(store=store, registry=registry, history=history, state=state).take(move)
    if not events:
        return LOOK_SECONDS
    await append(store, history.head, events)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One move of a saga whose history was just read."""

    store: Store
    registry: Registry
    history: History
    state: State

    async def take(self, move: Start | Ask | Look | End) -> list[NewEvent]:
        """The events that the move leaves; none where there is nothing to tell yet."""
        match move:
            case Start():
                return [await self._start(move)]
            case Ask():
                return await self._ask(move)
            case Look():
                return await self._look(move)
        return [self._event(move.event, {})]

    @property
    def said(self) -> Mapping[str, Value]:
        """What the saga was begun with."""
        return inner(self.state, "said")

    @property
    def last(self) -> Event:
        """The newest event of the saga."""
        return self.history.events[-1].event

    async def _start(self, move: Start) -> NewEvent:
        asked, event_id = _command_of(move.step, self.said, is_undo=move.is_undo), new_id()
        known = step_of(self.state, move.step.name) or {}
        after = known.get("after")
        if after is None:
            after = (await head_of(self.store, asked.aggregate, leader=True)).version
        payload: dict[str, Value] = {
            "step": move.step.name,
            "attempt": move.attempt,
            "command": move.command or event_id,
            "aggregate": str(asked.aggregate),
            "name": asked.name,
            "after": after,
        }
        return self._event("compensation_started" if move.is_undo else "step_started", payload, id=event_id)

    async def _ask(self, move: Ask) -> list[NewEvent]:
        failure = await self._carry_out(move)
        if failure is not None and move.is_undo:
            return self._undo_failed(move, failure)
        if failure is not None:
            return self._step_failed(move.step, move.attempt, failure)
        if move.is_undo:
            return [self._event("compensation_done", {"step": move.step.name, "note": ""})]
        return [self._event("step_asked" if move.step.done_on else "step_done", {"step": move.step.name})]

    async def _carry_out(self, move: Ask) -> Failure | None:
        """Have the handler do it; None where it did. Raises Unavailable."""
        asked = _command_of(move.step, self.said, is_undo=move.is_undo)
        handler = self.registry.commands.get((asked.aggregate.context, asked.aggregate.type))
        if handler is None:
            return Failure(kind="error", reason=f"Nobody here handles commands for {asked.aggregate.context}.{asked.aggregate.type}.")
        command = Command(
            id=move.command,
            aggregate=asked.aggregate,
            name=asked.name,
            payload=asked.payload,
            actor=ACTOR,
            correlation=self.last.correlation,
        )
        try:
            async with asyncio.timeout(min(COMMAND_SECONDS, move.step.timeout_seconds)):
                await handler(self.store, command)
        except InvalidInput as error:
            if not is_final(error):  # another worker may have the key that this one lacks
                raise
            return Failure(kind="refused", reason=str(error))
        except TimeoutError:
            return Failure(kind="error", reason=f"The command {asked.name} of {asked.aggregate} did not come to an end in time.")
        except (Unavailable, VersionConflict):
            raise
        except Exception as error:  # a domain's own code
            log.exception("the command %s of %s failed", asked.name, asked.aggregate)
            return Failure(kind="error", reason=f"{type(error).__name__}: {error}")
        return None

    async def _look(self, move: Look) -> list[NewEvent]:
        asked = _command_of(move.step, self.said, is_undo=False)
        found = await load(self.store, asked.aggregate, after=move.after)
        for stored in found.events:
            event = stored.event
            if event.type in move.step.done_on:
                return [self._event("step_done", {"step": move.step.name, "note": event.type})]
            if event.type in move.step.failed_on:
                reason = f"{asked.aggregate} says {event.type}."
                return self._step_failed(move.step, move.attempt, Failure(kind="answered", reason=reason))
        if now() < move.deadline:
            return []
        waited = " or ".join(move.step.done_on)
        reason = f"No {waited} of {asked.aggregate} came in {move.step.timeout_seconds:g} seconds."
        return self._step_failed(move.step, move.attempt, Failure(kind="timeout", reason=reason))

    def _step_failed(self, step: Step, attempt: int, failure: Failure) -> list[NewEvent]:
        """The attempt failed; if it was the last one, or a refusal, the saga turns back."""
        may_retry = failure.kind in ("error", "timeout")
        pause = step.retry.pause_after(attempt) if may_retry else None
        failed = self._event("step_failed", _failed(step, failure, pause))
        if pause is not None:
            return [failed]
        return [failed, self._event("turned_back", {"reason": f"{step.name}: {failure.reason}"})]

    def _undo_failed(self, move: Ask, failure: Failure) -> list[NewEvent]:
        """Of a step that may not have happened a refusal says that nothing has to be undone."""
        if failure.kind == "refused" and not move.is_certain:
            return [self._event("compensation_done", {"step": move.step.name, "note": f"nothing to undo: {failure.reason}"})]
        pause = move.step.retry.pause_after(move.attempt) if failure.kind != "refused" else None
        failed = self._event("compensation_failed", _failed(move.step, failure, pause))
        if pause is not None:
            return [failed]
        reason = f"{move.step.name} cannot be undone: {failure.reason} See to it, then have the saga try again by its command retry."
        return [failed, self._event("stuck", {"reason": reason})]

    def _event(self, type: str, payload: dict[str, Value], *, id: str | None = None) -> NewEvent:
        return NewEvent(type=type, payload=payload, actor=ACTOR, correlation=self.last.correlation, causation=self.last.id, id=id)


def _command_of(step: Step, said: Mapping[str, Value], *, is_undo: bool) -> SagaCommand:
    if is_undo:
        assert step.compensation is not None
        return step.compensation(said)
    return step.command(said)


def _failed(step: Step, failure: Failure, pause: float | None) -> dict[str, Value]:
    retry_at = format_time(now() + timedelta(seconds=pause)) if pause is not None else None
    return {"step": step.name, "kind": failure.kind, "reason": failure.reason, "retry_at": retry_at}
