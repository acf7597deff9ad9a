"""An auditor goes down the chain strip to one event by keyboard, and prints a report that fits on one sheet of paper."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from .conftest import SignIn
from .running_console import RunningConsole

STREAM = "/audit/CIM-DEMO-TAMPERED/"
FILL = """() => {
    const more = (all, count) => { for (let i = all.length; all.length && i < count; i++) all[0].after(all[0].cloneNode(true)); };
    for (const list of document.querySelectorAll(".report ul")) more(list.children, 5);
    for (const item of document.querySelectorAll(".report li")) item.textContent = "Of which nothing is said. ".repeat(18);
    for (const [at, rows] of [...document.querySelectorAll(".report tbody")].entries()) more(rows.children, [6, 5, 3][at] || 3);
    for (const key of document.querySelectorAll(".report .tiny")) key.textContent = "cim-0123abcd+01234567+".padEnd(75, "A");
}"""


def sheets(page: Page) -> int:
    """How many pages the browser prints."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


def test_strip_leads_to_one_event_and_the_report_is_one_sheet(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "auditor")
    page.goto(STREAM)
    page.get_by_role("link", name=re.compile("^11 – 15: ")).first.press("Enter")
    expect(page.get_by_role("heading", name="11 – 15")).to_be_visible()
    page.locator("#range tbody").get_by_role("link", name="11", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Sequence 11")).to_be_visible()
    expect(page.locator("#range")).to_contain_text("CID, hashed just now")

    page.get_by_role("link", name="Report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit report on CIM-DEMO-TAMPERED")

    assert sheets(page) == 1
    page.evaluate(FILL)
    assert sheets(page) == 1


@pytest.mark.parametrize(
    ("width", "scheme", "addresses"),
    [(1440, "dark", (f"{STREAM}?first=11&last=20", "/audit/trail/")), (390, "light", (f"{STREAM}?first=11&last=11", f"{STREAM}report"))],
)
def test_ranges_trail_and_report_have_no_barriers(
    console: RunningConsole, sign_in: SignIn, width: int, scheme: str, addresses: tuple[str, ...]
) -> None:
    page = sign_in(console, "auditor", viewport={"width": width, "height": 900}, color_scheme=scheme)
    for address in addresses:
        page.goto(address)

        found = Axe().run(page)

        assert found.violations_count == 0, (address, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
