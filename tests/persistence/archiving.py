"""This module is what the tests of archives with a new generation share: a console with baskets, and what they look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from apps.persistence.console import load_registry
from apps.persistence.encoding import Cid, cid_of, encode
from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.operations import OPERATIONS
from apps.persistence.projections import bucket_of, find_record, place_of, placed, read_position
from apps.persistence.snapshots import state_at
from apps.persistence.store import Store, append, ensure_home, find_consumer, head_of, kv_all, open_store
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import ensure_files
from apps.persistence.work.run import Run, RunState

from .baskets import BASKET, added, named, removed
from .changing_streams import ALLOWED
from .engine_stage import Stage
from .projecting import eventually, model_in

DOMAIN = "tests.persistence.archiving_domain"
OLD, LIVE, LATE = (AggregateRef("shop", "basket", name) for name in ("old", "live", "late"))
NEW = AggregateRef("shop", "basket", "new")


@asynccontextmanager
async def archiving_stage(server: EmbeddedServer) -> AsyncIterator[Stage]:
    registry = load_registry([DOMAIN], stream_changes=ALLOWED)
    async with open_store(server.settings()) as store:
        await ensure_home(store.connection)
        await ensure_files(store.connection)
        informed = replace(store, layouts=registry.layouts, upcasters=registry.upcasters)
        yield Stage(store=informed, operations=OPERATIONS, registry=registry)


async def fill(store: Store) -> None:
    """Eight events: `old` lies wholly before sequence 6, `live` on both sides of it, `late` behind it."""
    live = (await append(store, Head(aggregate=LIVE), [added("tea"), named("for May")]))[-1].head
    await append(store, Head(aggregate=OLD), [added("cup"), removed("cup")])
    live = (await append(store, live, [added("jam")]))[-1].head
    await append(store, live, [added("bread"), removed("tea")])
    await append(store, Head(aggregate=LATE), [added("milk")])


async def add(store: Store, ref: AggregateRef, *events: NewEvent) -> None:
    await append(store, await head_of(store, ref, leader=True), list(events))


async def archive(stage: Stage, last: str = "5", **given: str) -> Run:
    """Archive with a new generation."""
    async with stage.worker():
        return await finished(stage, await stage.ask("archive", {"last": last, "new_generation": "on", **given}))


async def finished(stage: Stage, run_id: str) -> Run:
    run = await stage.wait(run_id)
    assert run.state is RunState.FINISHED, run.outcome
    return run


async def states(store: Store, refs: Sequence[AggregateRef] = (OLD, LIVE, LATE)) -> list[Cid]:
    return [(await state_at(store, BASKET, ref)).state_cid for ref in refs]


async def models(stage: Stage, name: str) -> dict[str, Cid]:
    """The CID of each model that readers get."""
    record = await find_record(stage.store.connection, name, leader=True)
    assert record is not None
    entries = await kv_all(stage.store.connection, bucket_of(name, record.serving))
    return {entry.key: cid_of(encode(model_in(entry.value))) for entry in entries if not entry.key.startswith("_")}


async def read_models(stage: Stage, *names: str) -> Mapping[str, dict[str, Cid]]:
    """The models of projections, once those that serve are of the generation that serves and have come to its end."""
    for name in names:
        await eventually(lambda name=name: is_at_the_end(stage, name), seconds=60)  # type: ignore[misc]
    return {name: await models(stage, name) for name in names}


async def is_at_the_end(stage: Stage, name: str) -> bool:
    connection = stage.store.connection
    record = await find_record(connection, name, leader=True)
    definition = placed(connection, stage.registry.projections[name])
    if record is None or record.serving_build.generation != definition.generation:
        return False
    consumer = await find_consumer(connection, definition.stream, bucket_of(name, record.serving))
    if consumer is None or consumer.lag:
        return False
    return (await read_position(connection, place_of(definition, record.serving), leader=True)).sequence > 0
