"""This module is declared routers at work: each under a lease, its place and figures written together, from one generation to the next.

A router goes through the events of its stream in order. One that fails is tried again, later and later, and nothing behind it is routed
meanwhile: so nothing is lost, and what one aggregate did is told in its order. What is missing stands in the record for people to see.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from ..errors import InvalidInput, LeaseLost, PersistenceError, StreamNotFound, Unavailable, Unreachable
from ..events import AggregateRef, Event, StoredEvent, is_opening, now, read_opening
from ..projections.durable import Durable, Follower, follow
from ..routing import RouterDefinition, SubjectRouter, message_of, router_of
from ..routing.record import RouterFailure, RouterRecord, ensure_routes, read_router, write_router
from ..routing.translated import ensure_contexts
from ..store import Layout, Message, Store, decode_event, find_layout, find_version, get_stream
from .lease import Lease

LOOK_SECONDS = 0.5
MOST_AT_ONCE = 500
"""How many events are routed before the record is written; so many are routed again after a worker was killed."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
_MOST_KNOWN = 100_000

HoldLease = Callable[[str], AbstractAsyncContextManager[Lease]]

log = logging.getLogger(__name__)


def consumer_of(name: str) -> str:
    """The durable consumer of a router."""
    return f"cim-route-{name}"


async def run_routers(store: Store, definitions: Iterable[RouterDefinition], hold_lease: HoldLease) -> None:
    """Until cancelled: every declared router, each whenever this worker holds its lease `router.{name}`."""
    declared = tuple(definitions)
    if not declared:
        return
    async with asyncio.TaskGroup() as group:
        for definition in declared:
            group.create_task(_keep(store, definition, hold_lease), name=f"router {definition.name}")


class _Failing(Exception):
    """The router stands at an event; the record says so."""


async def _keep(store: Store, definition: RouterDefinition, hold_lease: HoldLease) -> None:
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            async with hold_lease(f"router.{definition.name}") as lease:
                await ensure_routes(store.connection)
                if definition.bridge is not None:
                    await ensure_contexts(store.connection)
                work = _Work(store=store, definition=definition, lease=lease, record=await read_router(store.connection, definition.name))
                began = work.record.position
                try:
                    await work.run()
                finally:
                    pause = FIRST_PAUSE_SECONDS if work.record.position != began else pause
        except _Failing as error:
            log.warning("router %s stands still: %s", definition.name, error)
        except PersistenceError as error:
            log.warning("router %s starts again in %.1f s: %s", definition.name, pause, error)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@dataclass(slots=True, kw_only=True)
