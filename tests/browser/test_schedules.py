"""An operator has a stream verified again and again, sees what the first run found, and ends it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


def confirm(page: Page, reason: str) -> None:
    """From the review to a run that has ended well."""
    page.get_by_label("Reason").fill(reason)
    page.locator("form[method=post] button[data-kind=primary]").last.click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/$"))
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)


def test_operator_sets_a_schedule_sees_its_run_and_removes_it(console: RunningConsole, ops: Page) -> None:
    ops.goto("/audit/")
    ops.get_by_role("link", name="Set a schedule…").click()
    ops.get_by_label("Parameters", exact=True).fill("scope=aggregate\nstream=CIM-DEMO-TAMPERED\naggregate=sales.order.intact")
    ops.get_by_label("Every", exact=True).fill("1 hour")
    ops.get_by_label("Name", exact=True).fill("untouched")
    ops.get_by_role("button", name="Review…").click()
    expect(ops.get_by_role("heading", level=1)).to_have_text("Schedule verify every 1 hour")
    confirm(ops, "looked at every hour")

    ops.goto("/audit/")
    row = ops.locator("#schedule-untouched")
    expect(row).to_contain_text("Intact: 7 events, aggregate sales.order.intact", timeout=SLOWLY)
    row.get_by_role("link", name="Remove the schedule untouched").click()
    confirm(ops, "seen")
    ops.goto("/audit/")
    expect(ops.locator("#audit-schedules")).to_contain_text("Nothing is scheduled")
