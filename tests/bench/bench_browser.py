"""This module is the measure of being live: from the call that appends an event to the moment at which a browser shows it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from bisect import bisect_left

from playwright.async_api import Page, async_playwright

from apps.persistence.store import EVENTS

from .background import Written, writing_at
from .console import Console, open_console
from .figures import Figure, Spread
from .stage import Stage

RATES = (10, 200, 1_000)
"""Events a second."""
SECONDS = 20
SETTLE_SECONDS = 3
EVENTS_JUDGED = 200
P95_MILLISECONDS, AT_RATE = 500.0, 1_000
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_WATCH = """() => {
  const tail = document.querySelector('#stream-tail');
  window.shown = [];
  const note = () => requestAnimationFrame(() => setTimeout(() => window.shown.push([
    Number(tail.dataset.liveLast), (performance.timeOrigin + performance.now()) / 1000,
    Number(tail.querySelector('tr[data-sequence]')?.dataset.sequence ?? 0)])));
  new MutationObserver(note).observe(tail, {childList: true, attributes: true});
}"""


async def measure(stage: Stage) -> list[Figure]:
    async with open_console(stage) as console, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            await page.goto(f"{console.url}{console.admin_link}")
            return [await _measure(stage, console, page, rate) for rate in RATES]
        finally:
            await browser.close()


async def _measure(stage: Stage, console: Console, page: Page, rate: int) -> Figure:
    await page.goto(f"{console.url}/streams/{EVENTS.stream}/")
    await page.wait_for_selector("html[data-live=live]")
    await page.evaluate(_WATCH)
    async with writing_at(stage, rate, seed=rate) as written:
        await asyncio.sleep(SETTLE_SECONDS + stage.times(SECONDS, least=3))
        events = list(written.events)
    await asyncio.sleep(1)
    shown = await page.evaluate("window.shown")
    spread = _judge(events, shown)
    achieved = Written(events).rate
    return Figure(
        what=f"event appended → shown in a browser, {rate:,} events/s in",
        measured=spread.words(50, 95, 99),
        target=f"p95 < {P95_MILLISECONDS:.0f} ms" if rate == AT_RATE else "",
        is_met=spread.p95 < P95_MILLISECONDS and achieved > 0.95 * rate if rate == AT_RATE else None,
        note=f"{achieved:,.0f}/s were reached",
    )


def _judge(events: list[tuple[int, float]], shown: list[tuple[int, float, int]]) -> Spread:
    """Of some events, chosen by chance after things have settled: until the newest row on the screen is theirs or a later one."""
    rows = [(row, at) for _, at, row in shown]
    begin = events[0][1] + SETTLE_SECONDS
    judged = [event for event in events if event[1] > begin and event[0] <= rows[-1][0]]
    chosen = random.Random(1).sample(judged, min(EVENTS_JUDGED, len(judged)))
    return Spread.of([rows[bisect_left(rows, (sequence, 0.0))][1] - at for sequence, at in chosen])


def find_browser() -> str:
    """The path of a Chromium. Raises RuntimeError where there is none."""
    named = os.environ.get("CIM_CHROMIUM") or next((path for path in map(shutil.which, _BROWSERS) if path), None)
    if named is None:
        raise RuntimeError("There is no Chromium on PATH; install one, or name one by CIM_CHROMIUM=/path/to/chrome.")
    return named
