"""An event that cannot be applied stops the runner at that event: everything before it is stored, nothing is skipped."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from apps.persistence.errors import ContinuityLost, InvalidInput, PermissionDenied, ProjectionFailed
from apps.persistence.events import StoredEvent
from apps.persistence.projections.definition import Models, ProjectionDefinition, bucket_of
from apps.persistence.projections.models import ModelBucket, place_of, read_position
from apps.persistence.projections.runner import run_projection
from apps.persistence.store import Outgoing, ensure_stream, find_consumer, open_store, store_message
from apps.persistence.store.embedded import EmbeddedServer

from .projecting import TO_THE_HEAD, Case, add_up, case, model_in

__all__ = ["case"]


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


async def test_a_stream_that_was_made_anew_is_not_taken_for_the_old_one(case: Case) -> None:
    definition = case.definition(stream=f"OLD-{case.context}", subjects=(f"{case.context}.>",))
    models = ModelBucket(case.store.connection, definition, 1)
    await models.open()
    await models.commit({}, sequence=5_000, applied=5_000)
    await ensure_stream(case.store.connection, {"name": definition.stream, "subjects": [f"{case.context}.>"]})

    with pytest.raises(ContinuityLost, match="the stream was made anew"):
        await run_projection(case.store, definition, 1, TO_THE_HEAD)


async def test_a_user_who_may_not_write_is_told_at_once(nats_server: EmbeddedServer, case: Case) -> None:
    await case.add(1)

    async with open_store(nats_server.settings("web")) as readers:
        with pytest.raises(PermissionDenied):
            await run_projection(readers, case.definition(), 1, TO_THE_HEAD)


async def test_models_of_another_version_are_not_fed(case: Case) -> None:
    await case.add(1)
    await run_projection(case.store, case.definition(), 1, TO_THE_HEAD)

    with pytest.raises(InvalidInput, match="was built by version 1"):
        await run_projection(case.store, case.definition(version=2), 1, TO_THE_HEAD)


def refuse_thirteen(stored: StoredEvent, models: Models) -> Models:
    if stored.event.payload["quantity"] == 13:
        raise ValueError("thirteen is unlucky")
    return add_up(stored, models)


async def lag(case: Case, definition: ProjectionDefinition) -> int:
    consumer = await find_consumer(case.store.connection, definition.stream, bucket_of(definition.name, 1))
    assert consumer is not None
    return consumer.lag
