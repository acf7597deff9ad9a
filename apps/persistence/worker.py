"""This module is a worker: one process of any number, on any machine, that carries out commands, projections and runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from .drift import watch_drift
from .log.feeding import feed_logs
from .operations import OPERATIONS, scheduled_operation
from .projections import run_all
from .projections.sampler import run_sampler
from .queries import run_views
from .registry import Registry
from .routing.users import tell_own_user
from .store import Connection, Store, chained_generations, ensure_declared, ensure_home, follow_flags
from .transfer import ensure_files
from .work.answering import answer_queries
from .work.commands import consume_commands
from .work.engine import CLAIM_SECONDS, Engine
from .work.heartbeat import beating, this_worker
from .work.lease import Lease, hold
from .work.leftovers import keep_dropping_leftovers
from .work.links import run_links
from .work.operation import Operations
from .work.routers import run_routers
from .work.scheduling import keep_schedules
from .work.snapshot_watch import watch_policies

log = logging.getLogger(__name__)


async def work(
    store: Store,
    registry: Registry,
    stop: asyncio.Event,
    *,
    on_ready: Callable[[], None] = lambda: None,
    claim_seconds: int = CLAIM_SECONDS,
    operations: Operations = OPERATIONS,
) -> None:
    """Work until `stop` is set; makes the console's own streams where they are missing.

    What this worker has in hand is free for another `claim_seconds` after it was killed. Raises Unavailable if the server is not there.
    """
    await _prepare(store.connection, registry)
    informed = replace(store, layouts=registry.layouts, upcasters=registry.upcasters)
    worker = this_worker()
    name = f"{worker.host}-{worker.pid}"
    engine = Engine(store=informed, registry=registry, operations=operations, worker=name, claim_seconds=claim_seconds)
    definitions = tuple(registry.projections.values())

    def logged_streams() -> list[str]:
        return [layout.stream for layout in chained_generations(store.connection, registry.layouts)]

    def lease_of(lease: str) -> AbstractAsyncContextManager[Lease]:
        return hold(store.connection, lease, name, ttl_seconds=claim_seconds)

    async with beating(store.connection, worker, engine.doing), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(consume_commands(informed, registry, stop), name="commands"),
            group.create_task(answer_queries(informed, registry), name="queries"),
            group.create_task(engine.work(stop), name="runs"),
            group.create_task(engine.parts.work(stop), name="parts of runs"),
            group.create_task(run_all(informed, definitions, lease_of, stop), name="projections"),
            group.create_task(run_routers(informed, registry.routers.values(), lease_of), name="routers"),
            group.create_task(feed_logs(store.connection, logged_streams, lease_of), name="logs"),
            group.create_task(watch_drift(informed, logged_streams, lease_of), name="drift"),
            group.create_task(run_links(informed, registry, lease_of, stop), name="links"),
            group.create_task(run_sampler(store.connection, definitions, lease_of), name="samples"),
            group.create_task(run_views(store.connection, lease_of), name="views"),
            group.create_task(watch_policies(informed, registry, lease_of), name="snapshots by policy"),
            group.create_task(keep_schedules(informed, registry, scheduled_operation, lease_of), name="schedules"),
            group.create_task(keep_dropping_leftovers(store), name="unfinished files"),
            group.create_task(follow_flags(store.connection, registry.upcasters.flags), name="flags over schemas"),
            *(group.create_task(process.run(informed, registry, stop), name=process.name) for process in registry.processes),
        ]
        on_ready()
        log.info("worker %s is at work: %d projections", name, len(definitions))
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _prepare(connection: Connection, registry: Registry) -> None:
    """Make what every worker needs, where it is missing."""
    await ensure_home(connection)
    await ensure_files(connection)
    for declared in registry.streams.values():
        await ensure_declared(connection, declared)
    await tell_own_user(connection)
