"""The main job from end to end, as a person does it: what is wrong, why, what it was before, and the replay that follows."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole


def test_a_replay_goes_from_the_projection_through_review_and_reason_to_a_receipt(console: RunningConsole, ops: Page) -> None:
    ops.goto("/projections/order-summary/")
    ops.get_by_role("link", name="Replay").first.click()
    expect(ops.get_by_role("heading", level=1)).to_have_text("Replay order-summary from the first event")
    expect(ops.get_by_role("row").filter(has_text="Build that serves")).to_contain_text("a new one, from the first event")

    ops.get_by_label("Reason").fill("totals looked wrong <b>to me</b>")
    ops.get_by_role("button", name="Replay order-summary from the first event").click()

    expect(ops).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/$"))
    expect(ops.locator("#run-state")).to_contain_text("Finished", timeout=60_000)
    expect(ops.locator("main")).to_contain_text("build 2 of order-summary serves, build 1 is kept.")
    expect(ops.locator("main")).to_contain_text("totals looked wrong <b>to me</b>")
    for event in ("requested", "confirmed", "started", "finished"):
        expect(ops.locator("#run-events")).to_contain_text(event)


def test_a_replay_without_a_reason_is_not_started(console: RunningConsole, ops: Page) -> None:
    ops.goto("/runs/new/replay/review/?projection=order-summary")

    ops.get_by_label("Reason").fill("   ")
    ops.get_by_role("button", name="Replay order-summary").click()

    expect(ops).to_have_url(re.compile("/review/"))


def test_a_viewer_sees_the_replay_but_is_told_why_it_is_not_theirs(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "viewer")
    page.goto("/projections/order-summary/")

    expect(page.locator("main")).to_contain_text("operator")
    answer = page.goto("/runs/new/replay/review/?projection=order-summary")

    assert answer is not None
    assert answer.status == 403
    expect(page.locator("main")).to_contain_text("operator")


def test_pausing_and_resuming_a_projection_shows_in_its_state(console: RunningConsole, ops: Page) -> None:
    ops.goto("/runs/new/pause/review/?projection=search-index")
    ops.get_by_label("Reason").fill("maintenance")
    ops.get_by_role("button", name="Pause search-index").click()
    expect(ops.locator("#run-state")).to_contain_text("Finished", timeout=60_000)
    ops.goto("/projections/search-index/")
    expect(ops.locator("main")).to_contain_text("Paused")

    ops.goto("/runs/new/resume/review/?projection=search-index")
    ops.get_by_label("Reason").fill("maintenance is over")
    ops.get_by_role("button", name="Resume search-index").click()

    expect(ops.locator("#run-state")).to_contain_text("Finished", timeout=60_000)
    ops.goto("/projections/search-index/")
    expect(ops.locator("main")).not_to_contain_text("Paused")


def test_a_verification_finds_the_six_faults_and_the_overview_turns_red(own_console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(own_console, "auditor")
    page.goto("/")
    expect(page.locator("main")).to_contain_text(re.compile("not verified", re.IGNORECASE))

    page.goto("/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED")
    page.get_by_label("Reason").fill("monthly audit")
    page.get_by_role("button", name="Verify CIM-DEMO-TAMPERED").click()
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=60_000)

    expect(page.locator("main")).to_contain_text("6 findings in")
    page.goto("/audit/CIM-DEMO-TAMPERED/")
    expect(page.locator("main")).to_contain_text("content-changed")
    page.goto("/")
    expect(page.locator("main")).to_contain_text("CIM-DEMO-TAMPERED")
    own_console.stop_worker()
    own_console.start_worker()
    page.goto("/audit/CIM-DEMO-TAMPERED/")
    expect(page.locator("main")).to_contain_text("olga-auditor")
