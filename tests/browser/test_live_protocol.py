"""This module is the tests of the live path as a person meets it: rows that arrive, words typed meanwhile, what an outage looks like."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.persistence.store.embedded import EmbeddedServer

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 120


class Stage:
    """The small site, in a process of its own that can be stopped and started again at the same address."""

    def __init__(self, folder: Path, nats: EmbeddedServer) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "stage.log"
        self._environment = {
            **os.environ,
            "CIM_DATA": str(folder),
            "CIM_NATS_URL": nats.url,
            "CIM_NATS_USER": "worker",
            "CIM_NATS_PASSWORD": nats.password("worker"),
            "CIM_STAGE_BEGAN": str(time.time()),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "tests.browser.live_stage:application"]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(command, cwd=REPOSITORY, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._child.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            threading.Event().wait(0.05)

    def stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def pull(self, lever: str) -> None:
        urllib.request.urlopen(f"{self.url}/stage/{lever}", timeout=60).read()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/static/js/live.js", timeout=5).read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, nats: EmbeddedServer) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"), nats)
    stage.start()
    yield stage
    stage.stop()


@pytest.fixture
def live_page(page: Page, stage: Stage) -> Page:
    """The stage's page, signed in and live."""
    page.goto(f"{stage.url}/stage/sign-in")
    page.goto(f"{stage.url}/stage")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    return page


ACCOUNT = """() => {
  const tail = document.getElementById("tail");
  const rangeOf = (row) => [Number(row.dataset.from), Number(row.dataset.to), row.querySelector("a")?.getAttribute("href")];
  const rows = [...tail.rows].map((row) => row.dataset.sequence ? [Number(row.dataset.sequence)] : rangeOf(row));
  return { last: Number(tail.dataset.liveLast), rows };
}"""


def account_of(page: Page) -> tuple[list[int], int]:
    """Every sequence that the page shows or links as not shown, oldest first, and the last it has come to."""
    said = page.evaluate(ACCOUNT)
    sequences: list[int] = []
    for row in said["rows"]:
        first, last = row[0], row[1] if len(row) > 1 else row[0]
        assert len(row) == 1 or row[2] == f"/events?from={first}&to={last}"
        sequences = list(range(first, last + 1)) + sequences
    return sequences, said["last"]


def test_rows_and_linked_ranges_are_every_event_over_ten_disconnects(live_page: Page, stage: Stage) -> None:
    made = live_page.reload()
    assert made is not None
    rendered_last = int(re.search(r'data-live-last="(\d+)"', made.text())[1])  # type: ignore[index]

    for _ in range(10):
        live_page.wait_for_timeout(random.uniform(200, 900))
        stage.pull("drop")
    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "live")

    sequences, last = account_of(live_page)
    assert sequences == list(range(rendered_last + 1, last + 1))
    assert live_page.locator("#tail tr[data-sequence]").count() <= 200


def test_a_swap_keeps_what_somebody_is_typing(live_page: Page) -> None:
    live_page.get_by_label("Note").press_sequentially("half a sen")
    number = live_page.locator("#tick b")
    before = number.inner_text()

    expect(number).not_to_have_text(before)

    expect(live_page.get_by_label("Note")).to_have_value("half a sen")
    expect(live_page.get_by_label("Note")).to_be_focused()


def test_a_cell_that_changed_is_marked_for_a_moment(live_page: Page) -> None:
    cell = live_page.locator("#tick b")

    expect(cell).to_have_attribute("data-changed", "")


def test_a_cell_that_changed_is_not_marked_for_a_person_who_wants_less_motion(live_page: Page) -> None:
    live_page.emulate_media(reduced_motion="reduce")
    live_page.reload()
    live_page.evaluate("""() => {
      window.marks = 0;
      const observer = new MutationObserver((changes) => { window.marks += changes.length; });
      observer.observe(document.getElementById("page"), { subtree: true, attributeFilter: ["data-changed"] });
    }""")
    before = live_page.locator("#tick b").inner_text()

    expect(live_page.locator("#tick b")).not_to_have_text(before)

    assert live_page.evaluate("() => window.marks") == 0


def test_pause_holds_the_rows_and_counts_what_waits(live_page: Page) -> None:
    pause = live_page.get_by_role("button", name="Pause")
    pause.click()
    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "paused")
    expect(live_page.locator("[data-live-waiting]")).to_have_text(re.compile(r"[\d,]+ new"))
    held, held_last = account_of(live_page)

    live_page.wait_for_timeout(600)
    assert account_of(live_page)[1] == held_last
    pause.click()

    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "live")
    expect(live_page.locator("[data-live-waiting]")).to_be_hidden()
    live_page.wait_for_function("(last) => Number(document.getElementById('tail').dataset.liveLast) > last", arg=held_last)
    sequences, last = account_of(live_page)
    assert sequences == list(range(held[0], last + 1))


def test_a_restart_of_the_web_process_greys_the_page_and_mends_it(live_page: Page, stage: Stage) -> None:
    made_by = live_page.locator("#made-by").inner_text()
    first_shown = account_of(live_page)[0]

    stage.stop()
    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "reconnecting")
    expect(live_page.locator("#live-state")).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d UTC"))
    expect(live_page.locator("#page")).to_have_attribute("data-stale", "")
    stage.start()

    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "live")
    expect(live_page.locator("#made-by")).not_to_have_text(made_by)
    expect(live_page.locator("#page")).not_to_have_attribute("data-stale", "")
    sequences, last = account_of(live_page)
    assert sequences == list(range(first_shown[0], last + 1))


def test_an_outage_of_nats_greys_the_page_and_mends_it(live_page: Page, nats: EmbeddedServer) -> None:
    made_of = live_page.locator("#made-at").inner_text()

    nats.kill()
    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "reconnecting")
    expect(live_page.locator("#live-state")).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d UTC"))
    expect(live_page.locator("#page")).to_have_attribute("data-stale", "")
    nats.start()

    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "live")
    expect(live_page.locator("#made-at")).not_to_have_text(made_of)
    expect(live_page.locator("#page")).not_to_have_attribute("data-stale", "")


def test_signing_out_elsewhere_ends_the_live_page(live_page: Page, stage: Stage) -> None:
    elsewhere = live_page.context.new_page()
    elsewhere.goto(f"{stage.url}/stage/sign-out")

    expect(live_page.locator("#live-state")).to_have_attribute("data-state", "signed-out")
    expect(live_page.locator("#live-state")).to_contain_text("Signed out")


def test_the_page_breaks_no_content_security_policy(page: Page, stage: Stage) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{stage.url}/stage/sign-in")
    page.goto(f"{stage.url}/stage")

    expect(page.locator("#tail tr[data-sequence]").first).to_be_visible()

    assert problems == []
