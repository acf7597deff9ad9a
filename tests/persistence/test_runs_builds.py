"""This module is testing to which run a half-filled build belongs, and what a run that was interrupted says of its speed."""

from __future__ import annotations

from apps.persistence.projections import read_record
from apps.persistence.registry import Registry
from apps.persistence.store import Store
from apps.persistence.work.commands import send_command
from apps.persistence.work.progress import find_progress
from apps.persistence.work.run import RunState

from .projecting import eventually
from .test_runs import (
    SAW_FIRST,
    append_orders,
    ask,
    command,
    home,  # noqa: F401 (a fixture)
    models,
    registry,  # noqa: F401 (a fixture)
    wait_for_progress,
    wait_for_run,
    wait_until_applied,
    working,
)


async def has_build(store: Store, number: int) -> bool:
    """Whether a build was begun; a run shows progress before that."""
    record = await read_record(store.connection, "order-counts")
    return number in [build.number for build in record.builds]


async def test_what_a_cancelled_replay_left_half_filled_is_not_gone_on_with(home: Store, registry: Registry) -> None:  # noqa: F811
    await append_orders(home, 8_000)
    async with working(home, registry):
        await wait_until_applied(home, registry, 8_000)
        cancelled = await ask(home, "replay", {"projection": "order-counts"}, saw=SAW_FIRST)
        await eventually(lambda: has_build(home, 2))
        await send_command(home.connection, command("cancel", cancelled))
        await wait_for_run(home, cancelled, lambda run: run.state.is_ended)
        left = (await read_record(home.connection, "order-counts")).build(2)
        replayed = await ask(home, "replay", {"projection": "order-counts"}, saw=SAW_FIRST)

        run = await wait_for_run(home, replayed, lambda run: run.state.is_ended)

    record = await read_record(home.connection, "order-counts")
    assert (left.owner, left.completed) == (cancelled, None)
    assert run.state is RunState.FINISHED
    assert run.figures["build"] == 3
    assert [build.number for build in record.builds] == [1, 3]
    assert await models(home, 1) == await models(home, 3)


async def test_a_resumed_run_tells_how_long_all_its_attempts_took(home: Store, registry: Registry) -> None:  # noqa: F811
    await append_orders(home, 8_000)
    async with working(home, registry):
        await wait_until_applied(home, registry, 8_000)
        run_id = await ask(home, "replay", {"projection": "order-counts"}, saw=SAW_FIRST)
        await wait_for_progress(home, run_id)
        await send_command(home.connection, command("pause", run_id))
        await wait_for_run(home, run_id, lambda run: run.state is RunState.PAUSED)
        paused = await find_progress(home.connection, run_id)
        await send_command(home.connection, command("resume", run_id))

        run = await wait_for_run(home, run_id, lambda run: run.state.is_ended)

    assert paused is not None
    assert run.figures["events"] == 8_000
    assert 0 < paused.seconds < float(str(run.figures["seconds"]))
