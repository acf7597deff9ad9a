"""The rebuild as an operation: fill, catch up, compare, switch or wait, keep, roll back, drop; and what each of them refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from apps.persistence.encoding import decode
from apps.persistence.errors import InvalidInput, PlanStale
from apps.persistence.events import AggregateRef, Head, NewEvent, StoredEvent
from apps.persistence.operations import Compare, Drop, Rebuild, Switch
from apps.persistence.projections import Models, ProjectionDefinition, bucket_of, build_beside, read_record, switch
from apps.persistence.store import Store, append, kv_get
from apps.persistence.work.planning import check_plan

from .operating import Noted, carry_out, declaring, supervised, wait_for_total
from .projecting import Case, add_up, case

__all__ = ["case"]


async def test_rebuild_fills_catches_up_compares_and_switches_and_says_so(case: Case) -> None:
    definition = case.definition()
    await case.add(1, 2, 3)
    progress = Noted()
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 6)

        outcome = await carry_out(case.store, declaring(definition), Rebuild(projection=definition.name), progress)

    stages = [line.partition(":")[0] for line in progress.lines]
    assert outcome.sentence == f"Applied 3 events; 1 models compared; build 2 of {definition.name} serves, build 1 is kept."
    assert stages == ["Fill", "Catch up", "Compare", "1 models are equal, 0 differ, 0 are only in build 1, 0 only in build 2.", "Switch"]


async def test_rebuild_leaves_the_switch_to_a_person_where_something_differs(case: Case) -> None:
    definition = case.definition()
    await case.add(1)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 1)
    mended = replace(definition, apply=with_a_price)

    outcome = await carry_out(case.store, declaring(mended), Rebuild(projection=definition.name))

    record = await read_record(case.store.connection, definition.name)
    assert record.serving == 1
    assert outcome.sentence.endswith("1 models differ; build 1 serves until a person switches.")
    assert record.build(2).comparison is not None
    assert record.build(2).comparison.samples == (("different", "order.one"),)  # type: ignore[union-attr]


async def test_rebuild_switches_where_only_what_was_expected_differs(case: Case) -> None:
    definition = case.definition()
    await case.add(1)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 1)
    mended = replace(definition, apply=with_a_price)

    await carry_out(case.store, declaring(mended), Rebuild(projection=definition.name, expected_differences=("lines", "price")))

    record = await read_record(case.store.connection, definition.name)
    comparison = record.build(2).comparison
    assert record.serving == 2
    assert comparison is not None
    assert (comparison.equal, comparison.expected, comparison.different) == (0, 1, 0)


async def test_rebuild_by_hand_waits_although_all_is_equal(case: Case) -> None:
    definition = case.definition()
    await case.add(1)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 1)

    outcome = await carry_out(case.store, declaring(definition), Rebuild(projection=definition.name, switch="by-hand"))

    assert outcome.sentence.endswith("nothing differs; build 1 serves until a person switches.")
    assert (await read_record(case.store.connection, definition.name)).serving == 1


async def test_switching_forward_and_rolling_back_read_the_same_models(case: Case) -> None:
    definition = case.definition()
    registry = declaring(definition)
    await case.add(1)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 1)
        await carry_out(case.store, registry, Rebuild(projection=definition.name))
        await case.add(2)
        back = Switch(projection=definition.name, build=1, serving=2)
        plan = await back.plan(case.store, registry)

        outcome = await carry_out(case.store, registry, back)
        await wait_for_total(case, definition, 3, build=1)
        await wait_for_total(case, definition, 3, build=2)

    assert plan.summary == f"Roll back {definition.name} to build 1"
    assert outcome.sentence == f"Readers of {definition.name} use build 1; build 2 is kept."


async def test_switch_planned_before_another_switched_is_stale(case: Case) -> None:
    definition = case.definition()
    registry = declaring(definition)
    await case.add(1)
    await build_beside(case.store, definition)
    plan = await Switch(projection=definition.name, build=2, serving=1).plan(case.store, registry)
    await switch(case.store.connection, definition.name, from_build=1, to_build=2)
    await build_beside(case.store, definition)

    with pytest.raises(PlanStale, match="serving was 1 and is 2"):
        check_plan(plan.saw, await Switch(projection=definition.name, build=3, serving=2).plan(case.store, registry))
    with pytest.raises(InvalidInput, match=r"Build 2 of .* serves now, not 1"):
        await Switch(projection=definition.name, build=3, serving=1).run(case.store, registry, Noted())


async def test_build_of_older_code_is_not_switched_to(case: Case) -> None:
    definition = case.definition()
    await case.add(1)
    await build_beside(case.store, definition)
    await switch(case.store.connection, definition.name, from_build=1, to_build=2)
    newer = replace(definition, version=2)
    await build_beside(case.store, newer)
    await switch(case.store.connection, definition.name, from_build=2, to_build=3)

    with pytest.raises(InvalidInput, match="made by version 1 of the code and is not fed by version 2"):
        await Switch(projection=definition.name, build=2, serving=3).plan(case.store, declaring(newer))


async def test_build_that_serves_is_not_dropped_and_another_is_gone_with_its_models(case: Case) -> None:
    definition = case.definition()
    registry = declaring(definition)
    await case.add(1)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 1)
        await carry_out(case.store, registry, Rebuild(projection=definition.name))
        with pytest.raises(InvalidInput, match=r"Build 2 of .* serves readers"):
            await Drop(projection=definition.name, build=2).plan(case.store, registry)
        plan = await Drop(projection=definition.name, build=1).plan(case.store, registry)

        outcome = await carry_out(case.store, registry, Drop(projection=definition.name, build=1))

    assert plan.confirm_with == bucket_of(definition.name, 1)
    assert outcome.sentence == f"Build 1 of {definition.name} is gone; build 2 serves."
    assert [build.number for build in (await read_record(case.store.connection, definition.name)).builds] == [2]


async def test_comparing_names_the_fields_that_are_expected_to_differ(case: Case) -> None:
    definition = case.definition()
    await case.add(1)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 1)
    mended = replace(definition, apply=with_a_price)
    registry = declaring(mended)
    await carry_out(case.store, registry, Rebuild(projection=definition.name))

    outcome = await carry_out(case.store, registry, Compare(projection=definition.name, build=2, expected_differences=("price",)))

    assert "0 differ, 1 differ only as expected (price)" in outcome.sentence


@pytest.mark.parametrize("fields", ["lines..price", "*", ".total"])
async def test_field_that_cannot_be_named_is_refused(case: Case, fields: str) -> None:
    definition = case.definition()
    await build_beside(case.store, definition)

    with pytest.raises(InvalidInput, match="names no field"):
        await Rebuild(projection=definition.name, expected_differences=(fields,)).plan(case.store, declaring(definition))


async def test_build_that_serves_is_not_compared_with_itself(case: Case) -> None:
    definition = case.definition()
    await build_beside(case.store, definition)

    with pytest.raises(InvalidInput, match=r"Build 1 of .* serves"):
        await Compare(projection=definition.name, build=1).plan(case.store, declaring(definition))


async def test_rebuild_of_what_never_ran_or_nobody_declares_is_refused(case: Case) -> None:
    definition = case.definition()

    with pytest.raises(InvalidInput, match="has never run"):
        await Rebuild(projection=definition.name).plan(case.store, declaring(definition))
    with pytest.raises(InvalidInput, match="There is no projection 'nothing'"):
        await Rebuild(projection="nothing").plan(case.store, declaring(definition))


async def test_rebuild_is_left_to_the_worker_where_the_code_is_newer(case: Case) -> None:
    definition = case.definition()
    await build_beside(case.store, definition)

    with pytest.raises(InvalidInput, match="a worker builds that beside it"):
        await Rebuild(projection=definition.name).plan(case.store, declaring(replace(definition, version=2)))


async def test_rebuild_while_500_events_a_second_arrive_shows_readers_every_model_all_along(case: Case) -> None:
    definition = case.definition(keys=order_and_all, apply=count_all)
    await case.add_many(2_000)
    registry = declaring(definition)
    stop = asyncio.Event()
    async with supervised(case.store, definition), asyncio.TaskGroup() as group:
        await wait_for_total(case, definition, 2_000)
        writing = group.create_task(write(case.store, case.context, stop))
        reading = group.create_task(read(case.store, definition, stop))

        outcome = await carry_out(case.store, registry, Rebuild(projection=definition.name))
        stop.set()
        await asyncio.wait({writing, reading})
        written = 2_000 + writing.result()
        await wait_for_total(case, definition, written, build=1)
        await wait_for_total(case, definition, written, build=2)

    one, two = await case.models(definition, 1), await case.models(definition, 2)
    assert "build 2 of" in outcome.sentence
    assert "serves, build 1 is kept" in outcome.sentence
    assert (outcome.figures["moved"], outcome.figures["different"]) == (0, 0)
    assert set(reading.result()) == {1, 2}
    assert {**one, "_position": b""} == {**two, "_position": b""}


async def write(store: Store, context: str, stop: asyncio.Event) -> int:
    """About 500 events a second, in batches of 25, until told to stop; how many there were."""
    head, written = Head(aggregate=AggregateRef(context, "order", "busy")), 0
    while not stop.is_set():
        stored = await append(store, head, [NewEvent(type="item_added", payload={"quantity": 1}) for _ in range(25)])
        head, written = stored[-1].head, written + 25
        await asyncio.sleep(0.05)
    return written


async def read(store: Store, definition: ProjectionDefinition, stop: asyncio.Event) -> list[int]:
    """Read a model as readers do, again and again: the build that it was found in each time, 0 where it was not there."""
    found: list[int] = []
    is_last = False
    while not is_last:
        is_last = stop.is_set()
        record = await read_record(store.connection, definition.name)
        bucket = bucket_of(definition.name, record.serving)
        entry = await kv_get(store.connection, bucket, "order.many-1")
        found.append(record.serving if entry and decode(entry.value)["model"] == {"items": 200, "total": 200} else 0)  # type: ignore[index,call-overload]
        await asyncio.sleep(0.005)
    return found


def order_and_all(stored: StoredEvent) -> list[str]:
    return [f"order.{stored.event.aggregate.id}", "count.all"]


def count_all(stored: StoredEvent, models: Models) -> Models:
    before = cast(int, (models["count.all"] or {"events": 0})["events"])
    order = {key: model for key, model in models.items() if key != "count.all"}
    return {**add_up(stored, order), "count.all": {"events": before + 1}}


def with_a_price(stored: StoredEvent, models: Models) -> Models:
    return {key: {**(model or {}), "price": 5} for key, model in add_up(stored, models).items()}
