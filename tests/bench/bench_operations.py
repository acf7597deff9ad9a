"""This module is the measure of runs: what the engine adds to the work itself, how fast rebuild and verification are as runs, and how soon
a person sees the first progress."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

from apps.persistence.encoding import Value
from apps.persistence.events import new_id
from apps.persistence.operations import OPERATIONS
from apps.persistence.registry import Command
from apps.persistence.snapshots import take
from apps.persistence.store import EVENTS
from apps.persistence.work.commands import Accepted, send_command
from apps.persistence.work.heartbeat import list_workers
from apps.persistence.work.operation import restore_operation
from apps.persistence.work.run import Run, RunState, load_run, run_ref

from .bench_browser import find_browser
from .console import Console, open_console, registry_of, second_worker
from .data_set import picked
from .figures import Clock, Figure, Rate, Spread, rate_words
from .measured_domain import ORDER
from .stage import Stage

RUN_SECONDS = 1_800
LOOK_SECONDS = 0.005
READ_BARE = 50_000
"""So many events nats-py reads beside, to compare with."""
_FIRST_PROGRESS = '#run-progress progress[value]:not([value="0"]), #receipt'


async def measure(stage: Stage) -> list[Figure]:
    count, clock = min(READ_BARE, stage.data.events), Clock()
    await stage.bare.read_in_order(EVENTS.stream, EVENTS.subjects, count)
    bare = clock.rate_of(count)
    async with open_console(stage) as console:
        figures = [await _engine(stage), await _rebuild(stage, bare), await _verify(stage, bare, workers=1)]
        async with second_worker(console), _both_live(stage):
            figures.append(await _verify(stage, bare, workers=2))
        return [*figures, await _first_progress(stage, console)]


async def _engine(stage: Stage) -> Figure:
    """A run of as little work as there is, beside the same work done by a call."""
    rounds = stage.times(30)
    aggregates = picked(stage.data.sevens, 2 * rounds, seed=7)
    direct, whole = [], []
    for one, other in zip(aggregates[:rounds], aggregates[rounds:], strict=True):
        began = time.perf_counter()
        await take(stage.store, ORDER, one, by="bench")
        direct.append(time.perf_counter() - began)
        began = time.perf_counter()
        await _carry_out(stage, "snapshot", {"aggregate": str(other)})
        whole.append(time.perf_counter() - began)
    ours, theirs = Spread.of(whole), Spread.of(direct)
    return Figure(
        what="a run from its request to its receipt: the snapshot of an aggregate of seven events",
        measured=ours.words(50, 95),
        bare=theirs.words(50, 95),
        ratio=theirs.p50 / ours.p50,
        note="beside it the snapshot alone; the difference is the engine: request, plan, claim, lease, four chained events",
    )


async def _rebuild(stage: Stage, bare: Rate) -> Figure:
    run = await _carry_out(stage, "rebuild", {"projection": "order-totals"})
    return _rate_figure("rebuild a projection: fill, catch up, compare, switch", run, bare, workers=1)


async def _verify(stage: Stage, bare: Rate, *, workers: int) -> Figure:
    run = await _carry_out(stage, "verify", {"stream": EVENTS.stream, "full": True})
    assert run.figures["intact"], run.outcome
    return _rate_figure("verify the stream as a run", run, bare, workers=workers)


def _rate_figure(what: str, run: Run, bare: Rate, *, workers: int) -> Figure:
    assert run.started_at is not None
    assert run.ended_at is not None
    events = int(str(run.figures["events"]))
    per_second = events / (run.ended_at - run.started_at).total_seconds()
    return Figure(
        what=f"{what}, {events:,} events, {workers} worker{'s' if workers > 1 else ''}",
        measured=rate_words(per_second),
        bare=rate_words(bare.per_second),
        ratio=per_second / bare.per_second,
        note="nats-py only reading, beside it",
    )


async def _carry_out(stage: Stage, operation: str, parameters: Mapping[str, Value]) -> Run:
    """Request it as the web process does; return when it has finished."""
    planned = await restore_operation(OPERATIONS, operation, dict(parameters)).plan(stage.store, registry_of())
    run_id = new_id()
    payload: dict[str, Value] = {"operation": operation, "parameters": dict(parameters), "saw": dict(planned.saw), "reason": "measuring"}
    request = Command(id=new_id(), aggregate=run_ref(run_id), name="request", payload=payload, actor="bench", correlation=new_id())
    assert isinstance(await send_command(stage.store.connection, request), Accepted)
    async with asyncio.timeout(RUN_SECONDS):
        while (run := await load_run(stage.store, run_id)) is None or not run.state.is_ended:  # noqa: ASYNC110 (as a person would)
            await asyncio.sleep(LOOK_SECONDS)
    assert run.state is RunState.FINISHED, run.outcome
    return run


@asynccontextmanager
async def _both_live(stage: Stage) -> AsyncIterator[None]:
    async with asyncio.timeout(60):
        while len(await list_workers(stage.store.connection)) < 2:  # noqa: ASYNC110 (the bucket is asked, nothing tells)
            await asyncio.sleep(0.2)
    yield


async def _first_progress(stage: Stage, console: Console) -> Figure:
    """From the click that confirms a verification to the first number on the run's page."""
    seconds = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            await page.goto(f"{console.url}{console.admin_link}")
            for _ in range(stage.times(10, least=3)):
                seconds.append(await _click_to_progress(page, console))
        finally:
            await browser.close()
    return Figure(what="click on Confirm → first progress in a browser", measured=Spread.of(seconds).words(50, 95))


async def _click_to_progress(page: Page, console: Console) -> float:
    await page.goto(f"{console.url}/runs/new/verify/review/?stream={EVENTS.stream}&full=on")
    await page.fill("[name=reason]", "measuring")
    began = time.perf_counter()
    await page.click("form.card .button[data-kind]")
    await page.wait_for_selector(_FIRST_PROGRESS, timeout=60_000)
    taken = time.perf_counter() - began
    if await page.locator("#run-control button", has_text="Cancel").count():
        await page.locator("#run-control button", has_text="Cancel").first.click()
    await page.wait_for_selector("#receipt, [data-state=cancelled]", timeout=60_000)
    return taken
