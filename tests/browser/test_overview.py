"""This module is the tests of the overview and the audit in a browser: they turn by themselves with what happens."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from apps.persistence.projections import pause
from apps.persistence.store import Store
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole
from tests.browser.test_runs import confirm

SLOWLY = 60_000


def test_the_overview_follows_workers_projections_and_runs(own_console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(own_console, "operator")
    page.goto("/")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY)
    expect(page.locator("#overview-behind")).to_contain_text("discount-audit", timeout=SLOWLY)

    async def pause_one(store: Store) -> None:
        await pause(store.connection, "search-index")

    own_console.do(pause_one)
    expect(page.locator("#overview-behind")).to_contain_text("search-index", timeout=SLOWLY)

    own_console.stop_worker()

    expect(page.locator("#overview-running")).to_contain_text("No worker is alive", timeout=SLOWLY)
    expect(page.locator("#workers")).to_have_text("No worker", timeout=SLOWLY)


def test_the_strip_of_a_stream_turns_while_it_is_verified(own_console: RunningConsole, sign_in: SignIn) -> None:
    watching, auditor = sign_in(own_console, "viewer"), sign_in(own_console, "auditor")
    watching.goto("/audit/CIM-DEMO-TAMPERED/")
    expect(watching.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY)
    expect(watching.locator("main")).to_contain_text("Never verified.")

    confirm(auditor, "/runs/new/verify/review/?stream=CIM-DEMO-TAMPERED")

    expect(watching.locator("#audit-CIM-DEMO-TAMPERED")).to_contain_text("6 findings", timeout=SLOWLY)
    expect(watching.get_by_role("heading", name="Findings")).to_be_visible(timeout=SLOWLY)


@pytest.mark.parametrize("address", ["/", "/audit/", "/audit/CIM-DEMO-TAMPERED/"])
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_pages_have_no_barriers_and_nothing_scrolls_sideways(
    console: RunningConsole, sign_in: SignIn, address: str, width: int, scheme: str
) -> None:
    page = sign_in(console, "auditor", viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(address)
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live", timeout=SLOWLY)

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
