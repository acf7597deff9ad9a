"""The runner on a real server: models, positions, filters, limits and progress are what they should be."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from apps.persistence.events import StoredEvent, Upcaster, Upcasters
from apps.persistence.projections.definition import Models, ProjectionDefinition, bucket_of
from apps.persistence.projections.models import place_of, read_position
from apps.persistence.projections.runner import Orders, Progress, run_projection
from apps.persistence.store import find_consumer, get_message, get_stream

from .projecting import TO_THE_HEAD, Case, case, eventually, metadata_in, model_in

__all__ = ["case"]


async def test_every_event_is_applied_once_and_the_position_says_so(case: Case) -> None:
    await case.add(3, 4)
    last = (await case.add(5, order="two"))[0]

    position = await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)

    models = await case.models(case.definition())
    assert model_in(models["order.one"]) == {"items": 2, "total": 7}
    assert model_in(models["order.two"]) == {"items": 1, "total": 5}
    assert (position.sequence, position.applied) == (last.sequence, 3)


async def test_a_model_says_which_event_changed_it_last_and_when_by_the_servers_clock(case: Case) -> None:
    first, last = [await get_message(case.store.connection, "CIM-EVENTS", event.sequence) for event in await case.add(3, 4)]

    await run_projection(case.store, case.definition(version=7), 1, TO_THE_HEAD)

    metadata = metadata_in((await case.models(case.definition()))["order.one"])
    assert metadata == {
        "id": "one",
        "model_type": "order",
        "schema_version": 7,
        "created": f"{first.time:%Y-%m-%dT%H:%M:%S.%f}Z",
        "last_event_position": last.sequence,
        "last_updated": f"{last.time:%Y-%m-%dT%H:%M:%S.%f}Z",
    }


async def test_a_second_run_applies_only_what_is_new(case: Case) -> None:
    await case.add(3)
    await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)
    await case.add(4)

    position = await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)

    assert position.applied == 2
    assert await case.total(case.definition()) == 7


async def test_until_stops_at_that_sequence(case: Case) -> None:
    events = await case.add(1, 10, 100)

    await run_projection(case.store, case.definition(), 1, Orders(until=events[1].sequence))

    assert await case.total(case.definition()) == 11


async def test_a_new_event_reaches_its_model_while_the_runner_follows(case: Case) -> None:
    definition = case.definition()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_projection(case.store, definition, 1))
        await eventually(lambda: has_consumer(case, definition))
        await case.add(1)
        await eventually(lambda: totals(case, definition, 1))

        await case.add(41)
        started = time.monotonic()
        await eventually(lambda: totals(case, definition, 42))
        seconds = time.monotonic() - started
        running.cancel()

    assert seconds < 10


async def test_a_model_that_an_event_leaves_as_it_was_is_not_written_again(case: Case) -> None:
    first, _ = await case.add(5, 0)

    def apply(stored: StoredEvent, models: Models) -> Models:
        return {"order.one": dict(models["order.one"] or {"total": 5})}

    await run_projection(case.store, case.definition(apply=apply), 1, TO_THE_HEAD)

    metadata = metadata_in((await case.models(case.definition()))["order.one"])
    assert metadata["last_event_position"] == first.sequence


async def test_a_model_that_became_none_is_deleted(case: Case) -> None:
    await case.add(5)
    await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)
    await case.add(0)

    await run_projection(case.store, case.definition(apply=lambda stored, models: {"order.one": None}), 1, TO_THE_HEAD)

    assert list(await case.models(case.definition())) == ["_position"]


async def test_events_that_touch_more_models_than_one_batch_holds_are_split(case: Case) -> None:
    definition = case.definition(keys=lambda stored: (f"event.{stored.sequence}",), apply=one_each)
    await case.add_many(2_500)

    position = await run_projection(case.store, definition, 1, TO_THE_HEAD)

    assert position.applied == 2_500
    assert len(await case.models(definition)) == 2_501


async def test_models_beyond_the_memory_of_the_runner_are_read_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.projections.models.ModelBucket.__init__.__kwdefaults__", {"cache_bytes": 1_000})
    definition = case.definition()
    await case.add_many(4_000, orders=40)

    await run_projection(case.store, replace(definition, rate_limit=50_000.0), 1, TO_THE_HEAD)

    assert await case.total(definition) == 4_000


async def test_an_event_of_an_older_schema_is_applied_as_the_newest_one(case: Case) -> None:
    await case.add(5)
    step = Upcaster(
        context=case.context,
        aggregate="order",
        type="item_added",
        from_schema=1,
        apply=lambda payload: {"quantity": 10 * int(str(payload["quantity"]))},
    )

    await run_projection(replace(case.store, upcasters=Upcasters([step])), case.definition(), 1, TO_THE_HEAD)

    assert await case.total(case.definition()) == 50


async def test_a_rate_limit_is_kept(case: Case) -> None:
    await case.add_many(100)
    started = time.monotonic()

    await run_projection(case.store, case.definition(rate_limit=200.0), 1, TO_THE_HEAD)

    assert 0.3 < time.monotonic() - started < 30


async def test_progress_is_told_after_each_batch_and_ends_at_nothing_left(case: Case) -> None:
    await case.add_many(100)
    told: list[Progress] = []

    async def note(progress: Progress) -> None:
        told.append(progress)

    await run_projection(case.store, case.definition(rate_limit=500.0), 1, Orders(until=10**12, on_progress=note))

    assert told[0].position.applied <= 50
    assert (told[-1].position.applied, told[-1].pending) == (100, 0)


async def test_a_runner_stops_when_it_is_told_to(case: Case) -> None:
    await case.add_many(100)
    told: list[Progress] = []

    async def note(progress: Progress) -> None:
        told.append(progress)

    orders = Orders(until=10**12, on_progress=note, should_stop=lambda: bool(told))
    position = await run_projection(case.store, case.definition(rate_limit=500.0), 1, orders)

    assert 0 < position.applied <= 50
    assert await lag(case, case.definition()) == 100 - position.applied


async def test_the_lag_of_a_filter_that_takes_one_in_a_hundred_is_zero_when_caught_up(case: Case) -> None:
    definition = case.definition(subjects=(f"cim.events.{case.context}.order.rare.>",))
    await case.add(1, order="rare")
    await case.add_many(100)

    await run_projection(case.store, definition, 1, TO_THE_HEAD)

    stream = await get_stream(case.store.connection, "CIM-EVENTS")
    position = await read_position(case.store.connection, place_of(definition, 1))
    assert stream.last_sequence - position.sequence >= 100
    assert await lag(case, definition) == 0


def one_each(stored: StoredEvent, models: Models) -> Models:
    return {f"event.{stored.sequence}": {"type": stored.event.type}}


async def totals(case: Case, definition: ProjectionDefinition, total: int) -> bool:
    return await case.total(definition) == total


async def has_consumer(case: Case, definition: ProjectionDefinition) -> bool:
    return await find_consumer(case.store.connection, definition.stream, bucket_of(definition.name, 1)) is not None


async def lag(case: Case, definition: ProjectionDefinition) -> int:
    consumer = await find_consumer(case.store.connection, definition.stream, bucket_of(definition.name, 1))
    assert consumer is not None
    return consumer.lag
