"""This module is the test of the streams pages as people use them: by keyboard, live, narrow, without JavaScript, and at a flood."""

from __future__ import annotations

import asyncio
import os
import random
import re
import threading
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, WebSocketRoute, expect

from apps.persistence.store import Outgoing, Store, ensure_stream, open_store, store_message
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

FLOOD_SECONDS = float(os.environ.get("CIM_FLOOD_SECONDS", "60"))
FLOOD_PER_SECOND = 1000
DISCONNECTS = 10
LIVE = re.compile("^live$")


def put(console: RunningConsole, stream: str, count: int) -> None:
    """Store messages in a stream of the test, made where it is not there."""

    async def store_some(store: Store) -> None:
        subjects = [f"{stream.lower()}.>"]
        await ensure_stream(store.connection, {"name": stream, "subjects": subjects, "allow_direct": True, "storage": "memory"})
        for number in range(count):
            await store_message(store.connection, Outgoing(f"{stream.lower()}.eu.n{number % 3}", b'{"amount": 9007199254740993}', {}))

    console.do(store_some)


def tail_rows(page: Page) -> list[int]:
    return page.eval_on_selector_all("#stream-tail tr[data-sequence]", "rows => rows.map(row => Number(row.dataset.sequence))")


def wait_until_live(page: Page) -> None:
    expect(page.locator("#live-state")).to_have_attribute("data-state", LIVE)


def test_a_stream_is_opened_from_the_list_and_an_event_beside_it_by_keyboard(ops: Page, console: RunningConsole) -> None:
    put(console, "KEYS", 60)
    ops.goto("/streams/?q=KEYS")
    ops.get_by_role("link", name="KEYS", exact=True).click()
    expect(ops.locator("#event-60")).to_be_visible()

    ops.keyboard.press("j")
    ops.keyboard.press("j")
    ops.keyboard.press("Enter")

    expect(ops.get_by_role("complementary").get_by_text("9007199254740993")).to_be_visible()
    expect(ops.locator("#event-59")).to_have_attribute("aria-current", "true")
    expect(ops).to_have_url(re.compile(r"\?show=59$"))


def test_a_filter_that_finds_nothing_finds_the_stream_that_is_made_later(ops: Page, console: RunningConsole) -> None:
    ops.goto("/streams/?q=LATER-MADE")
    expect(ops.get_by_role("heading", name="No stream for this filter")).to_be_visible()
    expect(ops.locator("html")).to_have_attribute("data-live", "live")

    put(console, "LATER-MADE", 3)

    expect(ops.get_by_role("link", name="LATER-MADE", exact=True)).to_be_visible()


def test_back_closes_the_event_and_returns_to_the_page_before(ops: Page, console: RunningConsole) -> None:
    put(console, "BACK", 120)
    ops.goto("/streams/BACK/")
    ops.get_by_role("link", name="Older").click()
    expect(ops.locator("#event-70")).to_be_visible()
    ops.get_by_role("link", name="70", exact=True).click()
    expect(ops.get_by_role("complementary").get_by_role("heading", name="70")).to_be_visible()

    ops.go_back()
    expect(ops.get_by_role("complementary")).to_be_hidden()
    expect(ops.locator("#event-70")).to_be_visible()
    ops.go_back()

    expect(ops.locator("#event-120")).to_be_visible()


def test_brackets_turn_pages_and_go_from_event_to_event(ops: Page, console: RunningConsole) -> None:
    put(console, "BRACKETS", 120)
    ops.goto("/streams/BRACKETS/")

    ops.keyboard.press("[")
    expect(ops.locator("#event-70")).to_be_visible()
    ops.keyboard.press("]")
    expect(ops.locator("#event-120")).to_be_visible()
    ops.goto("/streams/BRACKETS/5/")
    ops.keyboard.press("]")

    expect(ops).to_have_url(re.compile("/streams/BRACKETS/6/"))


def test_new_events_arrive_on_top_and_a_pause_keeps_the_place(ops: Page, console: RunningConsole) -> None:
    put(console, "ARRIVE", 3)
    ops.goto("/streams/ARRIVE/")
    wait_until_live(ops)
    put(console, "ARRIVE", 2)
    expect(ops.locator("#event-5")).to_be_visible()

    ops.get_by_role("button", name="Pause").click()
    put(console, "ARRIVE", 4)

    expect(ops.get_by_text("4 new")).to_be_visible()
    assert tail_rows(ops) == [5, 4, 3, 2, 1]
    ops.get_by_role("button", name="Show new events").click()
    expect(ops.locator("#event-9")).to_be_visible()
    assert tail_rows(ops) == list(range(9, 0, -1))


def test_figures_in_the_list_move_by_themselves(ops: Page, console: RunningConsole) -> None:
    put(console, "MOVES", 3)
    ops.goto("/streams/?q=MOVES")
    wait_until_live(ops)

    put(console, "MOVES", 39)

    expect(ops.locator("#stream-MOVES td").first).to_have_text("42")


def test_a_new_stream_joins_the_list_by_itself(ops: Page, console: RunningConsole) -> None:
    put(console, "JOINS-1", 1)
    ops.goto("/streams/?q=JOINS")
    wait_until_live(ops)

    put(console, "JOINS-2", 1)

    expect(ops.get_by_role("link", name="JOINS-2", exact=True)).to_be_visible(timeout=60_000)


def test_the_tree_of_subjects_opens_level_by_level(ops: Page, console: RunningConsole) -> None:
    put(console, "TREE", 6)
    ops.goto("/streams/TREE/subjects/")

    ops.get_by_text("eu", exact=True).click()
    ops.get_by_role("link", name="n1", exact=True).click()

    expect(ops).to_have_url(re.compile(r"subject=tree\.eu\.n1"))
    assert tail_rows(ops) == [5, 2]


