"""This module is the test of the routes page as a viewer meets it: figures that move, and which routes a subject takes."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


def test_viewer_sees_what_bridges_take_and_asks_where_a_subject_leads(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "viewer")
    page.goto("/routes/")
    bridge = page.get_by_role("region", name="Orders in other contexts")
    expect(bridge).to_contain_text("Up to date", timeout=SLOWLY)
    expect(bridge.get_by_role("row", name="sales to shipping: processing_started")).to_contain_text("order → parcel")

    page.get_by_role("region", name="Which routes").get_by_label("Subject").fill("sales.order.submitted.v1")
    page.get_by_role("region", name="Which routes").get_by_role("button", name="Ask").click()

    answer = page.get_by_role("region", name="sales.order.submitted.v1")
    expect(answer.get_by_role("row", name="sales to billing: submitted")).to_contain_text("it becomes billing.invoice.requested.v1")
    page.get_by_role("region", name="Who may").get_by_label("Subject").fill("cim.commands.sales.order.o-1.submit")
    page.get_by_role("region", name="Who may").get_by_role("button", name="Ask").click()
    expect(page.get_by_role("row", name="web (CIM)")).to_contain_text("cim.commands.> allows it")
    assert Axe().run(page, context="main").response["violations"] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
