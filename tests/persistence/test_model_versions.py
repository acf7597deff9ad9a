"""Read models of another version: built anew, or transformed until that is done; never taken for those of the reader's own version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest

from apps.persistence.errors import InvalidInput, Unavailable
from apps.persistence.events import StoredEvent
from apps.persistence.projections import Model, Models, ProjectionDefinition, find_model, list_models
from apps.persistence.projections.builtin import directory_of, find_by_cid, index_of, list_aggregate_types, page_aggregates
from apps.persistence.store import Layout, Store, ensure_event_stream, ensure_home, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .conftest import fresh_layout
from .operating import supervised, wait_for_total
from .projecting import Case, add_up, case, eventually
from .test_projection_directory import ORDER_ONE, add, project
from .test_projection_rebuild import is_serving

__all__ = ["case"]

KEY = "order.one"


def in_dozens(stored: StoredEvent, models: Models) -> Models:
    """Version 2: `total` means dozens, under the same name."""
    ((key, before),) = models.items()
    pieces = cast(int, before["total"]) * 12 if before else 0
    return {key: {"total": (pieces + cast(int, stored.event.payload["quantity"])) // 12}}


def to_dozens(key: str, model: Model) -> Model:
    return {"total": cast(int, model["total"]) // 12}


async def first_version(case: Case) -> ProjectionDefinition:
    """Version 1 has run over two dozen pieces."""
    definition = case.definition()
    await case.add(12, 12)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 24)
    return definition


async def test_models_of_an_older_version_are_not_read_until_they_were_built_anew(case: Case) -> None:
    newer = replace(await first_version(case), version=2, apply=in_dozens)

    with pytest.raises(Unavailable, match=r"order\.one of .* was written by version 1 of the projection, and this program reads version 2"):
        await find_model(case.store.connection, newer, KEY)
    async with supervised(case.store, newer):
        await eventually(lambda: is_serving(case, newer, 2))

    assert await find_model(case.store.connection, newer, KEY) == {"total": 2}


async def test_models_of_an_older_version_are_read_transformed_and_then_as_they_were_built_anew(case: Case) -> None:
    newer = replace(await first_version(case), version=2, apply=in_dozens, transforms={1: to_dozens})

    transformed = await list_models(case.store.connection, newer, "order")
    async with supervised(case.store, newer):
        await eventually(lambda: is_serving(case, newer, 2))
    built_anew = await list_models(case.store.connection, newer, "order")

    assert transformed == built_anew == {KEY: {"total": 2}}


async def test_transforms_lead_over_several_versions(case: Case) -> None:
    older = await first_version(case)
    steps = {1: to_dozens, 2: lambda key, model: {"dozens": model["total"], "key": key}}

    found = await find_model(case.store.connection, replace(older, version=3, transforms=steps), KEY)

    assert found == {"dozens": 2, "key": KEY}


async def test_older_code_does_not_read_what_newer_code_has_built(case: Case) -> None:
    older = await first_version(case)
    newer = replace(older, version=2, apply=in_dozens)
    async with supervised(case.store, newer):
        await eventually(lambda: is_serving(case, newer, 2))

    with pytest.raises(Unavailable, match="this program has only version 1; start it again with the newer code"):
        await find_model(case.store.connection, older, KEY)


async def test_readers_of_both_versions_never_see_the_other_one_while_it_is_switched(case: Case) -> None:
    older = await first_version(case)
    newer = replace(older, version=2, apply=in_dozens)
    done = asyncio.Event()
    seen: dict[int, set[object]] = {1: set(), 2: set()}

    async def read(definition: ProjectionDefinition) -> None:
        while not done.is_set():
            try:
                model = await find_model(case.store.connection, definition, KEY)
                seen[definition.version].add(model["total"] if model else None)
            except Unavailable:
                seen[definition.version].add("refused")

    async def have_both() -> bool:
        return len(seen[1]) > 1 and len(seen[2]) > 1

    async with asyncio.TaskGroup() as group:
        for definition in (older, newer):
            group.create_task(read(definition))
        await eventually(lambda: _has(seen, 1))
        async with supervised(case.store, newer):
            await eventually(have_both)
        done.set()

    assert seen == {1: {24, "refused"}, 2: {2, "refused"}}


async def _has(seen: dict[int, set[object]], version: int) -> bool:
    return bool(seen[version])


@pytest.mark.parametrize("versions", [(1,), (1, 3), (2, 3)])
def test_transforms_that_do_not_lead_to_the_version_are_refused(versions: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="they must lead step by step to version 3"):
        ProjectionDefinition(
            name="orders",
            version=3,
            title="Orders",
            subjects=("cim.events.>",),
            keys=lambda stored: (KEY,),
            apply=add_up,
            transforms=dict.fromkeys(versions, to_dozens),
        )


# -- those that the console brings ------------------------------------------------------------------------------------------------------


@pytest.fixture
def layout() -> Layout:
    return fresh_layout()


@pytest.fixture
async def store(nats_server: EmbeddedServer, layout: Layout) -> AsyncIterator[Store]:
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as opened:
        await ensure_home(opened.connection)
        await ensure_event_stream(opened.connection, layout)
        yield opened


async def test_directory_of_another_version_is_not_read(store: Store, layout: Layout) -> None:
    await add(store, ORDER_ONE, "created")
    await project(store, replace(directory_of(layout), version=9))

    with pytest.raises(Unavailable, match="has only version 1"):
        await list_aggregate_types(store.connection, layout=layout)
    with pytest.raises(Unavailable, match="has only version 1"):
        await page_aggregates(store.connection, "sales", "order", layout=layout)


async def test_event_is_found_without_an_index_of_another_version(store: Store, layout: Layout) -> None:
    (created,) = await add(store, ORDER_ONE, "created")
    await project(store, replace(index_of(layout), version=9))

    found = await find_by_cid(store, created.cid)

    assert found is not None
    assert found.sequence == created.sequence
