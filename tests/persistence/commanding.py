"""What the tests of commands share: a counter that takes commands, a worker, and waiting for what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateDefinition, AggregateRef, Event, NewEvent, State, new_id
from apps.persistence.registry import Command, CommandHandler, Domain, Registry
from apps.persistence.store import COMMANDS_STREAM, History, Store, get_stream, load
from apps.persistence.work.commands import Rejected, consume_commands, notice_subject, read_notice
from apps.persistence.work.decide import handler_of

SECONDS = 60


def add(state: State, command: Command) -> list[NewEvent]:
    if command.payload["number"] == 13:
        raise InvalidState("13 is not counted here.")
    return [NewEvent(type="added", payload=command.payload)]


def apply(state: State, event: Event) -> State:
    return {**state, "newest": event.payload["number"]}


COUNTER = AggregateDefinition(context="shop", type="counter", title="Counter", apply=apply)
count = handler_of(COUNTER, add)


def registry_with(handler: CommandHandler) -> Registry:
    return Registry([Domain(name="shop", title="Shop", aggregates=[COUNTER], commands={COUNTER.key: handler})])


def new_command(number: Value = 1, *, to: AggregateRef | None = None, name: str = "add") -> Command:
    ref = to or AggregateRef("shop", "counter", new_id())
    return Command(id=new_id(), aggregate=ref, name=name, payload={"number": number}, actor="ada", correlation=new_id())


@asynccontextmanager
async def working(store: Store, handler: CommandHandler = count) -> AsyncIterator[None]:
    """A worker that runs for as long as the block lasts."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(consume_commands(store, registry_with(handler), stop, ack_wait_seconds=1))
        try:
            yield
        finally:
            stop.set()


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.02)


async def events_of(store: Store, ref: AggregateRef, *, at_least: int = 1) -> History:
    async def are_there() -> bool:
        return len((await load(store, ref)).events) >= at_least

    await until(are_there)
    return await load(store, ref)


async def queue_is_empty(store: Store) -> None:
    async def is_empty() -> bool:
        return (await get_stream(store.connection, COMMANDS_STREAM)).messages == 0

    await until(is_empty)


async def refusal_of(store: Store, command: Command, send: Callable[[], Awaitable[object]]) -> Rejected:
    """What is said of `command` after `send`."""
    notices: asyncio.Queue[bytes] = asyncio.Queue()
    async with store.connection.subscribe(notice_subject(command.id), lambda message: notices.put_nowait(message.data)):
        await send()
        async with asyncio.timeout(SECONDS):
            return read_notice(await notices.get())
