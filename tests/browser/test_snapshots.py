"""This module is the tests of snapshots in a browser: those of a type taken by clicking, to the receipt, and then proved."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


def confirm_and_wait(page: Page, sentence: re.Pattern[str]) -> None:
    """From the review to a run that has ended well."""
    page.get_by_label("Reason").fill("long histories")
    page.locator("form[method=post] button[data-kind=primary]").last.click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/$"))
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)
    expect(page.locator("#run-progress")).to_contain_text(sentence)


def test_snapshots_of_a_type_are_taken_and_proved(console: RunningConsole, ops: Page) -> None:
    ops.goto("/aggregates/sales.order/")
    ops.get_by_role("link", name="Take snapshots…").click()
    expect(ops.get_by_label("Type", exact=True)).to_have_value("sales.order")
    ops.get_by_label("By policy", exact=True).select_option("off")
    ops.get_by_label("At least", exact=True).fill("3")
    ops.get_by_role("button", name="Review…").click()
    expect(ops.get_by_role("heading", level=1)).to_have_text("Snapshot every sales.order with 3 new events or more")
    confirm_and_wait(ops, re.compile(r"Took \d+ snapshots; looked at \d+ aggregates\."))

    ops.goto("/aggregates/sales.order/")
    ops.get_by_role("link", name="Prove snapshots…").click()
    confirm_and_wait(ops, re.compile(r"Proved: \d+ snapshots of \d+ aggregates hold just what the events make\."))
