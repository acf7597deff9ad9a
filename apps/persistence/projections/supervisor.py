"""This module is the supervisor: for every projection whose lease this worker gets, it feeds each build that should be fed.

It follows the record: a pause, a retry, a switch or a drop takes effect at once, without a restart. A projection whose code is newer than
its models is built anew beside them and switched by itself. Trouble in one projection never stops another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from ..errors import ContinuityLost, InvalidInput, LeaseLost, PersistenceError, ProjectionFailed
from ..events import now
from ..store import Connection, CoreMessage, Store, read_generations
from ..store.generations import GENERATIONS_BUCKET
from .control import RECORDS_BUCKET, ensure_record, read_record, record_failure
from .definition import ProjectionDefinition
from .models import place_of, read_position
from .placing import placed
from .rebuild import build_beside, drop_build, switch
from .record import Build, ProjectionRecord, Wanted
from .runner import Orders, run_projection

_LOOK_SECONDS = 5.0
_SETTLE_SECONDS = 0.02
_SETTLE_TRIES = 25
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0

log = logging.getLogger(__name__)


class HeldLease(Protocol):
    """What the supervisor needs of a lease: `check` raises LeaseLost once it is lost, and `lost` is set."""

    lost: asyncio.Event

    def check(self) -> None:
        """Raise LeaseLost unless it is still held."""


HoldLease = Callable[[str], AbstractAsyncContextManager[HeldLease]]
"""Waits for the lease of that name and holds it for as long as the block lasts."""


@dataclass(frozen=True, slots=True)
class _Feed:
    """One build to be fed, as the record has it now; it is fed anew when any of this changes."""

    build: int
    skip: frozenset[int]
    is_rebuild: bool = False
    generation: int = 1


async def run_all(store: Store, definitions: Iterable[ProjectionDefinition], hold_lease: HoldLease, stop: asyncio.Event) -> None:
    """Keep every projection running until `stop` is set, each under the lease `projection.{name}`."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_keep(store, definition, hold_lease), name=definition.name) for definition in definitions]
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _keep(store: Store, definition: ProjectionDefinition, hold_lease: HoldLease) -> None:
    """Serve one projection for ever; after trouble wait, longer each time that it comes again soon."""
    pause = _FIRST_PAUSE_SECONDS
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            async with hold_lease(f"projection.{definition.name}") as lease:
                await _serve(store, definition, lease)
        except* PersistenceError as group:
            for error in _leaves(group):
                log.warning("projection %s starts again in %.1f s: %s", definition.name, pause, error)
        except* Exception:
            log.exception("projection %s starts again in %.1f s", definition.name, pause)
        if _is_cancelled():  # a group that meets trouble while it is cancelled raises the trouble alone
            raise asyncio.CancelledError
        await asyncio.sleep(pause)
        is_soon = loop.time() - began < 2 * _LONGEST_PAUSE_SECONDS
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS) if is_soon else _FIRST_PAUSE_SECONDS


