"""This module is requests that workers refused: each is an event of a `request` aggregate in CIM-CONSOLE, under the id of the run to be.

The refusal is also said at once in core NATS, to whoever waits; this is what is left of it afterwards.
"""

from __future__ import annotations

from contextlib import suppress

from ..encoding import Value
from ..errors import VersionConflict
from ..events import AggregateDefinition, AggregateRef, Event, Head, NewEvent, State
from ..registry import Command
from ..store import CONSOLE, Store, append, load

REQUEST_TYPE = "request"
_KEPT = ("operation", "parameters", "reason", "via", "dry_run", "retry_of")


def request_ref(run_id: str) -> AggregateRef:
    """The aggregate of a request that became no run."""
    return AggregateRef("console", REQUEST_TYPE, run_id)


async def note_refusal(store: Store, command: Command, refusal: str) -> None:
    """Write down that this request was refused, and why; once, however often it is delivered. Raises Unavailable."""
    payload: dict[str, Value] = {name: command.payload[name] for name in _KEPT if name in command.payload}
    refused = NewEvent(
        type="refused",
        payload={**payload, "refusal": refusal},
        actor=command.actor,
        correlation=command.correlation,
        causation=command.id,
    )
    with suppress(VersionConflict):
        await append(store.on(CONSOLE), Head(aggregate=request_ref(command.aggregate.id)), [refused])


async def find_refusal(store: Store, run_id: str) -> str | None:
    """Why the request of this run was refused, or None where it was not. Raises Unavailable."""
    events = (await load(store.on(CONSOLE), request_ref(run_id))).events
    return str(events[-1].event.payload["refusal"]) if events else None


def _apply(state: State, event: Event) -> State:
    return {**state, **event.payload, "asked_by": event.actor}


def _summarise(event: Event) -> str:
    return f"{event.payload.get('operation', '')!s} was refused: {event.payload.get('refusal', '')!s}"


REQUEST_DEFINITION = AggregateDefinition(
    context="console",
    type=REQUEST_TYPE,
    title="Refused request",
    apply=_apply,
    initial={"operation": "", "parameters": {}, "reason": "", "refusal": "", "asked_by": ""},
    summarise=_summarise,
)
