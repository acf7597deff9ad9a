"""This module is schedules at work: of all workers one, under a lease, asks for the runs that are due.

When a run is due its id is written into the schedule first, together with the next time, and then it is asked for. A worker that dies in
between leaves that id to the next one, and a run of one id is only ever requested once. Times that passed while no worker was there are
made up for by one run. While a schedule's last run has not ended, it asks for no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from ..encoding import Value
from ..errors import PersistenceError, RevisionConflict, Unavailable
from ..events import new_id, now
from ..registry import Command, Registry
from ..store import Store
from .lease import Lease
from .operation import Operation
from .run import RUN_DEFINITION, load_run, run_ref
from .schedules import Schedule, list_schedules, put_schedule

SCHEDULES_LEASE = "schedules"
LOOK_SECONDS = 1.0
VIA = "schedule"
_NOTHING_NEW = "nothing is new since the run before"

Restore = Callable[[str, Mapping[str, Value]], Operation]
"""The operation of a schedule, by its name and parameters. Raises InvalidInput for one that must not be scheduled."""

log = logging.getLogger(__name__)


async def keep_schedules(
    store: Store,
    registry: Registry,
    restore: Restore,
    lease_of: Callable[[str], AbstractAsyncContextManager[Lease]],
    *,
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """Until cancelled: ask for what is due, whenever this worker has the lease."""
    keeper = Keeper(store=store, registry=registry, restore=restore)
    while True:
        try:
            async with lease_of(SCHEDULES_LEASE) as lease:
                while not lease.lost.is_set():
                    await keeper.look()
                    await asyncio.sleep(look_seconds)
        except PersistenceError as error:
            log.warning("schedules wait: %s", error)
            await asyncio.sleep(look_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Asks for what is due."""

    store: Store
    registry: Registry
    restore: Restore

    async def look(self) -> None:
        """Go through all schedules once. Raises Unavailable."""
        for schedule in await list_schedules(self.store.connection):
            try:
                await self._tend(schedule)
            except RevisionConflict:
                continue  # it was set anew, or removed, at this moment

    async def _tend(self, schedule: Schedule) -> None:
        if not schedule.is_asked:
            await self._ask(schedule)
        elif schedule.next_at <= now() and not await self._is_running(schedule):
            at = now()
            due = replace(schedule, run=new_id(), asked_at=at, is_asked=False, next_at=at + timedelta(seconds=schedule.every_seconds))
            await self._ask(await put_schedule(self.store.connection, due))

    async def _is_running(self, schedule: Schedule) -> bool:
        run = await load_run(self.store, schedule.run) if schedule.run else None
        return run is not None and not run.state.is_ended

    async def _ask(self, schedule: Schedule) -> None:
        """Plan it and request the run; what stands in the way is noted, and the next time comes all the same. Raises Unavailable."""
        settled = replace(schedule, is_asked=True, note="", is_failing=False)
        try:
            operation = self.restore(schedule.operation, schedule.parameters)
            if await _is_needed(operation, self.store, self.registry):
                await self._request(schedule, operation)
            else:
                settled = replace(settled, note=_NOTHING_NEW)
        except Unavailable:
            raise
        except Exception as error:  # whatever an operation raises concerns this one schedule, and stands on its page
            log.warning("the schedule %s cannot run: %s", schedule.name, error)
            settled = replace(settled, note=str(error), is_failing=True)
        await put_schedule(self.store.connection, settled)

    async def _request(self, schedule: Schedule, operation: Operation) -> None:
        plan = await operation.plan(self.store, self.registry)
        payload: dict[str, Value] = {
            "operation": schedule.operation,
            "parameters": schedule.parameters,
            "reason": f"Every {schedule.every}, as the schedule {schedule.name} says.",
            "saw": plan.saw,
            "via": VIA,
        }
        command = Command(
            id=schedule.run,
            aggregate=run_ref(schedule.run),
            name="request",
            payload=payload,
            actor=schedule.actor,
            correlation=schedule.run,
        )
        await self.registry.commands[RUN_DEFINITION.key](self.store, command)


async def _is_needed(operation: Operation, store: Store, registry: Registry) -> bool:
    """Whether there is anything for it to look at; True where the operation does not say."""
    asks = getattr(operation, "is_needed", None)
    return bool(await cast(Any, asks)(store, registry)) if callable(asks) else True
