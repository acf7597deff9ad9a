"""This module is the record of destroyed keys: events of `console.redaction.{digest of the name}` in CIM-CONSOLE, chained like all others.

It is what a page says of events that nobody can read any more; whoever has the keys also finds it in their place.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from blake3 import blake3

from ..errors import VersionConflict
from ..events import AggregateDefinition, AggregateRef, Destruction, Event, NewEvent, State, format_time, parse_time
from .append import append
from .layout import CONSOLE
from .load import head_of, load
from .store import Store

REDACTED = "redacted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What was recorded of the end of an aggregate's keys; `run` is that of the operation."""

    destruction: Destruction
    run: str


def _apply(state: State, event: Event) -> State:
    return {**event.payload, "by": event.actor}


def _summarise(event: Event) -> str:
    said = cast("dict[str, str]", event.payload)
    return f"{said['subject']}: {said['reason']}"


REDACTION_DEFINITION = AggregateDefinition(
    context="console",
    type="redaction",
    title="Redaction",
    apply=_apply,
    summarise=_summarise,
)


async def record_redaction(store: Store, destruction: Destruction, *, run: str) -> Redaction:
    """Record it, once; returns what is recorded."""
    found = await find_redaction(store, destruction.subject)
    if found is not None:
        return found
    event = NewEvent(
        type=REDACTED,
        actor=destruction.by,
        payload={
            "subject": str(destruction.subject),
            "keys": list(destruction.keys),
            "at": format_time(destruction.at),
            "reason": destruction.reason,
            "run": run,
        },
    )
    console = store.on(CONSOLE)
    with suppress(VersionConflict):  # another worker recorded the same
        await append(console, await head_of(console, _place_of(destruction.subject), leader=True), [event])
    recorded = await find_redaction(store, destruction.subject)
    assert recorded is not None
    return recorded


async def find_redaction(store: Store, subject: AggregateRef) -> Redaction | None:
    """The record that the keys of an aggregate were destroyed, or None."""
    found = await load(store.on(CONSOLE), _place_of(subject))
    if not found.events:
        return None
    event = found.events[0].event
    said = event.payload
    destruction = Destruction(
        subject=subject,
        keys=tuple(cast("list[str]", said["keys"])),
        at=parse_time(cast(str, said["at"])),
        by=event.actor,
        reason=cast(str, said["reason"]),
    )
    return Redaction(destruction=destruction, run=cast(str, said["run"]))


def _place_of(subject: AggregateRef) -> AggregateRef:
    return AggregateRef(CONSOLE.context or "console", "redaction", blake3(str(subject).encode()).hexdigest()[:40])
