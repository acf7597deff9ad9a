"""This module is the engine of runs: workers share one durable consumer on the `confirmed` and `resumed` events, and carry them out.

A claim is kept alive by heartbeats and the target by a lease, so that a killed worker's run is taken up by another after seconds, from
its last checkpoint. What ends a run is an event appended after the head that this worker has seen: if somebody cancelled or paused the
run meanwhile, or another worker took it over, that append is refused and this worker is silent.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass, field

from blake3 import blake3

from ..errors import Conflict, InvalidInput, LeaseLost, OutOfSpace, PersistenceError, PlanStale, Unavailable, VersionConflict
from ..events import NewEvent
from ..registry import Registry
from ..store import CONSOLE, Store, append
from .claim import kept, watched
from .failures import Failures, read_failures
from .lease import Lease, try_hold
from .operation import Operations, RunInterrupted, perform, restore_operation
from .part_engine import PartEngine
from .parts import forget_parts
from .planning import check_plan
from .progress import ProgressWriter, ensure_runs_bucket, find_progress
from .pull import Delivery, PullConsumer, PullSettings, open_pull
from .receipt import failed, finished
from .run import Run, RunState, load_run
from .trouble import say_trouble

CONSUMER = "cim-runs"
WORK_ITEMS = ("cim.console.run.*.confirmed.*", "cim.console.run.*.resumed.*")
CLAIM_SECONDS = 10
"""So long after a worker's last sign of life its run and its target are free for another."""
BUSY_RETRY_SECONDS = 1.0
BROKEN_RETRY_SECONDS = 60.0
RUNS_AT_ONCE = 3
"""So many runs, on different targets, a worker carries out side by side, so that a short one need not wait for a long one."""
MAX_IDLE_ATTEMPTS = 30
"""A run that was taken up so often in a row and never came further than the attempt before ends as failed."""
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)
_DEAD = "the workers that had it were lost or killed. Their logs say why; then start it anew."

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What a worker needs to carry out runs. `worker` is its name on pages; `claim_seconds` is how long it may be silent."""

    store: Store
    registry: Registry
    operations: Operations
    worker: str
    claim_seconds: int = CLAIM_SECONDS
    max_idle_attempts: int = MAX_IDLE_ATTEMPTS
    in_hand: set[str] = field(default_factory=set)

    def doing(self) -> tuple[str, ...]:
        """What is in hand at this moment, in words."""
        return tuple(sorted(self.in_hand))

    @property
    def parts(self) -> PartEngine:
        """What does parts of runs in this worker, this worker's own runs and others'."""
        return PartEngine(
            store=self.store,
            registry=self.registry,
            operations=self.operations,
            worker=self.worker,
            claim_seconds=self.claim_seconds,
            in_hand=self.in_hand,
        )

    async def work(self, stop: asyncio.Event) -> None:
        """Carry out runs, a few side by side, until `stop` is set (looked at between runs) or this is cancelled."""
        await ensure_runs_bucket(self.store.connection)
        async with asyncio.TaskGroup() as group:
            for _ in range(RUNS_AT_ONCE):
                group.create_task(self._take_runs(stop))

    async def _take_runs(self, stop: asyncio.Event) -> None:
        """One after the other."""
        settings = PullSettings(
            stream=CONSOLE.stream, durable=CONSUMER, patterns=WORK_ITEMS, batch_size=1, ack_wait_seconds=self.claim_seconds
        )
        async with open_pull(self.store.connection, settings) as queue:
            while not stop.is_set():
                try:
                    deliveries = await queue.take()
                except PersistenceError as error:
                    log.warning("runs cannot be taken: %s", error)
                    await asyncio.sleep(BUSY_RETRY_SECONDS)
                    continue
                for delivery in deliveries:
                    await self._take_up(queue, delivery)

    async def _take_up(self, queue: PullConsumer, delivery: Delivery) -> None:
        run_id, delay = delivery.subject.split(".")[3], BUSY_RETRY_SECONDS
        try:
            async with kept(queue, delivery, seconds=self.claim_seconds):
                is_done = await self._work_on(run_id)
            if is_done:
                await queue.settle(delivery)
                return
        except OutOfSpace as error:  # not even this could be stored; it goes on by itself once there is space
            log.warning("run %s waits: %s", run_id, error)
            await say_trouble(self.store.connection, run_id, str(error))
        except (Unavailable, Conflict) as error:
            log.warning("run %s is left for another try: %s", run_id, error)
        except PersistenceError as error:  # one run that cannot be read must not keep this worker from all others
            log.exception("run %s is left for a later try: %s", run_id, error)
            delay = BROKEN_RETRY_SECONDS
        with suppress(Unavailable):  # if even that cannot be said, the server does it by itself when the claim expires
            await queue.put_back(delivery, delay_seconds=delay)

    async def _work_on(self, run_id: str) -> bool:
        """Bring the run to its end, or to where it was told to stop; False where its target is busy."""
        run = await load_run(self.store, run_id)
        if run is None or run.state not in (RunState.CONFIRMED, RunState.RUNNING):
            return True
        async with try_hold(self.store.connection, lease_name(run), self.worker, ttl_seconds=self.claim_seconds) as lease:
            if lease is None:
                return False
            self.in_hand.add(run.summary)
            try:
                await self._carry_out(run, lease)
            finally:
                self.in_hand.discard(run.summary)
        return True

    async def _carry_out(self, run: Run, lease: Lease) -> None:
        before = await find_progress(self.store.connection, run.id)
        done = before.done if before else 0
        started = NewEvent(type="started", payload={"worker": self.worker, "attempt": run.attempts + 1, "done": done}, actor=self.worker)
        await append(self.store.on(CONSOLE), run.head, [started])
        mine = await load_run(self.store, run.id)
        if mine is None or mine.state is not RunState.RUNNING or mine.attempts != run.attempts + 1:
            return
        failures = Failures(await read_failures(self.store.connection, run.id))
        writer = ProgressWriter(self.store.connection, mine, self.worker, before=before, failures=failures)
        if run.attempts:
            writer.log(f"taken up again by {self.worker}, attempt {run.attempts + 1}")
        await writer.begin()
        async with watched(self.store, run.id, writer, lease):
            try:
                ending = await self._perform(mine, writer)
            except RunInterrupted as interrupted:
                log.info("run %s stops: %s", run.id, interrupted.why)
                if interrupted.why == "lost":
                    raise LeaseLost(run.target) from interrupted
                return
            except OutOfSpace as error:
                ending = NewEvent(type="paused", payload={"reason": str(error)}, actor=self.worker)
        await self._end(mine, ending)
        if ending.type == "paused":
            return
        await forget_parts(self.store.connection, run.id)

    async def _end(self, run: Run, ending: NewEvent) -> None:
        """Append how the run ended or that it rests, after the head that this attempt knows; a changed limit is not in the way.

        Raises VersionConflict where the run is not this attempt's any more.
        """
        while True:
            try:
                await append(self.store.on(CONSOLE), run.head, [ending])
            except VersionConflict:
                newer = await load_run(self.store, run.id)
                if newer is None or newer.state is not RunState.RUNNING or newer.attempts != run.attempts:
                    raise
                run = newer
            else:
                return

    async def _perform(self, run: Run, writer: ProgressWriter) -> NewEvent:
        """Run the operation and say how it ended. Raises RunInterrupted, and Unavailable or Conflict to be tried again."""
        if run.idle_attempts >= self.max_idle_attempts:
            return failed(self.worker, f"{run.attempts} attempts ended, the last {run.idle_attempts} without any progress; {_DEAD}")
        try:
            operation = restore_operation(self.operations, run.operation, run.parameters)
            if run.attempts == 1 and not run.is_dry_run:
                check_plan(run.saw, await operation.plan(self.store, self.registry))
            outcome = await perform(operation, self.store, self.registry, writer, is_dry_run=run.is_dry_run)
        except (InvalidInput, PlanStale) as error:
            return failed(self.worker, str(error))
        except (Unavailable, Conflict):
            raise
        except PersistenceError as error:
            return failed(self.worker, str(error))
        except Exception as error:
            log.exception("run %s failed", run.id)
            return failed(self.worker, f"{type(error).__name__}: {error}")
        await writer.failures.save(self.store.connection, run.id)
        return finished(self.worker, outcome, failed_items=writer.failures.count)


def lease_name(run: Run) -> str:
    """What a run holds while it works; a dry run only reads, and stands in nobody's way. A target that is no key is named by its hash."""
    target = run.target.replace("/", ".")
    kept = target if _KEY.fullmatch(target) else f"hash.{blake3(run.target.encode()).hexdigest()}"
    return f"{'dry-run' if run.is_dry_run else 'target'}.{kept}"
