"""Projections under a supervisor: pauses, failures, retries and takeovers take effect without a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from apps.persistence.errors import InvalidInput, KeyNotFound
from apps.persistence.events import StoredEvent
from apps.persistence.projections import (
    Models,
    ProjectionDefinition,
    ProjectionRecord,
    Wanted,
    bucket_of,
    change_record,
    ensure_record,
    find_record,
    pause,
    place_of,
    read_position,
    read_record,
    resume,
    skip_failed,
)
from apps.persistence.store import find_consumer, open_connection
from apps.persistence.store.embedded import EmbeddedServer

from .operating import supervised, wait_for_total
from .projecting import Case, add_up, case, eventually

__all__ = ["case"]


async def test_a_supervised_projection_is_kept_up(case: Case) -> None:
    async with supervised(case.store, case.definition()):
        await case.add(2, 3)

        await wait_for_total(case, case.definition(), 5)


async def test_a_paused_projection_rests_and_a_resumed_one_goes_on(case: Case) -> None:
    definition = case.definition()
    async with supervised(case.store, definition):
        await case.add(1)
        await wait_for_total(case, definition, 1)
        await pause(case.store.connection, definition.name)
        await eventually(lambda: is_idle(case, definition))
        await case.add(10)
        while_paused = await case.total(definition)

        await resume(case.store.connection, definition.name)
        await wait_for_total(case, definition, 11)

    assert while_paused == 1


async def test_a_failure_is_recorded_with_the_event_and_the_reason(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    async with supervised(case.store, definition):
        failing = (await case.add(13))[0]
        record = await failed(case, definition)

    failure = record.failure
    assert failure is not None
    assert (failure.sequence, failure.reason, failure.attempts) == (failing.sequence, "ValueError: thirteen is unlucky", 1)
    assert failure.aggregate == f"{case.context}.order.one"
    assert failure.event_type == "item_added"
    assert failure.subject == failing.subject


async def test_a_resumed_failure_is_tried_again_and_counted(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    async with supervised(case.store, definition):
        await case.add(13)
        first = await failed(case, definition)
        await resume(case.store.connection, definition.name)
        await eventually(lambda: has_attempts(case, definition, 2))
        record = await read_record(case.store.connection, definition.name)

    assert first.failure is not None
    assert record.failure is not None
    assert record.failure.since == first.failure.since


async def test_a_failed_event_may_be_left_out_with_a_note(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    async with supervised(case.store, definition):
        failing = (await case.add(13, 5))[0]
        await failed(case, definition)

        await skip_failed(case.store.connection, definition.name, sequence=failing.sequence, note="known bad", by="ops")
        await wait_for_total(case, definition, 5)

    record = await read_record(case.store.connection, definition.name)
    assert [(skip.sequence, skip.note, skip.by) for skip in record.skips] == [(failing.sequence, "known bad", "ops")]


async def test_only_the_event_at_which_it_stopped_may_be_left_out(case: Case) -> None:
    await ensure_record(case.store.connection, case.definition())

    with pytest.raises(InvalidInput, match="is not stopped at sequence 5"):
        await skip_failed(case.store.connection, case.definition().name, sequence=5, note="why not", by="ops")


async def test_leaving_out_needs_a_note(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    async with supervised(case.store, definition):
        failing = (await case.add(13))[0]
        await failed(case, definition)

    with pytest.raises(InvalidInput, match="Say why"):
        await skip_failed(case.store.connection, definition.name, sequence=failing.sequence, note=" ", by="ops")


async def test_a_projection_that_fails_does_not_stop_another(case: Case) -> None:
    failing = case.definition(name=f"failing-{case.context}", apply=refuse_thirteen)
    async with supervised(case.store, failing, case.definition()):
        await case.add(13)
        await failed(case, failing)
        await case.add(1)

        await wait_for_total(case, case.definition(), 14)


async def test_another_worker_takes_over_when_the_first_one_dies(nats_server: EmbeddedServer, case: Case) -> None:
    definition = case.definition()
    async with (
        open_connection(nats_server.settings("worker")) as doomed,
        supervised(replace(case.store, connection=doomed), definition, owner="first"),
    ):
        await case.add(1)
        await wait_for_total(case, definition, 1)
        async with supervised(case.store, definition, owner="heir"):
            await doomed.close()
            await case.add(10)

            await wait_for_total(case, definition, 11)

    position = await read_position(case.store.connection, place_of(definition, 1))
    assert position.applied == 2


async def test_changes_made_at_the_same_time_are_all_kept(case: Case) -> None:
    definition = case.definition()
    await ensure_record(case.store.connection, definition)

    def count(record: ProjectionRecord) -> ProjectionRecord:
        return replace(record, last_build=record.last_build + 1)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(change_record(case.store.connection, definition.name, count))

    record = await read_record(case.store.connection, definition.name)
    assert record.last_build == 9


async def test_a_record_reads_back_as_it_was_written(case: Case) -> None:
    definition = case.definition(apply=refuse_thirteen)
    async with supervised(case.store, definition):
        failing = (await case.add(13))[0]
        await failed(case, definition)
        written = await skip_failed(case.store.connection, definition.name, sequence=failing.sequence, note="x", by="ops")

        found = await find_record(case.store.connection, definition.name, leader=True)

    assert found == written
    assert written.wanted is Wanted.RUNNING


async def test_a_projection_that_nobody_ran_has_no_record_to_change(case: Case) -> None:
    await ensure_record(case.store.connection, case.definition())

    with pytest.raises(KeyNotFound, match="No worker has ever run a projection nobody"):
        await pause(case.store.connection, "nobody")


def refuse_thirteen(stored: StoredEvent, models: Models) -> Models:
    if stored.event.payload["quantity"] == 13:
        raise ValueError("thirteen is unlucky")
    return add_up(stored, models)


async def failed(case: Case, definition: ProjectionDefinition) -> ProjectionRecord:
    async def has_failed() -> bool:
        record = await find_record(case.store.connection, definition.name)
        return record is not None and record.failure is not None

    await eventually(has_failed)
    return await read_record(case.store.connection, definition.name)


async def is_idle(case: Case, definition: ProjectionDefinition) -> bool:
    """Whether nobody waits for events of the first build."""
    consumer = await find_consumer(case.store.connection, definition.stream, bucket_of(definition.name, 1))
    return consumer is not None and consumer.waiting == 0


async def has_attempts(case: Case, definition: ProjectionDefinition, attempts: int) -> bool:
    record = await read_record(case.store.connection, definition.name)
    return record.failure is not None and record.failure.attempts == attempts
