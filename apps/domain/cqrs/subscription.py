"""This module is how results reach whoever asked: a subscription to all that is said for one correlation id, events and query results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

from apps.persistence.errors import EncodingError, InvalidInput
from apps.persistence.events import StoredEvent
from apps.persistence.eventstore import EventFilter, JetStreamEventStore
from apps.persistence.registry import Command, Query
from apps.persistence.store import CoreMessage, Store
from apps.persistence.work.answering import RESULTS_ROOT, QueryResult, read_result, results_subject

from .identity import CorrelationId

ALL_EVENTS = "cim.events.>"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStreamSubscription:
    """All that is said for one correlation id on a subject: of a stream of events, or of results.

    `stream_subject` is `cim.events.>`, narrowed by context, aggregate type, id and event type, or that of the results of the story.
    """

    correlation_id: CorrelationId
    stream_subject: str = ALL_EVENTS

    @classmethod
    def of_command(cls, sent: Command) -> EventStreamSubscription:
        """To the events that a command causes, in whatever aggregate."""
        return cls(correlation_id=CorrelationId(sent.correlation))

    @classmethod
    def of_query(cls, asked: Query) -> EventStreamSubscription:
        """To the result of a query."""
        return cls(correlation_id=CorrelationId(asked.correlation), stream_subject=results_subject(asked.correlation))

    @property
    def is_of_results(self) -> bool:
        return self.stream_subject.startswith(f"{RESULTS_ROOT}.")

    @asynccontextmanager
    async def events(self, store: Store, *, behind: int | None = None) -> AsyncIterator[AsyncIterator[StoredEvent]]:
        """The events of the story from now on, or behind a sequence: each once, in stream order, also over broken links.

        Open it before the command is sent. Raises InvalidInput where the subject is none of the store's layout.
        """
        only = _filter(store, self.stream_subject, self.correlation_id)
        async with JetStreamEventStore(store=store).subscribe_to_events(behind, only=only) as found:
            yield found

    @asynccontextmanager
    async def results(self, store: Store) -> AsyncIterator[AsyncIterator[QueryResult]]:
        """The results that are published for the story from now on. Open it before the query is asked; a result is said once."""
        if not self.is_of_results:
            raise InvalidInput(
                f"No results are published on {self.stream_subject!r}; they are on {results_subject(self.correlation_id.text)}."
            )
        heard: asyncio.Queue[QueryResult] = asyncio.Queue()

        def hear(message: CoreMessage) -> None:
            try:
                result = read_result(message.data)
            except (InvalidInput, EncodingError):
                return
            if result.correlation == self.correlation_id.text:
                heard.put_nowait(result)

        async with AsyncExitStack() as stack:
            await stack.enter_async_context(store.connection.subscribe(self.stream_subject, hear))
            yield await stack.enter_async_context(aclosing(_each(heard)))


async def _each(heard: asyncio.Queue[QueryResult]) -> AsyncGenerator[QueryResult, None]:
    while True:
        yield await heard.get()


def _filter(store: Store, subject: str, correlation: CorrelationId) -> EventFilter:
    """The events on a subject such as `cim.events.sales.order.o-1.>`. Raises InvalidInput."""
    root = store.layout.subjects.removesuffix(">")
    if not subject.startswith(root):
        raise InvalidInput(f"{subject!r} is no subject of {store.layout.stream}; its events are on {root}>.")
    tokens = subject.removeprefix(root).removesuffix(">").strip(".").split(".")
    names = ("context", "aggregate", "entity", "event")
    if len(tokens) > len(names) + 1:
        raise InvalidInput(f"{subject!r} is too long; its parts are {', '.join(names)} and the version.")
    return EventFilter(**{name: token or "*" for name, token in zip(names, tokens, strict=False)}, correlation=correlation.text)
