"""This module is telling others of events: a protocol, on NATS, and a double for tests that keeps what it was given.

Events that are appended are in their stream, and whoever subscribes to it hears them; nothing has to be published for that. A publisher
is for those who may not read the stream: it says chosen events again, on subjects of their own, with the story they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from apps.persistence.events import Event
from apps.persistence.store import Connection
from apps.persistence.subjects import check_token

from .identity import CorrelationId

CORRELATION = "Cim-Correlation"
EVENT_TYPE = "Cim-Event-Type"


class EventPublisher(Protocol):
    """Says events to whoever listens."""

    async def publish(self, events: Sequence[Event], *, correlation: CorrelationId) -> None:
        """Say these events, in order, as part of a story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsEventPublisher:
    """Says each event's block on `{root}.{context}.{aggregate}.{id}.{type}` in core NATS, the correlation in a header."""

    connection: Connection
    root: str = "cim.live.events"

    async def publish(self, events: Sequence[Event], *, correlation: CorrelationId) -> None:
        """All of them in one write. Raises Unavailable where the link is broken; then none was sent."""
        await self.connection.publish_all(
            [
                (self.subject_of(event), event.to_block(), {CORRELATION: correlation.text, EVENT_TYPE: event.type})
                for event in events
            ]
        )  # fmt: skip

    def subject_of(self, event: Event) -> str:
        """Where an event is said."""
        ref = event.aggregate
        return f"{self.root}.{ref.context}.{ref.type}.{ref.id}.{check_token(event.type, 'an event type')}"


class Published(NamedTuple):
    """What a test double was given."""

    event: Event
    correlation: CorrelationId


@dataclass(slots=True)
class CapturingEventPublisher:
    """Says nothing and keeps everything, for the tests of programs that publish; `failure` is raised instead, if it is set."""

    published: list[Published] = field(default_factory=list)
    failure: Exception | None = None

    async def publish(self, events: Sequence[Event], *, correlation: CorrelationId) -> None:
        """Keep these events."""
        if self.failure is not None:
            raise self.failure
        self.published += [Published(event, correlation) for event in events]

    def of(self, correlation: CorrelationId) -> list[Event]:
        """The events of one story, in order."""
        return [one.event for one in self.published if one.correlation == correlation]