def test_everything_reads_without_javascript(sign_in: SignIn, console: RunningConsole) -> None:
    put(console, "PLAIN", 120)
    page = sign_in(console, "viewer", java_script_enabled=False)

    page.goto("/streams/PLAIN/")
    page.get_by_role("link", name="Older").click()
    page.get_by_role("link", name="70", exact=True).click()
    expect(page.get_by_text("9007199254740993")).to_be_visible()
    page.get_by_role("link", name="Open event").click()
    page.get_by_role("link", name="Raw").click()
    expect(page.get_by_text('{"amount": 90071')).to_be_visible()
    page.goto("/streams/PLAIN/subjects/?under=plain.eu")
    page.get_by_role("link", name="n2", exact=True).click()

    expect(page.get_by_text("40 hits")).to_be_visible()


def test_going_to_a_time_and_a_wrong_place_are_answered_on_the_page(ops: Page, console: RunningConsole) -> None:
    put(console, "PLACES", 5)
    ops.goto("/streams/PLACES/")

    ops.get_by_label("Go to").fill("1 hour ago")
    ops.get_by_role("button", name="Go", exact=True).click()
    expect(ops).to_have_url(re.compile("at=1$"))
    ops.get_by_label("Go to").fill("somewhere")
    ops.get_by_role("button", name="Go", exact=True).click()

    expect(ops.get_by_text("write a sequence such as 812345")).to_be_visible()


@pytest.mark.parametrize(
    "path", ["/streams/", "/streams/CIM-EVENTS/?show=3", "/streams/CIM-EVENTS/consumers/", "/streams/CIM-EVENTS/3/chain/"]
)
def test_nothing_scrolls_sideways_on_a_telephone(sign_in: SignIn, console: RunningConsole, path: str) -> None:
    page = sign_in(console, "viewer", viewport={"width": 390, "height": 844})

    page.goto(path)

    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/streams/?system=1",
        "/streams/CIM-EVENTS/?show=3",
        "/streams/CIM-EVENTS/subjects/",
        "/streams/CIM-EVENTS/consumers/",
        "/streams/CIM-EVENTS/configuration/",
        "/streams/CIM-EVENTS/3/",
        "/streams/CIM-EVENTS/3/lineage/",
        "/streams/CIM-DEMO-TAMPERED/",
    ],
)
def test_a_page_has_no_barrier_that_can_be_found(sign_in: SignIn, console: RunningConsole, path: str, scheme: str) -> None:
    page = sign_in(console, "viewer", color_scheme=scheme, reduced_motion="reduce")
    page.goto(path)

    found = Axe().run(page).response["violations"]

    assert [(violation["id"], [node["html"][:160] for node in violation["nodes"][:3]]) for violation in found] == []


class Flood:
    """FLOOD_PER_SECOND messages a second into a stream, from a thread and loop of its own, until it is ended."""

    def __init__(self, console: RunningConsole, stream: str) -> None:
        self._console = console
        self._subject = f"{stream.lower()}.eu.flood"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    async def _run(self) -> None:
        async with open_store(self._console.nats.settings("worker")) as store:
            loop = asyncio.get_running_loop()
            began, sent = loop.time(), 0
            while not self._is_over.is_set():
                due = int((loop.time() - began) * FLOOD_PER_SECOND)
                for _ in range(due - sent):
                    await store.connection.publish(self._subject, b"{}")
                sent = due
                await asyncio.sleep(0.02)
            await store.connection.round_trip_ms()


@pytest.fixture
def flooded(sign_in: SignIn, console: RunningConsole) -> tuple[Page, list[WebSocketRoute]]:
    """A page of the stream FLOOD, whose live sockets the test can cut."""
    put(console, "FLOOD", 20)
    page = sign_in(console, "viewer")
    sockets: list[WebSocketRoute] = []

    def keep(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket(re.compile("/live$"), keep)
    page.goto("/streams/FLOOD/")
    wait_until_live(page)
    return page, sockets


ACCOUNT = """() => [...document.getElementById("stream-tail").rows].map((row) => row.dataset.sequence
  ? [Number(row.dataset.sequence), Number(row.dataset.sequence), ""]
  : [Number(row.dataset.from), Number(row.dataset.to), row.querySelector("a")?.getAttribute("href") ?? ""])"""


def test_at_a_thousand_events_a_second_rows_and_linked_ranges_are_every_sequence(
    flooded: tuple[Page, list[Any]], console: RunningConsole
) -> None:
    page, sockets = flooded
    chance = random.Random(11)
    moments = sorted(chance.uniform(0.02, 0.95) * FLOOD_SECONDS for _ in range(DISCONNECTS))

    with Flood(console, "FLOOD"):
        passed = 0.0
        for moment in moments:
            page.wait_for_timeout((moment - passed) * 1000)
            passed = moment
            wait_until_live(page)
            sockets[-1].close(code=3001, reason="cut by the test")
        page.wait_for_timeout((FLOOD_SECONDS - passed) * 1000)
    wait_until_live(page)
    last = int(page.request.get("/streams/FLOOD/").text().split('data-live-last="')[1].split('"')[0])
    expect(page.locator("#stream-tail")).to_have_attribute("data-live-last", str(last))

    ranges = sorted(page.evaluate(ACCOUNT))
    assert [sequence for first, to, _ in ranges for sequence in range(first, to + 1)] == list(range(1, last + 1))
    assert last > 20 + FLOOD_SECONDS * FLOOD_PER_SECOND * 0.8
    assert all(link == f"/streams/FLOOD/?from={first}&to={to}" for first, to, link in ranges if link)
    assert len(tail_rows(page)) <= 200
    assert len(sockets) > DISCONNECTS
