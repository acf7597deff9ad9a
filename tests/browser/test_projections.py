"""This module is the tests of the projections pages as a person meets them: figures that move, rows that stay put, a chart, any screen."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.persistence.events import AggregateRef, Head, NewEvent, new_id
from apps.persistence.projections import pause, resume
from apps.persistence.store import Store, append
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


def wait_until_live(page: Page) -> None:
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY)


def names(page: Page) -> list[str]:
    return page.eval_on_selector_all("tr[data-rank]", "rows => rows.map(row => row.id.replace('projection-', ''))")


def set_paused(console: RunningConsole, name: str, *, paused: bool) -> None:
    async def change(store: Store) -> None:
        await (pause if paused else resume)(store.connection, name)

    console.do(change)


def fall_further_behind(console: RunningConsole) -> None:
    """One more event for the projection that has stopped."""

    async def write(store: Store) -> None:
        created = NewEvent(type="created", payload={"customer": "c-0001", "currency": "EUR"}, actor="web")
        discounted = NewEvent(type="discount_applied", payload={"percent": 10, "reason": "a long wait"}, actor="web")
        await append(store, Head(aggregate=AggregateRef("sales", "order", new_id())), [created, discounted])

    console.do(write)


def open_board(page: Page, console: RunningConsole) -> None:
    set_paused(console, "order-summary", paused=False)
    page.goto("/projections/")
    wait_until_live(page)
    expect(page.locator("#projection-discount-audit")).to_contain_text("Failed at", timeout=SLOWLY)
    expect(page.locator("#projection-order-summary")).to_contain_text("Live", timeout=SLOWLY)


def test_a_pause_shows_in_its_row_by_itself_with_the_act_that_ends_it(console: RunningConsole, ops: Page) -> None:
    open_board(ops, console)

    set_paused(console, "order-summary", paused=True)

    row = ops.locator("#projection-order-summary")
    expect(row).to_contain_text("Paused")
    expect(row.get_by_role("link", name="Resume…")).to_be_visible()
    set_paused(console, "order-summary", paused=False)
    expect(row).to_contain_text("Live", timeout=SLOWLY)


def test_rows_stay_where_they_are_while_the_pointer_is_in_the_table(console: RunningConsole, ops: Page) -> None:
    open_board(ops, console)
    before = names(ops)
    ops.locator("#projection-runs").hover()

    set_paused(console, "order-summary", paused=True)
    expect(ops.locator("#projection-order-summary")).to_contain_text("Paused")
    assert names(ops) == before

    ops.get_by_role("heading", name="Projections", level=1).hover()
    expect(ops.locator("tr[data-rank]").nth(1)).to_have_id("projection-order-summary")
    set_paused(console, "order-summary", paused=False)


def test_sparklines_are_still_there_after_live_changes(console: RunningConsole, ops: Page) -> None:
    open_board(ops, console)
    lag = ops.locator("#projection-discount-audit spark-line")

    before = lag.get_attribute("values")
    fall_further_behind(console)
    expect(lag).not_to_have_attribute("values", before or "", timeout=SLOWLY)

    assert lag.evaluate("element => element.shadowRoot.querySelector('canvas').isConnected") is True


@pytest.mark.parametrize("span", ["1h", "24h", "7d"])
def test_the_chart_is_drawn_for_every_span(console: RunningConsole, ops: Page, span: str) -> None:
    errors: list[str] = []
    ops.on("pageerror", lambda error: errors.append(str(error)))
    ops.goto(f"/projections/order-summary/?span={span}")

    expect(ops.locator("lag-chart canvas")).to_be_visible(timeout=SLOWLY)
    expect(ops.get_by_role("navigation", name="Time").locator("[aria-current]")).to_have_count(1)
    assert errors == []


def test_without_javascript_the_samples_are_read_as_a_table(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "viewer", java_script_enabled=False)
    if page.get_by_role("button", name="Sign in").count():
        page.get_by_role("button", name="Sign in").click()
    page.goto("/projections/order-summary/")

    page.get_by_text("As a table").click()

    expect(page.get_by_role("columnheader", name="Applied")).to_be_visible()


def test_a_viewer_reads_why_an_act_is_not_theirs_by_keyboard(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "viewer")
    page.goto("/projections/order-summary/")

    button = page.get_by_role("button", name="Replay…")
    button.focus()

    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button.locator(".reason")).to_have_text("Needs the operator role.")
    expect(button.locator(".reason")).to_have_css("opacity", "1")


@pytest.mark.parametrize("address", ["/projections/", "/projections/discount-audit/"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_barriers(console: RunningConsole, sign_in: SignIn, address: str, scheme: str) -> None:
    page = sign_in(console, "operator", color_scheme=scheme)
    page.goto(address)
    wait_until_live(page)

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()


def test_on_a_narrow_screen_nothing_scrolls_sideways_and_rows_open(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "operator", viewport={"width": 390, "height": 844})
    page.goto("/projections/")

    page.get_by_role("button", name=re.compile("More of order-summary")).click()

    expect(page.locator("tr.opened")).to_contain_text("Position")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
