"""This module is the engine of parts: workers share one durable consumer on the parts that are to be done, and do them one by one."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from ..encoding import Value, decode
from ..errors import Conflict, PersistenceError, Unavailable
from ..registry import Registry
from ..store import Store, kv_get, kv_put
from .claim import kept, watched
from .heartbeat import list_workers
from .operation import Operations, RunInterrupted, restore_operation
from .part_progress import PartProgress
from .parts import PARTS_BUCKET, PartKey, PartResult, ensure_parts, find_result, forget_parts
from .pull import Delivery, PullConsumer, PullSettings, open_pull
from .run import Run, RunState, load_run

CONSUMER = "cim-parts"
WORK_ITEMS = (f"$KV.{PARTS_BUCKET}.*.todo.*",)
RETRY_SECONDS = 1.0
MAX_PART_ATTEMPTS = 10
"""A part that was taken up so often and has no result fails, and its run with it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEngine:
    """What a worker needs to do parts of runs; see engine.Engine for the words."""

    store: Store
    registry: Registry
    operations: Operations
    worker: str
    claim_seconds: int
    in_hand: set[str] = field(default_factory=set)

    async def work(self, stop: asyncio.Event) -> None:
        """Do parts, one at a time, until `stop` is set or this is cancelled."""
        await ensure_parts(self.store.connection)
        settings = PullSettings(
            stream=f"KV_{PARTS_BUCKET}", durable=CONSUMER, patterns=WORK_ITEMS, batch_size=1, ack_wait_seconds=self.claim_seconds
        )
        async with open_pull(self.store.connection, settings) as queue:
            while not stop.is_set():
                try:
                    deliveries = await queue.take()
                except PersistenceError as error:
                    log.warning("parts of runs cannot be taken: %s", error)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                for delivery in deliveries:
                    await self._take_up(queue, delivery)

    async def _take_up(self, queue: PullConsumer, delivery: Delivery) -> None:
        tokens = delivery.subject.split(".")
        key = PartKey(run_id=tokens[2], number=int(tokens[4]))
        try:
            async with kept(queue, delivery, seconds=self.claim_seconds):
                is_settled = await self._work_on(key)
            if is_settled:
                await queue.settle(delivery)
                return
        except PersistenceError as error:
            log.warning("part %s of run %s is left for another try: %s", key.number + 1, key.run_id, error)
        with suppress(Unavailable):  # if even that cannot be said, the server does it by itself when the claim expires
            await queue.put_back(delivery, delay_seconds=RETRY_SECONDS)

    async def _work_on(self, key: PartKey) -> bool:
        """Do the part unless it is done or not wanted any more; False where its run rests."""
        run = await load_run(self.store, key.run_id)
        if run is None or run.state.is_ended:
            await forget_parts(self.store.connection, key.run_id)
            return True
        if run.state is not RunState.RUNNING:
            return False
        entry = await kv_get(self.store.connection, PARTS_BUCKET, str(key))
        if entry is None or await find_result(self.store.connection, key):
            return True
        what = f"part {key.number + 1} of {run.summary}"
        self.in_hand.add(what)
        try:
            return await self._do(run, key, cast("dict[str, Value]", decode(entry.value))["part"])
        finally:
            self.in_hand.discard(what)

    async def _do(self, run: Run, key: PartKey, part: Value) -> bool:
        workers = len(await list_workers(self.store.connection)) if run.limit else 1
        progress = PartProgress(self.store.connection, run, key, workers=workers)
        await progress.begin()
        async with watched(self.store, run.id, progress):
            try:
                result = await self._result(run, part, progress)
            except RunInterrupted:
                return False
        await kv_put(self.store.connection, PARTS_BUCKET, key.named("done"), result.to_bytes())
        return True

    async def _result(self, run: Run, part: Value, progress: PartProgress) -> PartResult:
        """Raises RunInterrupted, and Unavailable or Conflict to be tried again."""
        if progress.attempts > MAX_PART_ATTEMPTS:
            return self._failed(f"{MAX_PART_ATTEMPTS} attempts ended without a result; the workers that had it were lost or killed.")
        try:
            operation: Any = restore_operation(self.operations, run.operation, run.parameters)
            value = await operation.run_part(self.store, self.registry, part, progress)
        except (Unavailable, Conflict):
            raise
        except PersistenceError as error:
            return self._failed(str(error))
        except Exception as error:
            log.exception("a part of run %s failed", run.id)
            return self._failed(f"{type(error).__name__}: {error}")
        return PartResult(value=value, done=progress.done, worker=self.worker, failed=tuple(progress.failed))

    def _failed(self, reason: str) -> PartResult:
        return PartResult(value=None, done=0, worker=self.worker, error=reason)
