"""This module is running sagas in workers: each event of a saga is itself the work item that leads to the next.

A durable consumer over the saga's own events, and those that trigger it, is shared by all workers. An item stays in it until what follows
is stored; one that must wait is put back with a delay. So whatever is killed, nothing is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from apps.persistence.errors import PersistenceError
from apps.persistence.events import AggregateRef, Event
from apps.persistence.registry import Registry
from apps.persistence.store import Store, head_of
from apps.persistence.work.pull import Delivery, PullConsumer, PullSettings, open_pull

from .carrying_out import advance, begin_by
from .definition import Saga

AT_ONCE = 8
ACK_WAIT_SECONDS = 30.0
RECONNECT_SECONDS = 0.5
MOST_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaProcess:
    """What a domain gives its workers, so that they carry out a saga: one of `Domain.processes`."""

    saga: Saga
    ack_wait_seconds: float = ACK_WAIT_SECONDS

    @property
    def name(self) -> str:
        """What it is called in logs."""
        return f"saga {self.saga.context}.{self.saga.type}"

    async def run(self, store: Store, registry: Registry, stop: asyncio.Event) -> None:
        """Until `stop` is set, on whichever generation of the stream serves. What fails is said, and tried again."""
        while not stop.is_set():
            try:
                await self._run_on(store.pinned(), store, registry, stop)
            except PersistenceError as error:
                log.warning("the %s is late: %s", self.name, error)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _run_on(self, pinned: Store, store: Store, registry: Registry, stop: asyncio.Event) -> None:
        async with open_pull(pinned.connection, self._settings(pinned)) as queue:
            while not stop.is_set() and store.layout.stream == pinned.layout.stream:
                deliveries = await queue.take()
                slots = asyncio.Semaphore(AT_ONCE)
                async with asyncio.TaskGroup() as group:
                    for delivery in deliveries:
                        group.create_task(self._settle(pinned, registry, queue, delivery, slots))

    def _settings(self, store: Store) -> PullSettings:
        saga, root = self.saga, store.layout.root
        patterns = [f"{root}.{saga.context}.{saga.type}.>"]
        patterns += [f"{root}.{context}.{kind}.*.{event}.>" for context, kind, event in (trigger.event for trigger in saga.triggers)]
        return PullSettings(
            stream=store.layout.stream,
            durable=f"cim-saga-{saga.context}-{saga.type}",
            patterns=tuple(dict.fromkeys(patterns)),
            ack_wait_seconds=self.ack_wait_seconds,
        )

    async def _settle(self, store: Store, registry: Registry, queue: PullConsumer, delivery: Delivery, slots: asyncio.Semaphore) -> None:
        """Do what this item asks for; put it back where there is more to do later, or where it cannot be done now."""
        async with slots:
            try:
                delay = await self._work_at(store, registry, delivery)
            except PersistenceError as error:
                log.warning("%s at sequence %d will be tried again: %s", delivery.subject, delivery.sequence, error)
                delay = RECONNECT_SECONDS
            except Exception:
                log.exception("%s at sequence %d failed; it will be tried again", delivery.subject, delivery.sequence)
                delay = min(MOST_SECONDS, RECONNECT_SECONDS * 2.0 ** min(delivery.attempt, 10))
            if delay is None:
                await queue.settle(delivery)
            else:
                await queue.put_back(delivery, delay_seconds=min(MOST_SECONDS, max(0.01, delay)))

    async def _work_at(self, store: Store, registry: Registry, delivery: Delivery) -> float | None:
        """The seconds after which to look again; None where this item is done with."""
        parts = store.layout.parse(delivery.subject)
        if parts is None:
            return None
        if (parts.context, parts.aggregate) != self.saga.key:
            await begin_by(store, self.saga, store.upcasters.upcast(Event.from_block(delivery.data)))
            return None
        ref = AggregateRef(parts.context, parts.aggregate, parts.entity)
        if parts.version is not None and (await head_of(store, ref, leader=True)).version > parts.version:
            return None  # a later event of the saga is an item of its own
        return await advance(store, registry, self.saga, ref)
