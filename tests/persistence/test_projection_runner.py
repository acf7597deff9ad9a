"""The runner on a real server: each event exactly once, whoever runs, whenever it is killed, and nothing skipped."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from apps.persistence.errors import InvalidInput, LeaseLost, ProjectionFailed, RevisionConflict
from apps.persistence.events import StoredEvent, Upcaster, Upcasters
from apps.persistence.projections.definition import Models, ProjectionDefinition, bucket_of
from apps.persistence.projections.durable import Durable
from apps.persistence.projections.models import ModelBucket, place_of, read_position
from apps.persistence.projections.runner import Orders, Progress, run_projection
from apps.persistence.store import Outgoing, Store, ensure_home, find_consumer, get_message, get_stream, kv_get, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer

from .projecting import Case, add_up, eventually, metadata_in, model_in, new_context

TO_THE_HEAD = Orders(until=10**12)


@pytest.fixture
async def case(nats_server: EmbeddedServer) -> AsyncIterator[Case]:
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        yield Case(store=store, context=new_context())


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

    assert seconds < 1.0


async def test_two_runners_of_one_build_apply_each_event_once_and_the_stale_one_stops(case: Case) -> None:
    definition = case.definition()
    await case.add_many(3_000)
    conflicts: list[RevisionConflict] = []

    async def compete() -> None:
        try:
            await run_projection(case.store, definition, 1, TO_THE_HEAD)
        except RevisionConflict as error:
            conflicts.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(compete())
    await run_projection(case.store, definition, 1, TO_THE_HEAD)

    position = await read_position(case.store.connection, place_of(definition, 1))
    assert len(conflicts) == 1
    assert position.applied == 3_000
    assert await case.total(definition) == 3_000


async def test_a_worker_that_was_overtaken_cannot_write(case: Case) -> None:
    definition = case.definition()
    stale, other = (ModelBucket(case.store.connection, definition, 1) for _ in range(2))
    await stale.open()
    await other.open()
    await other.commit({"order.one": b"\xa0"}, sequence=5, applied=1)

    with pytest.raises(RevisionConflict):
        await stale.commit({"order.one": b"\xa1aa\x01"}, sequence=4, applied=1)

    entry = await kv_get(case.store.connection, bucket_of(definition.name, 1), "order.one")
    assert entry is not None
    assert entry.value == b"\xa0"


async def test_a_worker_that_was_overtaken_cannot_read_models_either(case: Case) -> None:
    definition = case.definition()
    stale, other = (ModelBucket(case.store.connection, definition, 1) for _ in range(2))
    await other.open()
    await other.commit({"order.one": b"\xa0"}, sequence=5, applied=1)
    await stale.open()
    await other.commit({"order.one": b"\xa1aa\x01"}, sequence=6, applied=1)

    with pytest.raises(RevisionConflict):
        await stale.fetch(["order.one"])


async def test_a_runner_without_its_lease_writes_nothing(case: Case) -> None:
    await case.add(1)

    def fence() -> None:
        raise LeaseLost("projection.orders")

    with pytest.raises(LeaseLost):
        await run_projection(case.store, case.definition(), 1, Orders(until=10**12, fence=fence))

    assert await case.models(case.definition()) == {}


async def test_a_runner_cut_off_at_twenty_random_moments_leaves_the_same_bytes_as_an_unbroken_one(case: Case) -> None:
    unbroken, broken = case.definition(), case.definition(name=f"broken-{case.context}", rate_limit=8_000.0)
    await case.add_many(4_000, orders=40)
    chance = random.Random(4)
    await run_projection(case.store, unbroken, 1, TO_THE_HEAD)

    for _ in range(20):
        with pytest.raises((asyncio.TimeoutError, StopAsyncIteration)):
            await cut_off(case.store, broken, chance.uniform(0.0, 0.04))
    await run_projection(case.store, replace(broken, rate_limit=None), 1, TO_THE_HEAD)

    assert await case.models(broken) == await case.models(unbroken)


async def test_the_event_that_cannot_be_applied_stops_the_runner_with_everything_before_it_stored(case: Case) -> None:
    before, failing, _ = await case.add(1, 13, 100)

    with pytest.raises(ProjectionFailed) as failed:
        await run_projection(case.store, case.definition(apply=refuse_thirteen), 1, TO_THE_HEAD)

    position = await read_position(case.store.connection, place_of(case.definition(), 1))
    assert failed.value.sequence == failing.sequence
    assert failed.value.reason == "ValueError: thirteen is unlucky"
    assert position.sequence == before.sequence
    assert await case.total(case.definition()) == 1


async def test_a_failed_event_leaves_the_lag_that_is_true(case: Case) -> None:
    await case.add(1, 13, 100)

    with pytest.raises(ProjectionFailed):
        await run_projection(case.store, case.definition(apply=refuse_thirteen), 1, TO_THE_HEAD)

    assert await lag(case, case.definition()) == 2


async def test_bytes_that_are_no_event_stop_the_runner(case: Case) -> None:
    await case.add(1)
    await store_message(case.store.connection, Outgoing(f"cim.events.{case.context}.order.x.bad.v1", b"not an event", {}))

    with pytest.raises(ProjectionFailed, match="cannot apply the event at sequence"):
        await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)

    assert await case.total(case.definition()) == 1


async def test_an_operator_may_leave_an_event_out(case: Case) -> None:
    _, failing, _ = await case.add(1, 13, 100)

    await run_projection(case.store, case.definition(apply=refuse_thirteen), 1, replace(TO_THE_HEAD, skip=frozenset({failing.sequence})))

    assert await case.total(case.definition()) == 101


async def test_a_model_that_cannot_be_stored_counts_against_the_event_that_made_it(case: Case) -> None:
    events = await case.add(1, 2, 3)

    def apply(stored: StoredEvent, models: Models) -> Models:
        return {"order.one": {"total": 1.5 if stored.sequence == events[0].sequence else math.nan}}

    with pytest.raises(ProjectionFailed) as failed:
        await run_projection(case.store, case.definition(apply=apply), 1, TO_THE_HEAD)

    assert failed.value.sequence == events[1].sequence
    assert model_in((await case.models(case.definition()))["order.one"]) == {"total": 1.5}


async def test_a_model_larger_than_a_message_is_refused_by_name(case: Case) -> None:
    await case.add(1)

    def apply(stored: StoredEvent, models: Models) -> Models:
        return {"order.one": {"text": "x" * 2_000_000}}

    with pytest.raises(ProjectionFailed, match=r"the model order\.one would take 2,000,\d+ bytes"):
        await run_projection(case.store, case.definition(apply=apply), 1, TO_THE_HEAD)


async def test_a_model_that_keys_did_not_name_is_refused(case: Case) -> None:
    await case.add(1)

    def apply(stored: StoredEvent, models: Models) -> Models:
        return {"order.another": {}}

    with pytest.raises(ProjectionFailed, match="keys does not name"):
        await run_projection(case.store, case.definition(apply=apply), 1, TO_THE_HEAD)


async def test_an_apply_that_alters_its_input_is_caught(case: Case) -> None:
    await case.add(1)
    await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)
    await case.add(1)

    def apply(stored: StoredEvent, models: Models) -> Models:
        model = models["order.one"]
        assert model is not None
        model["total"] = 99
        return {"order.one": model}

    with pytest.raises(ProjectionFailed, match="must return a new one"):
        await run_projection(case.store, case.definition(apply=apply), 1, TO_THE_HEAD)


async def test_the_position_is_no_model(case: Case) -> None:
    await case.add(1)

    with pytest.raises(ProjectionFailed, match="_position"):
        await run_projection(case.store, case.definition(keys=lambda stored: ("_position",)), 1, TO_THE_HEAD)


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

    assert 0.3 < time.monotonic() - started < 5.0


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


async def test_models_of_another_version_are_not_fed(case: Case) -> None:
    await case.add(1)
    await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)

    with pytest.raises(InvalidInput, match="was built by version 1"):
        await run_projection(case.store, case.definition(version=2), 1, TO_THE_HEAD)


async def test_the_lag_of_a_filter_that_takes_one_in_a_hundred_is_zero_when_caught_up(case: Case) -> None:
    definition = case.definition(subjects=(f"cim.events.{case.context}.order.rare.>",))
    await case.add(1, order="rare")
    await case.add_many(100)

    await run_projection(case.store, definition, 1, TO_THE_HEAD)

    stream = await get_stream(case.store.connection, "CIM-EVENTS")
    position = await read_position(case.store.connection, place_of(definition, 1))
    assert stream.last_sequence - position.sequence >= 100
    assert await lag(case, definition) == 0


async def test_a_consumer_that_somebody_deleted_is_made_again(case: Case) -> None:
    definition = case.definition()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_projection(case.store, definition, 1))
        await eventually(lambda: has_consumer(case, definition))
        await Durable(case.store.connection, definition, 1).delete()
        await case.add(7)

        await eventually(lambda: totals(case, definition, 7))
        running.cancel()


async def test_a_restarted_server_costs_no_event(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        case = Case(store=store, context=new_context())
        definition = case.definition()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(run_projection(store, definition, 1))
            await case.add_many(100)
            await asyncio.to_thread(own_nats_server.kill)
            await asyncio.to_thread(own_nats_server.start)
            await eventually(lambda: is_connected(store))
            await case.add_many(100)

            await eventually(lambda: totals(case, definition, 200))
            running.cancel()

        position = await read_position(store.connection, place_of(definition, 1))
        assert position.applied == 200


def refuse_thirteen(stored: StoredEvent, models: Models) -> Models:
    if stored.event.payload["quantity"] == 13:
        raise ValueError("thirteen is unlucky")
    return add_up(stored, models)


def one_each(stored: StoredEvent, models: Models) -> Models:
    return {f"event.{stored.sequence}": {"type": stored.event.type}}


async def cut_off(store: Store, definition: ProjectionDefinition, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await run_projection(store, definition, 1, TO_THE_HEAD)
    raise StopAsyncIteration


async def totals(case: Case, definition: ProjectionDefinition, total: int) -> bool:
    return await case.total(definition) == total


async def has_consumer(case: Case, definition: ProjectionDefinition) -> bool:
    return await find_consumer(case.store.connection, definition.stream, bucket_of(definition.name, 1)) is not None


async def is_connected(store: Store) -> bool:
    return store.connection.state.link == "connected"


async def lag(case: Case, definition: ProjectionDefinition) -> int:
    consumer = await find_consumer(case.store.connection, definition.stream, bucket_of(definition.name, 1))
    assert consumer is not None
    return consumer.lag
