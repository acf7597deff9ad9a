"""This module is a stage for tests of the engine: a store, workers within this process, and asking for runs as a person does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from apps.persistence.console import load_registry
from apps.persistence.encoding import Value
from apps.persistence.errors import StreamNotFound, Unavailable
from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.registry import Command, Registry
from apps.persistence.store import CONSOLE, CoreMessage, Store, append, head_of
from apps.persistence.work.commands import Accepted, consume_commands, notice_subject, read_notice, send_command
from apps.persistence.work.operation import Operations, build_operation
from apps.persistence.work.parameters import stored_values
from apps.persistence.work.progress import RunProgress, find_progress
from apps.persistence.work.run import Run, load_run, run_ref
from apps.persistence.work.run_commands import RunCommands
from apps.persistence.work.run_index import list_runs
from apps.persistence.worker import work

DEADLINE_SECONDS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`operations` are the only ones that its workers know."""

    store: Store
    operations: Operations
    registry: Registry = field(default_factory=lambda: load_registry([]))

    def __post_init__(self) -> None:
        self.registry.commands["console", "run"] = RunCommands(self.operations, self.registry)

    @asynccontextmanager
    async def worker(self, *, store: Store | None = None, claim_seconds: float = 1) -> AsyncIterator[None]:
        """A worker with claims of one second, or longer ones where a busy machine must not take a run from it."""
        stop, ready = asyncio.Event(), asyncio.Event()
        working = work(
            store or self.store, self.registry, stop, on_ready=ready.set, claim_seconds=claim_seconds, operations=self.operations
        )
        task = asyncio.create_task(working)
        await ready.wait()
        try:
            yield
        finally:
            stop.set()
            await task

    async def ask(self, operation: str, given: dict[str, str] | None = None, **more: Value) -> str:
        """Plan it now and ask for the run; its id."""
        built = build_operation(self.operations[operation], given or {})
        plan = await built.plan(self.store, self.registry)
        return await self.request(
            {"operation": operation, "parameters": stored_values(built), "saw": plan.saw, "reason": "because", **more}
        )

    async def request(self, payload: dict[str, Value]) -> str:
        run_id = new_id()
        assert isinstance(await send_command(self.store.connection, self.command("request", run_id, payload)), Accepted)
        return run_id

    async def tell(self, name: str, run_id: str, payload: dict[str, Value] | None = None) -> None:
        assert isinstance(await send_command(self.store.connection, self.command(name, run_id, payload)), Accepted)

    async def refusal(self, name: str, run_id: str, payload: dict[str, Value] | None = None) -> str:
        """Send a command that is refused, and say why."""
        command = self.command(name, run_id, payload)
        notices: asyncio.Queue[CoreMessage] = asyncio.Queue()
        async with self.store.connection.subscribe(notice_subject(command.id), notices.put_nowait), asyncio.timeout(DEADLINE_SECONDS):
            await send_command(self.store.connection, command)
            return read_notice((await notices.get()).data).reason

    def command(self, name: str, run_id: str, payload: dict[str, Value] | None = None) -> Command:
        return Command(id=new_id(), aggregate=run_ref(run_id), name=name, payload=payload or {}, actor="olga", correlation=new_id())

    async def wait(self, run_id: str, is_reached: Callable[[Run], Any] = lambda run: run.state.is_ended) -> Run:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                with suppress(Unavailable):  # as a person's page does, it looks again
                    run = await load_run(self.store, run_id)
                    if run and is_reached(run):
                        return run
                await asyncio.sleep(0.02)

    async def wait_for_progress(self, run_id: str, is_reached: Callable[[RunProgress], bool]) -> RunProgress:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                with suppress(StreamNotFound):  # the worker makes the bucket when it starts
                    progress = await find_progress(self.store.connection, run_id)
                    if progress and is_reached(progress):
                        return progress
                await asyncio.sleep(0.02)

    async def at_rest(self, run_id: str) -> int:
        """How far it is once nothing moves for half a second."""
        done = -1
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                progress = await find_progress(self.store.connection, run_id)
                if progress and progress.done == done:
                    return done
                done = progress.done if progress else -1
                await asyncio.sleep(0.5)

    async def wait_until_listed(self, count: int) -> None:
        """Until the list of runs holds so many that ended."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                if sum(run.state.is_ended for run in (await list_runs(self.store.connection)).runs) >= count:
                    return
                await asyncio.sleep(0.05)

    async def store_attempts(self, run_id: str, count: int) -> None:
        """Have the run look as if that many workers had died over it, once a worker has taken up the request."""
        async with self.commands_alone():
            run = await self.wait(run_id, lambda run: True)
        started = [NewEvent(type="started", payload={"worker": "gone", "attempt": 1, "done": 0}) for _ in range(count)]
        await append(self.store.on(CONSOLE), run.head, started)

    @asynccontextmanager
    async def commands_alone(self) -> AsyncIterator[None]:
        """A worker that takes commands and no runs."""
        stop = asyncio.Event()
        task = asyncio.create_task(consume_commands(self.store, self.registry, stop))
        try:
            yield
        finally:
            stop.set()
            await task


async def append_events(store: Store, count: int, *, aggregate: str = "o1") -> None:
    """`count` more events of one order."""
    head: Head = await head_of(store, AggregateRef("sales", "order", aggregate))
    for start in range(0, count, 500):
        events = [NewEvent(type="item_added", payload={"number": number}) for number in range(start, min(count, start + 500))]
        head = (await append(store, head, events))[-1].head
