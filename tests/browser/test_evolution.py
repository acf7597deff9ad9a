"""This module is the test of evolution as an operator meets it: the demo's migration tried, carried out and rolled back."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


def confirm(page: Page, link: str) -> None:
    """Open the plan behind the link, give a reason, confirm, and wait for the receipt."""
    page.get_by_role("link", name=link).first.click()
    page.get_by_label("Reason").fill("to see it")
    page.locator("form[method=post] button[data-kind=primary]").last.click()
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)


def is_accessible_and_narrow(page: Page) -> None:
    assert Axe().run(page, context="main").response["violations"] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1440, "height": 1000})


def test_operator_tries_a_migration_carries_it_out_and_rolls_it_back(own_console: RunningConsole, sign_in: SignIn) -> None:
    page, watching = sign_in(own_console), sign_in(own_console, "viewer")
    watching.goto("/evolution/")
    generations = watching.get_by_role("region", name="Generations of streams")
    types = watching.get_by_role("region", name="Event types")
    expect(types.get_by_role("row", name="sales.order.cancelled 1 Upcast to 2 1")).to_be_visible(timeout=SLOWLY)
    expect(watching.get_by_role("list", name="Schemas of sales.order.cancelled, oldest first")).to_contain_text(
        "Before there was self-service"
    )
    is_accessible_and_narrow(watching)

    page.goto("/evolution/")
    page.get_by_role("link", name="Dry run…").click()
    page.get_by_role("button", name="Dry run").click()
    expect(page.locator("#run-progress")).to_contain_text("Nothing stands in the way.", timeout=SLOWLY)
    changed = page.get_by_role("row").filter(has_text="cancelled (schema 1)")
    expect(changed.locator("ins")).to_have_text(["cancelled (schema 2) {", '  "by": "customer",'])
    is_accessible_and_narrow(page)

    page.goto("/evolution/")
    confirm(page, "Carry out…")
    expect(generations.get_by_role("row", name="CIM-EVENTS-2 Serves")).to_be_visible(timeout=SLOWLY)
    expect(types.get_by_role("row", name="sales.order.cancelled 2 Newest 1")).to_be_visible(timeout=SLOWLY)

    page.goto("/evolution/")
    confirm(page, "Roll back…")
    expect(generations.get_by_role("row", name="CIM-EVENTS-2 Closed, kept")).to_be_visible(timeout=SLOWLY)
    expect(watching.get_by_role("row", name="example.write-newest-schemas Rolled back")).to_be_visible(timeout=SLOWLY)
    watching.get_by_text("All that was done to Order example (4)").click()
    expect(watching.locator("#evolution-done li")).to_have_count(4)
