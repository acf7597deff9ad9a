"""What the tests of operations share: an operation is planned and run as a worker would, without the queue between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from apps.persistence.encoding import Value, decode
from apps.persistence.errors import StreamNotFound
from apps.persistence.events import Head, NewEvent, StoredEvent, new_id
from apps.persistence.projections import HeldLease, Models, ProjectionDefinition, find_record, run_all
from apps.persistence.registry import Domain, Registry
from apps.persistence.store import CONSOLE, Store, append
from apps.persistence.work.lease import hold
from apps.persistence.work.operation import Operation, Outcome
from apps.persistence.work.run import run_ref

from .projecting import Case, add_up, eventually


@dataclass(slots=True)
class Noted:
    """The progress of a run, noted: what was logged, and the last checkpoint."""

    checkpoint: dict[str, Value] | None = None
    run_id: str = "run-of-a-test"
    requested_by: str = "olga"
    reason: str = "because"
    limit: int = 0
    seconds: float = 0.5
    lines: list[str] = field(default_factory=list)

    async def report(
        self, done: int, total: int, *, checkpoint: Mapping[str, Value] | None = None, sequence: int | None = None, force: bool = False
    ) -> None:
        if checkpoint is not None:
            self.checkpoint = dict(checkpoint)

    def check(self) -> None:
        return

    def fail(self, item: str, reason: str, link: str = "") -> None:
        self.lines.append(f"{item}: {reason}")

    def log(self, line: str) -> None:
        self.lines.append(line)


def declaring(*definitions: ProjectionDefinition) -> Registry:
    """What a domain with these projections declares."""
    return Registry([Domain(name="test", title="Test", projections=definitions)])


async def carry_out(store: Store, registry: Registry, operation: Operation, progress: Noted | None = None) -> Outcome:
    """Plan it, and run it."""
    await operation.plan(store, registry)
    return await operation.run(store, registry, progress or Noted())


async def carry_out_on_record(store: Store, registry: Registry, operation: Operation, *, name: str) -> Outcome:
    """The same as a run in CIM-CONSOLE, where requests, receipts and what they leave are looked up."""
    run, trail = new_id(), store.on(CONSOLE)
    asked: dict[str, Value] = {"operation": name, "target": operation.target, "reason": "because", "parameters": {}, "saw": {}}
    begun = [NewEvent(type="requested", payload=asked, actor="olga"), NewEvent(type="confirmed", actor="olga")]
    started = NewEvent(type="started", payload={"worker": "worker"}, actor="worker")
    await operation.plan(store, registry)
    stored = await append(trail, Head(aggregate=run_ref(run)), [*begun, started])
    outcome = await operation.run(store, registry, Noted(run_id=run))
    finished = NewEvent(type="finished", payload={"outcome": outcome.sentence, "figures": dict(outcome.figures)}, actor="worker")
    await append(trail, stored[-1].head, [finished])
    return outcome


@asynccontextmanager
async def supervised(store: Store, *definitions: ProjectionDefinition, owner: str = "worker") -> AsyncIterator[None]:
    """A worker that keeps these projections running for as long as the block lasts."""

    def hold_lease(name: str) -> AbstractAsyncContextManager[HeldLease]:
        return hold(store.connection, name, owner, ttl_seconds=2)

    stop = asyncio.Event()
    running = asyncio.create_task(run_all(store, definitions, hold_lease, stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def wait_for_total(case: Case, definition: ProjectionDefinition, total: int, *, build: int = 1) -> None:
    """Until the models of a build add up to this."""

    async def is_there() -> bool:
        try:
            return await case.total(definition, build) == total
        except StreamNotFound:
            return False

    await eventually(is_there)


async def wait_for_stop(case: Case, definition: ProjectionDefinition, sequence: int) -> None:
    """Until the projection has stopped at this event."""

    async def is_stopped() -> bool:
        record = await find_record(case.store.connection, definition.name)
        return record is not None and record.failure is not None and record.failure.sequence == sequence

    await eventually(is_stopped)


async def model_of(case: Case, definition: ProjectionDefinition, key: str, build: int = 1) -> dict[str, Value]:
    """One model as stored, with its metadata."""
    return cast("dict[str, Value]", decode((await case.models(definition, build))[key]))


def refuse_thirteen(stored: StoredEvent, models: Models) -> Models:
    """Adds up, but for a quantity of thirteen."""
    if stored.event.payload["quantity"] == 13:
        raise ValueError("thirteen is unlucky")
    return add_up(stored, models)


def note_newest(stored: StoredEvent, models: Models) -> Models:
    """The quantity of the newest event of each order; an older one never replaces a newer."""
    key = f"order.{stored.event.aggregate.id}"
    before = models[key]
    if before and cast(int, before["version"]) > stored.event.version:
        return {}
    return {key: {"version": stored.event.version, "total": stored.event.payload["quantity"]}}
