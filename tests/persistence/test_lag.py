"""Lag, states and samples on a real server: the words and figures that a person sees are true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.persistence.errors import EncodingError, ProjectionFailed
from apps.persistence.events import StoredEvent
from apps.persistence.projections import (
    HeldLease,
    Models,
    Orders,
    ProjectionDefinition,
    ProjectionStatus,
    State,
    bucket_of,
    build_beside,
    ensure_record,
    pause,
    project_status,
    run_projection,
)
from apps.persistence.projections.control import record_failure
from apps.persistence.projections.sampler import Sampler, run_sampler
from apps.persistence.projections.samples import TIERS, Point, Series, read_samples
from apps.persistence.projections.stream_samples import MAX_BYTES, StreamSamples, read_stream_samples, unpack
from apps.persistence.store import StreamInfo, get_stream, kv_put
from apps.persistence.work.lease import hold

from .projecting import DEADLINE_SECONDS, TO_THE_HEAD, Case, case, eventually

__all__ = ["case"]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def caught_up(case: Case) -> ProjectionDefinition:
    """A projection that has run, with nothing left to do."""
    definition = case.definition()
    await ensure_record(case.store.connection, definition)
    await case.add(1, 2, 3)
    await run_projection(case.store, definition, 1, TO_THE_HEAD)
    return definition


async def test_a_projection_that_never_ran_is_not_started(case: Case) -> None:
    status = await status_of(case, case.definition())

    assert (status.state, status.lag, status.seconds_behind) == (State.NOT_STARTED, None, None)


async def test_a_caught_up_projection_is_live_with_nothing_behind(case: Case, caught_up: ProjectionDefinition) -> None:
    status = await status_of(case, caught_up)

    assert (status.state, status.lag, status.seconds_behind, status.caught_up_in_seconds) == (State.LIVE, 0, 0.0, 0.0)
    assert status.applied == 3


async def test_a_position_that_cannot_be_read_is_one_error_and_no_group(case: Case, caught_up: ProjectionDefinition) -> None:
    await kv_put(case.store.connection, bucket_of(caught_up.name, 1), "_position", b"not a block")

    with pytest.raises(EncodingError):
        await status_of(case, caught_up)


async def test_events_that_others_take_are_no_lag(case: Case) -> None:
    rare = case.definition(subjects=(f"cim.events.{case.context}.order.rare.>",))
    await ensure_record(case.store.connection, rare)
    await case.add(1, order="rare")
    await run_projection(case.store, rare, 1, TO_THE_HEAD)
    await case.add_many(100)

    status = await status_of(case, rare)

    assert (status.state, status.lag) == (State.LIVE, 0)


async def test_new_events_make_a_projection_late_by_the_age_of_the_next_one(case: Case, caught_up: ProjectionDefinition) -> None:
    next_event, _ = await case.add(4, 5)

    status = await status_when(case, caught_up, lambda status: (status.seconds_behind or 0) >= 0.2)

    assert status.lag == 2
    assert status.next_sequence == next_event.sequence
    assert status.seconds_behind is not None
    assert status.seconds_behind < 5.0


async def test_a_projection_is_catching_up_when_its_next_event_is_old(
    case: Case, caught_up: ProjectionDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.persistence.projections.lag.LIVE_WITHIN_SECONDS", 0.0)
    await case.add(4)

    assert (await status_of(case, caught_up)).state is State.CATCHING_UP


async def test_a_projection_is_stalled_when_events_wait_and_nothing_moves(case: Case, caught_up: ProjectionDefinition) -> None:
    await case.add(4)

    status = await status_when(case, caught_up, lambda status: status.state is not State.LIVE, stalled_after_seconds=0.1)

    assert status.state is State.STALLED
    assert status.stalled_seconds is not None
    assert status.stalled_seconds >= 0.1


async def test_a_projection_with_nothing_to_do_is_never_stalled(case: Case, caught_up: ProjectionDefinition) -> None:
    [status] = await project_status(case.store.connection, [caught_up], stalled_after_seconds=0.0)

    assert (status.state, status.stalled_seconds) == (State.LIVE, None)


async def test_a_paused_projection_says_so_and_its_lag_grows(case: Case, caught_up: ProjectionDefinition) -> None:
    await pause(case.store.connection, caught_up.name)
    await case.add(4)

    status = await status_of(case, caught_up)

    assert (status.state, status.lag) == (State.PAUSED, 1)


async def test_a_failed_projection_names_the_event_and_keeps_its_lag(case: Case) -> None:
    definition = case.definition(apply=fail)
    await ensure_record(case.store.connection, definition)
    failing, _ = await case.add(13, 1)
    with pytest.raises(ProjectionFailed) as failed:
        await run_projection(case.store, definition, 1, TO_THE_HEAD)
    await record_failure(case.store, definition.name, 1, failed.value)

    status = await status_of(case, definition)

    assert (status.state, status.lag) == (State.FAILED, 2)
    assert status.failure is not None
    assert status.failure.sequence == failing.sequence


async def test_a_build_beside_is_rebuilding_and_tells_how_far_it_is(case: Case, caught_up: ProjectionDefinition) -> None:
    told: list[object] = []

    async def note(progress: object) -> None:
        told.append(progress)

    slow = replace(caught_up, rate_limit=10.0)
    await build_beside(case.store, slow, Orders(on_progress=note, should_stop=lambda: bool(told)))

    status = await status_of(case, caught_up)

    assert (status.state, status.lag) == (State.REBUILDING, 0)
    assert status.rebuild is not None
    assert (status.rebuild.build, status.rebuild.applied, status.rebuild.lag) == (2, 1, 2)


async def test_a_sample_is_there_before_anyone_looks_and_gives_rates(case: Case, caught_up: ProjectionDefinition) -> None:
    sampler = Sampler(case.store.connection, [caught_up])
    await sampler.open()
    await sampler.sample_projections()

    samples = await read_samples(case.store.connection, caught_up.name)
    by_minute = await read_samples(case.store.connection, caught_up.name, "1m")

    assert [(sample.lag, sample.rate_in) for sample in samples] == [(0, 0.0)]
    assert len(by_minute) == 1


async def test_rates_and_trend_are_recent(case: Case, caught_up: ProjectionDefinition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.persistence.projections.lag.RATES_KNOWN_AFTER_SECONDS", 1)
    sampler = Sampler(case.store.connection, [caught_up])
    await sampler.open()
    await sampler.sample_projections()
    await case.add_many(100)

    status = await status_when(case, caught_up, lambda status: status.rate_in is not None)

    assert (status.rate_in or 0) > 10
    assert (status.rate_applied, status.trend, status.caught_up_in_seconds) == (0.0, "up", None)


async def test_a_new_sampler_goes_on_where_the_last_one_stopped(case: Case, caught_up: ProjectionDefinition) -> None:
    first, second = (Sampler(case.store.connection, [caught_up]) for _ in range(2))
    await first.open()
    await first.sample_projections()
    await second.open()
    await second.sample_projections()

    assert len(await read_samples(case.store.connection, caught_up.name)) == 1


async def test_the_sampler_runs_under_its_lease(case: Case, caught_up: ProjectionDefinition) -> None:
    def hold_lease(name: str) -> AbstractAsyncContextManager[HeldLease]:
        return hold(case.store.connection, name, "worker")

    async def is_sampled() -> bool:
        return (
            bool(await read_samples(case.store.connection, caught_up.name))
            and "CIM-EVENTS" in (await read_stream_samples(case.store.connection)).streams
        )

    running = asyncio.create_task(run_sampler(case.store.connection, [caught_up], hold_lease))
    await eventually(is_sampled)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_streams_are_sampled_with_their_bytes(case: Case, caught_up: ProjectionDefinition) -> None:
    sampler = Sampler(case.store.connection, [caught_up])
    await sampler.open()
    await sampler.sample_streams()

    samples = await read_stream_samples(case.store.connection)

    stream = await get_stream(case.store.connection, "CIM-EVENTS")
    assert samples.streams["CIM-EVENTS"].last_sequences[-1] == stream.last_sequence
    assert samples.streams["CIM-EVENTS"].bytes[-1] == stream.bytes


async def test_six_hundred_streams_for_a_quarter_of_an_hour_fit_in_one_message(case: Case) -> None:
    like = await get_stream(case.store.connection, "CIM-EVENTS")
    samples = StreamSamples()

    for moment in range(95):
        streams = [stream_like(like, f"S-{number}", moment * number * 977) for number in range(600)]
        samples = samples.added(NOON + timedelta(seconds=10 * moment), streams)
    data = samples.to_bytes()

    assert len(data) < MAX_BYTES
    assert unpack(data) == samples
    assert len(samples.times) == 90
    assert samples.rates("S-10")[-1] == 977.0


def test_a_stream_that_came_later_has_no_rate_before_it_was_there() -> None:
    samples = StreamSamples(times=(NOON,), streams={})

    assert samples.rates("LATER") == ()


def test_each_tier_keeps_its_own_distance_and_length() -> None:
    series = [Series(tier) for tier in TIERS]

    for second in range(0, 8 * 24 * 3600, 5):
        for one in series:
            one.add(Point(second, 0, second, second, 1))

    assert [len(one.points) for one in series] == [720, 1440, 1008]
    assert [one.points[-1].at - one.points[0].at for one in series] == [3595, 86_340, 604_200]


def test_rates_are_counted_between_samples_and_not_across_a_switch() -> None:
    points = [Point(0, 100, 0, 0, 1), Point(5, 150, 50, 50, 1), Point(10, 0, 900, 900, 2)]

    samples = Series(TIERS[0], points).samples()

    assert [(sample.rate_in, sample.rate_applied) for sample in samples] == [(0.0, 0.0), (20.0, 10.0), (0.0, 0.0)]


def test_samples_read_back_as_they_were_written() -> None:
    series = Series(TIERS[0], [Point(1, 2, 3, 4, 5), Point(6, 7, 8, 9, 5)])

    assert Series.from_bytes(TIERS[0], series.to_bytes()).points == series.points


def fail(stored: StoredEvent, models: Models) -> Models:
    raise ValueError("no")


def stream_like(stream: StreamInfo, name: str, sequence: int) -> StreamInfo:
    return replace(stream, name=name, last_sequence=sequence, bytes=sequence * 400)


async def status_of(case: Case, definition: ProjectionDefinition) -> ProjectionStatus:
    [status] = await project_status(case.store.connection, [definition])
    return status


async def status_when(
    case: Case, definition: ProjectionDefinition, is_so: Callable[[ProjectionStatus], bool], *, stalled_after_seconds: float = 60.0
) -> ProjectionStatus:
    """The first status of which `is_so` holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            [status] = await project_status(case.store.connection, [definition], stalled_after_seconds=stalled_after_seconds)
            if is_so(status):
                return status
            await asyncio.sleep(0.02)