class _Work:
    """One time that a worker has a router in hand. `before` is how many versions an aggregate had before its stream's generation."""

    store: Store
    definition: RouterDefinition
    lease: Lease
    record: RouterRecord
    before: dict[tuple[str, AggregateRef], int] = field(default_factory=dict)

    async def run(self) -> None:
        """Route until the lease is lost. Raises _Failing at an event that cannot be routed, LeaseLost, PersistenceError."""
        declared = find_declared(self.store, self.definition)
        while True:
            serving = self.store.on(declared).layout
            layout = await self._layout(declared, serving)
            if layout.stream != self.record.stream:
                self.record = replace(self.record, stream=layout.stream, position=0)
            reader = self.store.on(replace(layout, is_pinned=True))
            router = router_of(self.definition, reader, self.record.routes)
            await self._follow(reader, router, declared)

    async def _layout(self, declared: Layout, serving: Layout) -> Layout:
        """The generation to read: the one that was begun until it is read to its end, then the one that serves."""
        begun = find_layout([declared], self.record.stream) if self.record.stream else None
        if begun is None or begun.stream == serving.stream:
            return serving
        try:
            info = await get_stream(self.store.connection, begun.stream)
        except StreamNotFound:
            return serving
        return begun if self.record.position < info.last_sequence else serving

    async def _follow(self, reader: Store, router: SubjectRouter, declared: Layout) -> None:
        """Route what comes, until there is doubt about what comes next, or another generation is to be read."""
        connection, stream = self.store.connection, reader.layout.stream
        subjects = [reader.layout.pattern_of(context=context) for context in self.definition.contexts]
        durable = Durable(connection, consumer_of(self.definition.name), stream=stream, subjects=subjects)
        await durable.move(self.record.position)
        async with follow(connection, durable, self.record.position) as follower:
            while not follower.is_broken:
                self.lease.check()
                messages = await follower.take(wait_seconds=LOOK_SECONDS)
                await self._route_all(reader, router, messages)
                if messages:
                    await follower.acknowledge()
                elif await self._is_over(follower, stream, declared):
                    return

    async def _is_over(self, follower: Follower, stream: str, declared: Layout) -> bool:
        """Whether another generation serves and this one is read to its end; what lies behind the last event for us is none of ours."""
        if follower.is_broken or self.store.on(declared).layout.stream == stream:
            return False
        info = await get_stream(self.store.connection, stream)
        if follower.pending == 0:
            self.record = replace(self.record, position=info.last_sequence)
        return follower.pending == 0

    async def _route_all(self, reader: Store, router: SubjectRouter, messages: list[Message]) -> None:
        for start in range(0, len(messages), MOST_AT_ONCE):
            failure: RouterFailure | None = None
            for message in messages[start : start + MOST_AT_ONCE]:
                failure = await self._route(reader, router, message)
                if failure is not None:
                    break
                self.record = replace(self.record, position=message.sequence, failure=None)
            await self._write(router, failure)
            if failure is not None:
                raise _Failing(f"{failure.subject} at sequence {failure.sequence:,}: {failure.reason}")

    async def _route(self, reader: Store, router: SubjectRouter, message: Message) -> RouterFailure | None:
        """Route one event; why it could not be. Raises Unavailable, LeaseLost."""
        self.lease.check()
        if self.record.leaves_out(message.stream, message.sequence):
            return None
        try:
            stored = decode_event(reader, message)
            if is_opening(stored.event):  # what it stands for was routed before it was archived
                self.record = replace(self.record, passed=self.record.passed + 1)
                return None
            event = message_of(await self._counted_through(reader, reader.upcasters.read(stored)))
            if router.find_routes(event.subject):
                await router.route(event)
            else:
                self.record = replace(self.record, passed=self.record.passed + 1)
        except Exception as error:  # whatever a domain's own code raises concerns this router
            if isinstance(error, (LeaseLost, Unreachable)) or type(error) is Unavailable:
                raise
            return _failure(message, error)
        return None

    async def _counted_through(self, reader: Store, stored: StoredEvent) -> StoredEvent:
        """The event by the version that it has over all generations: what was told before an archive was told under those."""
        ref = stored.event.aggregate
        if reader.layout.generation == 1:
            return stored
        key = (reader.layout.stream, ref)
        if key not in self.before:
            first = await find_version(reader, ref, 1)
            event = Event.from_block(first.data) if first else stored.event
            if len(self.before) >= _MOST_KNOWN:
                self.before.clear()
            self.before[key] = read_opening(event).total - 1 if is_opening(event) else 0
        return replace(stored, event=replace(stored.event, version=stored.event.version + self.before[key]))

    async def _write(self, router: SubjectRouter, failure: RouterFailure | None) -> None:
        found = replace(self.record, routes=dict(router.stats().routes), worker=self.lease.owner)
        self.record = await write_router(self.store.connection, found.failing_at(failure) if failure else found)


def find_declared(store: Store, definition: RouterDefinition) -> Layout:
    """The declared layout whose events a router takes. Raises InvalidInput."""
    found = next((layout for layout in store.layouts if layout.stream == definition.stream and layout.is_chained), None)
    if found is None:
        raise InvalidInput(f"The router {definition.name} routes events of {definition.stream}, which no layout describes; declare one.")
    return found


def _failure(message: Message, error: Exception) -> RouterFailure:
    first = error
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    words = str(first) if isinstance(first, PersistenceError) else f"{type(first).__name__}: {first}"
    return RouterFailure(sequence=message.sequence, subject=message.subject, reason=words[:1000], since=now())
