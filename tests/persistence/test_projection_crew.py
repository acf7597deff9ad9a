"""What a projection is said to be doing rests on who is at work: workers that live, and runs that go on filling their builds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.persistence.console import load_registry
from apps.persistence.errors import ProjectionFailed
from apps.persistence.operations import Rebuild, Replay
from apps.persistence.projections import (
    Crew,
    Filling,
    ProjectionDefinition,
    State,
    begin_build,
    ensure_record,
    project_status,
    read_record,
    run_projection,
)
from apps.persistence.projections.control import record_failure
from apps.persistence.projections.sampler import Sampler
from apps.persistence.work.crew import find_crew
from apps.persistence.work.run import RunState

from .engine_stage import Stage
from .operating import Noted, carry_out, declaring, supervised, wait_for_total
from .projecting import TO_THE_HEAD, Case, case
from .trial_operations import Count

__all__ = ["case"]


@pytest.fixture
async def caught_up(case: Case) -> ProjectionDefinition:
    """A projection that has run, with nothing left to do."""
    definition = case.definition()
    await ensure_record(case.store.connection, definition)
    await case.add(1, 2, 3)
    await run_projection(case.store, definition, 1, TO_THE_HEAD)
    return definition


def crew_that_is(filling: Filling, *, workers_alive: int = 1) -> Crew:
    async def filling_by(run_id: str) -> Filling:
        return filling

    return Crew(workers_alive=workers_alive, filling_by=filling_by)


# -- builds that are not complete -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filling", "workers_alive", "state", "said"),
    [
        (Filling.FILLING, 1, State.REBUILDING, "Filling"),
        (Filling.FILLING, 0, State.LIVE, "Waits for a worker"),
        (Filling.PAUSED, 1, State.LIVE, "Paused"),
        (Filling.STOPPED, 1, State.LIVE, "Stopped"),
    ],
)
async def test_build_of_a_run_is_filling_only_while_that_run_goes_on(
    case: Case, caught_up: ProjectionDefinition, filling: Filling, workers_alive: int, state: State, said: str
) -> None:
    await begin_build(case.store, caught_up, "run-1")

    (status,) = await project_status(case.store.connection, [caught_up], crew_that_is(filling, workers_alive=workers_alive))

    assert status.rebuild is not None
    assert (status.state, status.rebuild.filling.value, status.rebuild.owner) == (state, said, "run-1")


@pytest.mark.parametrize(("version", "said"), [(1, Filling.STOPPED), (2, Filling.FILLING)])
async def test_build_that_workers_began_is_filled_only_while_the_code_is_newer(
    case: Case, caught_up: ProjectionDefinition, version: int, said: Filling
) -> None:
    definition = replace(caught_up, version=version)
    await begin_build(case.store, definition)

    (status,) = await project_status(case.store.connection, [definition], crew_that_is(Filling.STOPPED))

    assert status.rebuild is not None
    assert status.rebuild.filling is said


async def test_build_that_met_an_event_it_cannot_apply_is_not_filling(case: Case, caught_up: ProjectionDefinition) -> None:
    number = await begin_build(case.store, caught_up, "run-1")
    await record_failure(case.store, caught_up.name, number, ProjectionFailed(caught_up.name, sequence=1, reason="no"))

    (status,) = await project_status(case.store.connection, [caught_up], crew_that_is(Filling.FILLING))

    assert status.rebuild is not None
    assert (status.state, status.rebuild.filling) == (State.LIVE, Filling.STOPPED)


async def test_crew_knows_what_became_of_a_run(case: Case) -> None:
    stage = Stage(store=case.store, operations={"count": Count}, registry=load_registry([]))  # type: ignore[dict-item]
    crew = await find_crew(case.store)
    assert crew.filling_by is not None
    async with stage.commands_alone():
        run_id = await stage.ask("count", {"to": "3"})
        await stage.wait(run_id, lambda run: run.state is RunState.CONFIRMED)
        confirmed = await crew.filling_by(run_id)
        await stage.tell("pause", run_id)
        await stage.wait(run_id, lambda run: run.state is RunState.PAUSED)
        paused = await crew.filling_by(run_id)
        await stage.tell("cancel", run_id)
        await stage.wait(run_id)

    assert (confirmed, paused) == (Filling.FILLING, Filling.PAUSED)
    assert await crew.filling_by(run_id) is Filling.STOPPED
    assert await crew.filling_by("run-that-never-was") is Filling.STOPPED


# -- workers ----------------------------------------------------------------------------------------------------------------------------


async def test_nothing_catches_up_while_no_worker_is_alive(
    case: Case, caught_up: ProjectionDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.persistence.projections.lag.LIVE_WITHIN_SECONDS", 0.0)
    await case.add(4)

    (alive,) = await project_status(case.store.connection, [caught_up], Crew(workers_alive=1))
    (dead,) = await project_status(case.store.connection, [caught_up], Crew(workers_alive=0))

    assert (alive.state, dead.state) == (State.CATCHING_UP, State.STALLED)
    assert dead.stalled_seconds is not None


async def test_rates_are_not_told_from_the_first_moments_of_a_build(case: Case, caught_up: ProjectionDefinition) -> None:
    sampler = Sampler(case.store.connection, [caught_up])
    await sampler.open()
    await sampler.sample_projections()
    await case.add(4)

    (status,) = await project_status(case.store.connection, [caught_up])

    assert (status.lag, status.rate_in, status.rate_applied, status.caught_up_in_seconds) == (1, None, None, None)


# -- the way back -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [Replay, Rebuild])
async def test_last_build_that_readers_could_go_back_to_is_never_dropped(case: Case, operation: type[Replay] | type[Rebuild]) -> None:
    definition = case.definition()
    await case.add(1, 2, 3)
    async with supervised(case.store, definition):
        await wait_for_total(case, definition, 6)
    registry = declaring(definition)
    await carry_out(case.store, registry, Replay(projection=definition.name), Noted(run_id="first"))
    await record_failure(case.store, definition.name, 2, ProjectionFailed(definition.name, sequence=3, reason="no"))

    await carry_out(case.store, registry, operation(projection=definition.name), Noted(run_id="second"))

    record = await read_record(case.store.connection, definition.name)
    assert (record.serving, [build.number for build in record.builds]) == (3, [1, 2, 3])


async def test_replay_of_a_stopped_projection_says_that_its_build_is_no_way_back(case: Case, caught_up: ProjectionDefinition) -> None:
    await record_failure(case.store, caught_up.name, 1, ProjectionFailed(caught_up.name, sequence=3, reason="no"))

    planned = await Replay(projection=caught_up.name).plan(case.store, declaring(caught_up))

    assert "build 1 is kept, but it has stopped" in planned.undo
