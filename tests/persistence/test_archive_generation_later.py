"""What comes after an archive with a new generation: newer code, migrations, commands that come twice, keys that are destroyed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.errors import InvalidInput, PayloadRedacted, ProjectionFailed
from apps.persistence.events import (
    OPENING,
    Algorithm,
    Destruction,
    InMemoryKeys,
    Sealing,
    StoredEvent,
    Upcaster,
    Upcasters,
    fold,
    new_id,
    now,
)
from apps.persistence.evolution import StreamChange, Work, keep
from apps.persistence.projections import (
    Models,
    Orders,
    ProjectionDefinition,
    bucket_of,
    model_key,
    place_of,
    placed,
    read_position,
    run_projection,
)
from apps.persistence.routing import ContextBridge, ContextMapping, Interest, bridging
from apps.persistence.store import EVENTS, Store, find_version, get_stream, head_of, kv_all, load
from apps.persistence.store.embedded import EmbeddedServer

from .archiving import LATE, LIVE, OLD, add, archive, archiving_stage, fill, finished, read_models, states
from .archiving_domain import STORIES, TOTALS
from .baskets import BASKET, BASKET_2, added, named
from .changing_streams import carry_out, make_stream, plan
from .engine_stage import Stage
from .projecting import eventually, model_in
from .test_routers import there_are, translated

FILE = "CIM-EVENTS-1-5.archive.car"


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with archiving_stage(own_nats_server) as opened:
        yield opened


@pytest.fixture
async def filled(stage: Stage) -> Stage:
    await fill(stage.store)
    return stage


# -- what comes later -------------------------------------------------------------------------------------------------------------------


def counting(**changes: object) -> ProjectionDefinition:
    return replace(TOTALS, **changes)  # type: ignore[arg-type]


async def build_here(
    store: Store, definition: ProjectionDefinition, *, build: int = 7, until: int = 0, skip: frozenset[int] = frozenset()
) -> dict[str, object]:
    """Build it in the generation that serves, and give its models."""
    here = placed(store.connection, definition)
    last = until or (await get_stream(store.connection, here.stream)).last_sequence
    await run_projection(store, here, build, Orders(until=last, skip=skip))
    entries = await kv_all(store.connection, bucket_of(definition.name, build))
    return {entry.key: model_in(entry.value) for entry in entries if not entry.key.startswith("_")}


async def test_later_version_begins_with_transformed_models(filled: Stage) -> None:
    await archive(filled)

    transformed = counting(version=2, transforms={1: lambda key, model: {"added": model["added"], "is_counted": True}})

    assert await build_here(filled.store, transformed, until=3) == {"total.all": {"added": 3, "is_counted": True}}
    with pytest.raises(ProjectionFailed, match="made by version 1, and no transforms lead from there to version 3"):
        await build_here(filled.store, counting(version=3), build=8)


async def test_projection_without_starting_models_says_so_and_may_begin_without(filled: Stage) -> None:
    await archive(filled)
    newcomer = replace(STORIES, name="newcomer", keys=lambda stored: [model_key("story", stored.event.aggregate.id)], apply=lambda *_: {})

    with pytest.raises(ProjectionFailed, match=r"cannot apply the event at sequence 3: its stream begins behind an archive"):
        await build_here(filled.store, newcomer)
    assert await build_here(filled.store, newcomer, skip=frozenset({3})) == {}
    position = await read_position(filled.store.connection, place_of(placed(filled.store.connection, newcomer), 7))
    assert (position.applied, position.left_out) == (3, (3,))


async def test_starting_models_are_made_anew_from_a_restored_archive(filled: Stage) -> None:
    await archive(filled)
    await carry_out(filled, "restore-archive", file=FILE)
    for_all = replace(TOTALS, version=2, apply=count_twice)
    filled.registry.projections["totals"] = for_all

    with pytest.raises(ProjectionFailed, match="no transforms lead from there to version 2"):
        await build_here(filled.store, for_all)
    run = await carry_out(filled, "start-models", projection="totals", stream="ARCHIVED")

    assert run.outcome == (
        "totals has its models as they were at the end of the archive, from 3 events; builds that begin from now on begin with them."
    )
    assert await build_here(filled.store, for_all, build=8) == {"total.all": {"added": 10}}


async def test_starting_models_are_made_of_the_archived_events_alone(filled: Stage) -> None:
    await archive(filled)
    await make_stream(filled.store, name="OTHER")

    with pytest.raises(InvalidInput, match="OTHER does not hold the archived events alone"):
        await plan(filled, "start-models", projection="totals", stream="OTHER")
    with pytest.raises(InvalidInput, match="runs needs no models to begin with"):
        await plan(filled, "start-models", projection="runs")


def count_twice(stored: StoredEvent, models: Models) -> Models:
    before = models["total.all"] or {"added": 0}
    return {"total.all": {"added": cast(int, before["added"]) + 2}}


async def test_state_of_an_older_schema_is_upcast_or_refused(filled: Stage) -> None:
    await archive(filled)
    events = (await load(filled.store, OLD)).events

    def with_more(payload: dict[str, object]) -> dict[str, object]:
        return {"state": {**payload["state"], "is_new": True}}  # type: ignore[dict-item]

    step = Upcaster(context="shop", aggregate="basket", type=OPENING, from_schema=1, apply=with_more)  # type: ignore[arg-type]

    assert fold(BASKET_2, [Upcasters([step]).read(one).event for one in events])["is_new"] is True
    with pytest.raises(Exception, match="declare an upcaster of opened-from-archive from 1 to 2"):
        fold(BASKET_2, [one.event for one in events])


async def test_migration_keeps_opening_events_and_another_roll_back_comes_first(filled: Stage) -> None:
    await archive(filled)
    before = await states(filled.store)
    change = StreamChange(id="later", layout=EVENTS, transform=lambda event: [keep(event)], back=lambda event: [keep(event)])
    work = Work(store=filled.store, run=new_id(), by="ada", definitions={BASKET.key: BASKET})

    await change.up(work)

    assert filled.store.layout.stream == "CIM-EVENTS-3"
    assert await states(filled.store) == before
    with pytest.raises(InvalidInput, match="CIM-EVENTS-3 does not begin behind an archive"):
        await plan(filled, "roll-back-archive", stream="CIM-EVENTS")
    async with filled.worker():
        assert set(await read_models(filled, "stories")) == {"stories"}


async def test_bridge_tells_what_came_later_and_nothing_twice(filled: Stage) -> None:
    """It knows what it told by versions, and those begin anew."""
    words = ContextMapping(
        source="shop", target="depot", aggregates={"basket": "crate"}, event_types={"added": "put", "named": "labelled", "removed": "taken"}
    )
    bridge = ContextBridge(mappings=[words], interests=[Interest(target="depot", source="shop")])
    filled.registry.routers["depot"] = bridging(name="depot", title="Depot", bridge=bridge)

    async with filled.worker():
        await eventually(there_are(8, filled.store, "depot"), seconds=60)
        await finished(filled, await filled.ask("archive", {"last": "5", "new_generation": "on"}))
        await add(filled.store, LIVE, added("late"))
        again = str((await get_stream(filled.store.connection, "CIM-EVENTS-2")).last_sequence)
        await finished(filled, await filled.ask("archive", {"stream": "CIM-EVENTS-2", "last": again, "new_generation": "on"}))
        await add(filled.store, LIVE, named("later still"))
        await eventually(there_are(10, filled.store, "depot"), seconds=60)

    told = [message.subject.rpartition("crate.")[2] for message in await translated(filled.store, "depot")]
    assert sorted(told) == [
        "late.put.v1",
        "live.labelled.v2",
        "live.labelled.v7",
        "live.put.v1",
        "live.put.v3",
        "live.put.v4",
        "live.put.v6",
        "live.taken.v5",
        "old.put.v1",
        "old.taken.v2",
    ]


async def test_command_that_was_archived_is_known_to_be_done(filled: Stage) -> None:
    command = new_id()
    await add(filled.store, OLD, replace(added("late"), causation=command, correlation=command))

    await archive(filled, "9")

    history = await load(filled.store, OLD)
    assert [stored.event.causation for stored in history.events] == [command]
    assert (await head_of(filled.store, OLD)).version == 1


# -- sealed payloads --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def sealed(stage: Stage) -> Stage:
    """Baskets whose payloads are sealed, each by its own key."""
    upcasters = Upcasters(sealing=Sealing(types={BASKET.key: Algorithm.AES_256_GCM}, keys=InMemoryKeys()))
    stage.registry.upcasters = upcasters
    made = replace(stage, store=replace(stage.store, upcasters=upcasters))
    await fill(made.store)
    return made


async def test_state_of_a_sealed_aggregate_is_sealed_too(sealed: Stage) -> None:
    before = await states(sealed.store)

    await archive(sealed)

    opening = await find_version(sealed.store, LIVE, 1)
    assert opening is not None
    assert b"for May" not in opening.data
    assert await states(sealed.store) == before
    assert (await verify_stream(sealed.store)).intact


async def test_aggregate_whose_keys_were_destroyed_stays_unreadable(sealed: Stage) -> None:
    keys = sealed.store.upcasters.sealing.keys
    assert keys is not None
    keys.destroy_keys(Destruction(subject=OLD, keys=(), at=now(), by="ada", reason="asked for"))

    await archive(sealed)

    assert (await head_of(sealed.store, OLD)).version == 1
    with pytest.raises(PayloadRedacted, match="redacted on"):
        await load(sealed.store, OLD)
    assert len(await states(sealed.store, [LIVE, LATE])) == 2