def _is_cancelled() -> bool:
    """Whether the running task was told to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _serve(store: Store, definition: ProjectionDefinition, lease: HeldLease) -> None:
    """Feed the builds that the record asks for, until the lease is lost or one of them meets trouble."""
    record = await ensure_record(store.connection, placed(store.connection, definition))
    async with _watched(store.connection, definition.name) as changed, asyncio.TaskGroup() as group:
        group.create_task(_raise_when_lost(lease, definition.name))
        tasks: dict[_Feed, asyncio.Task[None]] = {}
        while True:
            here = placed(store.connection, definition)
            wanted = _wanted(record, here)
            ended = [tasks.pop(feed) for feed in tasks.keys() - wanted]
            for task in ended:
                task.cancel()
            if _superseded(record, here):
                if ended:
                    await asyncio.wait(ended)
                await _drop_superseded(store.connection, definition, record)
            for feed in wanted - tasks.keys():
                tasks[feed] = group.create_task(_feed(store, here, feed, lease), name=f"{definition.name} {feed.build}")
            record = await _next_record(store.connection, record, changed)


def _wanted(record: ProjectionRecord, definition: ProjectionDefinition) -> set[_Feed]:
    """What to run now. Raises InvalidInput where a newer version of the code has taken over."""
    if record.wanted is Wanted.PAUSED or (record.held_until and record.held_until > now()):
        return set()
    skip = record.left_out(definition.generation)
    serving = record.serving_build
    if definition.version < serving.version:
        raise InvalidInput(
            f"{definition.name} is served by version {serving.version}, and this worker has only version {definition.version}."
        )
    wanted = (definition.version, definition.generation)
    if definition.version > serving.version or definition.generation != serving.generation:
        begun = record.begun_by("", version=definition.version, generation=definition.generation)
        is_stuck = begun is not None and begun.failure is not None
        return set() if is_stuck else {_Feed(serving.number, skip, is_rebuild=True, generation=definition.generation)}
    fed = [build for build in record.builds if build.number == serving.number or (build.completed and definition.target is None)]
    usable = [build for build in fed if _made_of(build) == wanted and build.failure is None]
    return {_Feed(build.number, skip, generation=build.generation) for build in usable}


def _superseded(record: ProjectionRecord, definition: ProjectionDefinition) -> list[Build]:
    """Builds that workers began for a generation of the stream that does not serve; what a run began, the next rebuild removes."""
    return [build for build in record.superseded(definition.generation) if not build.owner]


async def _drop_superseded(connection: Connection, definition: ProjectionDefinition, record: ProjectionRecord) -> None:
    """Nobody would ever fill them: as after a roll back. Which generation serves is asked of the leader before anything is deleted."""
    await read_generations(connection, definition.stream)
    for build in _superseded(record, placed(connection, definition)):
        log.info("build %s of projection %s is dropped: it was begun for another generation", build.number, definition.name)
        await drop_build(connection, definition, build.number)


def _made_of(build: Build) -> tuple[int, int]:
    return build.version, build.generation


async def _feed(store: Store, definition: ProjectionDefinition, feed: _Feed, lease: HeldLease) -> None:
    orders = Orders(fence=lease.check, skip=feed.skip)
    if feed.is_rebuild:
        await _renew(store, definition, feed.build, orders)
        return
    try:
        await run_projection(store, definition, feed.build, orders)
    except ProjectionFailed as error:
        log.error("%s", error)
        await record_failure(store, definition.name, feed.build, error)
    except ContinuityLost as error:
        position = await read_position(store.connection, place_of(definition, feed.build))
        failure = ProjectionFailed(definition.name, sequence=position.sequence, reason=str(error))
        await record_failure(store, definition.name, feed.build, failure)


async def _renew(store: Store, definition: ProjectionDefinition, serving: int, orders: Orders) -> None:
    """The code is newer than the models, or another generation of the stream serves: build them anew beside, and switch."""
    log.info("projection %s is built anew from %s for version %s", definition.name, definition.stream, definition.version)
    try:
        rebuilt = await build_beside(store, definition, orders)
    except ProjectionFailed as error:
        log.error("%s", error)
        return
    await switch(store.connection, definition.name, from_build=serving, to_build=rebuilt.build)


async def _raise_when_lost(lease: HeldLease, name: str) -> None:
    await lease.lost.wait()
    raise LeaseLost(f"projection.{name}")


@asynccontextmanager
async def _watched(connection: Connection, name: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever somebody writes the record, or changes which generation of a stream serves."""
    changed = asyncio.Event()

    def on_write(message: CoreMessage) -> None:
        changed.set()

    async with (
        connection.subscribe(f"$KV.{RECORDS_BUCKET}.{name}", on_write),
        connection.subscribe(f"$KV.{GENERATIONS_BUCKET}.>", on_write),
    ):
        yield changed


async def _next_record(connection: Connection, known: ProjectionRecord, changed: asyncio.Event) -> ProjectionRecord:
    """The record after somebody wrote it, or as it is after some seconds. The message of a write flies by before it is stored."""
    tries = _SETTLE_TRIES
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await changed.wait()
    except TimeoutError:
        tries = 1
    changed.clear()
    for _ in range(tries):
        record = await read_record(connection, known.name)
        if record.revision != known.revision:
            return record
        await asyncio.sleep(_SETTLE_SECONDS)
    return known


def _leaves(group: BaseExceptionGroup[PersistenceError]) -> list[PersistenceError]:
    found: list[PersistenceError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
