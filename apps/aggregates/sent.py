"""This module is a command that was sent: how it was acknowledged, and the events that it caused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from apps.domain.cqrs import find_ack
from apps.persistence.errors import EncodingError, InvalidEvent
from apps.persistence.events import AggregateRef, Event
from apps.persistence.store import Store, head_of, messages_of
from apps.persistence.work.commands import Rejected
from apps.persistence.work.heartbeat import list_workers
from apps.registry import informed, layout_for, registry

from .address import address_of

LOOKED_AT = 100
"""So many of the aggregate's newest events are looked through for those of the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caused:
    """One event of the command's story."""

    ref: AggregateRef
    version: int
    type: str
    summary: str
    actor: str
    time: datetime
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """`state` is "accepted", "rejected" with its `reason`, or "waiting" for one of `workers`."""

    ref: AggregateRef
    command_id: str
    state: str
    reason: str
    workers: int
    caused: tuple[Caused, ...]

    @property
    def address(self) -> str:
        """The page of the aggregate."""
        return address_of(self.ref)

    @property
    def topic(self) -> str:
        return f"sent:{self.ref}/{self.command_id}"

    def with_more(self, events: Iterable[Caused]) -> Sent:
        """The same with further events, each once, in the order of their times."""
        every = {(str(one.ref), one.version): one for one in (*self.caused, *events)}
        return replace(self, caused=tuple(sorted(every.values(), key=lambda one: (one.time, str(one.ref), one.version))))


async def read_sent(store: Store, ref: AggregateRef, command_id: str) -> Sent:
    """What came of a command so far: its answer, and what it did to its own aggregate. Raises Unavailable."""
    answer = await find_ack(store.connection, command_id)
    known = informed(store).on(layout_for(ref))
    newest = (await head_of(known, ref)).version
    messages = await messages_of(known, ref, from_version=max(1, newest - LOOKED_AT + 1)) if newest else []
    found = [one for message in messages if (one := read_caused(message.data, command_id)) is not None]
    state = "waiting" if answer is None and not found else "rejected" if isinstance(answer, Rejected) else "accepted"
    workers = len(await list_workers(store.connection)) if state == "waiting" else 0
    reason = answer.reason if isinstance(answer, Rejected) else ""
    return Sent(ref=ref, command_id=command_id, state=state, reason=reason, workers=workers, caused=tuple(found))


def read_caused(data: bytes, command_id: str) -> Caused | None:
    """The event in a block if it belongs to the command's story. The id is looked for first, as most events are of other stories."""
    if command_id.encode() not in data:
        return None
    try:
        event = Event.from_block(data)
    except (InvalidEvent, EncodingError):
        return None
    return _caused(event) if command_id in (event.correlation, event.causation) else None


def _caused(event: Event) -> Caused:
    ref = event.aggregate
    return Caused(
        ref=ref,
        version=event.version,
        type=event.type,
        summary=_said(event),
        actor=event.actor,
        time=event.time,
        address=address_of(ref, version=event.version),
    )


def _said(event: Event) -> str:
    """The event in the words of its domain; empty where those fail, as on a payload that is encrypted or of another schema."""
    definition = registry().aggregates.get((event.aggregate.context, event.aggregate.type))
    if definition is None or definition.summarise is None:
        return ""
    try:
        return definition.summarise(event)
    except Exception:  # a domain's code, which may raise anything; the event itself is shown all the same
        return ""
