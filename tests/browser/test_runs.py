"""This module is the tests of runs in a browser: followed live from request to receipt, stopped, taken up by another worker."""

from __future__ import annotations

import re
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000
VERIFY = "/runs/new/verify/review/?stream=CIM-EVENTS&full=on"


def confirm(page: Page, address: str, reason: str = "to see it run") -> None:
    page.goto(address)
    page.get_by_label("Reason").fill(reason)
    page.locator("form[method=post] button[data-kind=primary]").last.click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/$"))


def test_a_run_that_waits_is_followed_to_its_receipt_without_a_reload(own_console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(own_console, "auditor")
    own_console.stop_worker()
    confirm(page, VERIFY)
    expect(page.locator("#run-progress")).to_contain_text("no worker is alive")
    page.evaluate("window.neverReloaded = true")

    own_console.start_worker()

    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)
    expect(page.locator("#run-progress")).to_contain_text("Receipt")
    expect(page.locator("#run-events")).to_contain_text("requested")
    assert page.evaluate("window.neverReloaded") is True


def test_the_link_of_an_event_opens_it_in_its_stream(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "auditor")
    confirm(page, VERIFY)
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)

    page.locator("#run-events").get_by_role("link", name="requested").click()

    expect(page).to_have_url(re.compile(r"/streams/CIM-CONSOLE/\d+/"))
    expect(page.locator("main")).to_contain_text("to see it run")


def test_what_was_typed_is_still_there_after_going_back_to_the_parameters(console: RunningConsole, ops: Page) -> None:
    ops.goto("/runs/new/skip/")
    ops.get_by_label("Projection").select_option("discount-audit")
    ops.get_by_label("Sequence", exact=True).fill("155")
    ops.get_by_label("Note").fill("approved by hand")
    ops.get_by_role("button", name="Review…").click()
    expect(ops.get_by_role("heading", level=1)).to_have_text("Skip sequence 155 in discount-audit")

    ops.get_by_role("link", name="Back").click()

    expect(ops.get_by_label("Note")).to_have_value("approved by hand")
    expect(ops.get_by_label("Projection")).to_have_value("discount-audit")


def test_a_new_run_joins_the_list_by_itself(console: RunningConsole, sign_in: SignIn, ops: Page) -> None:
    ops.goto("/runs/")
    expect(ops.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY)
    auditor = sign_in(console, "auditor")

    confirm(auditor, "/runs/new/verify/review/?stream=CIM-CONSOLE", "joins the list")

    row = ops.get_by_role("row").filter(has_text="joins the list")
    expect(row).to_contain_text("Finished", timeout=SLOWLY)


@pytest.mark.parametrize("address", ["/runs/", "/runs/new/", "/runs/new/replay/", VERIFY])
def test_the_pages_have_no_barriers(console: RunningConsole, ops: Page, address: str) -> None:
    ops.goto(address)

    found = Axe().run(ops)

    assert found.violations_count == 0, found.generate_report()


def test_a_receipt_has_no_barriers_and_fits_a_narrow_screen(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "auditor", viewport={"width": 390, "height": 844}, color_scheme="dark")
    confirm(page, VERIFY)
    expect(page.locator("#run-progress")).to_contain_text("Receipt", timeout=SLOWLY)

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_run_is_confirmed_without_javascript(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "auditor", java_script_enabled=False)
    if page.get_by_role("button", name="Sign in").count():
        page.get_by_role("button", name="Sign in").click()

    confirm(page, "/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED&full=on")

    deadline = time.monotonic() + 60
    while page.locator("main", has_text="Verify CIM-DEMO-TAMPERED from sequence 1").count() == 0 and time.monotonic() < deadline:
        page.reload()  # without JavaScript a page stays as it was until it is fetched again
    expect(page.locator("main")).to_contain_text("Verify CIM-DEMO-TAMPERED from sequence 1")
