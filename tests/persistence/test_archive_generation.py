"""Archives that leave their events behind: a new generation begins with the states and models of that place, and everything goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.persistence.chain import verify_stream
from apps.persistence.events import read_opening
from apps.persistence.projections import find_record
from apps.persistence.store import Layout, get_stream, head_of, load
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.transfer import get_file, open_file, read_archive

from .archiving import LATE, LIVE, NEW, OLD, add, archive, archiving_stage, fill, finished, read_models, states
from .baskets import added, named
from .engine_stage import Stage
from .transferring import blocks

PROJECTIONS = ("stories", "totals", "state-shop-basket")


@pytest.fixture
async def stage(own_nats_server: EmbeddedServer) -> AsyncIterator[Stage]:
    async with archiving_stage(own_nats_server) as opened:
        await fill(opened.store)
        yield opened


async def test_states_are_the_same_and_old_aggregates_begin_with_one_event(stage: Stage) -> None:
    before = await states(stage.store)

    run = await archive(stage)

    assert run.outcome.startswith("Archived 5 events of CIM-EVENTS, all of them intact, to CIM-EVENTS-1-5.archive.car, root bafyr4i")
    assert "Copied CIM-EVENTS into CIM-EVENTS-2, which serves now; CIM-EVENTS is kept and closed." in run.outcome
    assert await states(stage.store) == before
    assert [(await head_of(stage.store, ref)).version for ref in (OLD, LIVE, LATE)] == [1, 3, 1]
    assert (await get_stream(stage.store.connection, "CIM-EVENTS")).messages == 8


async def test_opening_events_name_old_heads_as_the_archive_does(stage: Stage) -> None:
    run = await archive(stage)

    found = await read_archive(open_file(stage.store.connection, await get_file(stage.store.connection, str(run.figures["file"]))))
    first = (await load(stage.store, LIVE)).events[0].event
    opening = read_opening(first)
    assert (opening.version, opening.head) == found.heads["shop.basket.live"]
    assert (str(opening.root), opening.file, opening.stream) == (run.figures["root"], run.figures["file"], "CIM-EVENTS")
    assert first.metadata["generation"] == {"stream": "CIM-EVENTS", "sequence": 5, "head": opening.head, "version": 3}


async def test_projections_go_on_with_the_same_models(stage: Stage) -> None:
    async with stage.worker():
        before = await read_models(stage, "stories", "totals")
        await finished(stage, await stage.ask("archive", {"last": "5", "new_generation": "on"}))
        after = await read_models(stage, "stories", "totals")
        await add(stage.store, LIVE, named("for June"), added("cup"))
        await add(stage.store, NEW, added("plum"))
        rebuilt = await finished(stage, await stage.ask("rebuild", {"projection": "stories"}))
        with_more = await read_models(stage, "stories", "totals")
        rolled_back = await finished(stage, await stage.ask("roll-back-archive", {"stream": "CIM-EVENTS"}))
        from_the_first_event = await read_models(stage, "stories", "totals")

    assert after == before
    assert with_more == from_the_first_event
    assert rebuilt.figures["different"] == 0
    assert rolled_back.outcome == "CIM-EVENTS serves again, with 3 events that came since; CIM-EVENTS-2 is kept and closed."


async def test_appends_go_on_and_the_new_generation_is_intact(stage: Stage) -> None:
    await archive(stage)

    await add(stage.store, LIVE, added("cup"))
    await add(stage.store, OLD, named("again"))

    verdict = await verify_stream(stage.store)
    assert (verdict.intact, verdict.checked) == (True, 9)
    assert (await head_of(stage.store, LIVE)).version == 4


async def test_restored_archive_has_the_old_events_with_their_cids(stage: Stage) -> None:
    before = (await blocks(stage.store, "CIM-EVENTS"))[:5]
    run = await archive(stage)

    async with stage.worker():
        await finished(stage, await stage.ask("restore-archive", {"file": str(run.figures["file"])}))

    assert await blocks(stage.store, "ARCHIVED") == before
    there = stage.store.on(Layout(stream="ARCHIVED", root="archived.events", is_pinned=True))
    assert (await head_of(there, LIVE)).cid == read_opening((await load(stage.store, LIVE)).events[0].event).head


async def test_second_archive_begins_behind_the_first(stage: Stage) -> None:
    async with stage.worker():
        before = await read_models(stage, *PROJECTIONS[:2])
        await finished(stage, await stage.ask("archive", {"last": "5", "new_generation": "on"}))
        last = str((await get_stream(stage.store.connection, "CIM-EVENTS-2")).last_sequence)
        await finished(stage, await stage.ask("archive", {"stream": "CIM-EVENTS-2", "last": last, "new_generation": "on"}))
        after = await read_models(stage, *PROJECTIONS[:2])

    assert after == before
    assert [(await head_of(stage.store, ref)).version for ref in (OLD, LIVE, LATE)] == [1, 1, 1]
    assert read_opening((await load(stage.store, LIVE)).events[0].event).version == 3
    record = await find_record(stage.store.connection, "stories", leader=True)
    assert record is not None
    assert record.serving_build.generation == 3
