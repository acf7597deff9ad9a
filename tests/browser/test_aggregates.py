"""This module is the test of the aggregates pages as people use them: through versions, live, by keyboard, narrow, without JavaScript."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Store, append, head_of
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole

ORDER = "/aggregates/sales.order/o-00001/"
TAMPERED = "/aggregates/sales.order/content-changed/?stream=CIM-DEMO-TAMPERED"
LIVE = re.compile("^live$")


def discount(percent: int) -> NewEvent:
    return NewEvent(type="discount_applied", payload={"percent": percent, "reason": f"n{percent}"}, actor="web")


def write_order(console: RunningConsole, id: str, events: int) -> str:
    """An order of the test alone whose discount changes with every version; returns its address."""

    async def write(store: Store) -> None:
        head = Head(aggregate=AggregateRef("sales", "order", id))
        created = NewEvent(type="created", payload={"customer": "c-0001", "currency": "EUR"}, actor="web")
        story = [created, *(discount(version % 90) for version in range(2, events + 1))]
        await append(store, head, story)

    console.do(write)
    return f"/aggregates/sales.order/{id}/"


def write_customer(console: RunningConsole, id: str, events: int) -> str:
    """A customer of the test alone, of a type that no policy takes snapshots of; returns the address."""

    async def write(store: Store) -> None:
        head = Head(aggregate=AggregateRef("people", "customer", id))
        registered = NewEvent(type="registered", payload={"name": "Ada", "email": "ada@example.org"}, actor="web")
        moved = NewEvent(type="email_changed", payload={"email": "ada@example.net", "before": "ada@example.org"}, actor="web")
        story = [registered, *([moved] * (events - 1))]
        for start in range(0, events, 1000):
            head = (await append(store, head, story[start : start + 1000]))[-1].head

    console.do(write)
    return f"/aggregates/people.customer/{id}/"


def append_one(console: RunningConsole, id: str) -> None:
    async def write(store: Store) -> None:
        head = await head_of(store, AggregateRef("sales", "order", id))
        await append(store, head, [discount(1)])

    console.do(write)


def state_title(page: Page) -> str:
    return page.locator("#state h2").first.inner_text()


def test_a_version_is_opened_from_the_history_and_back_returns(ops: Page, console: RunningConsole) -> None:
    address = write_order(console, "rows", 6)
    ops.goto(address)
    ops.evaluate("window.isSamePage = true")

    ops.locator("#history li", has_text="v3").get_by_role("link").click()
    expect(ops.locator("#state").get_by_role("heading", name="State at v3")).to_be_visible()
    expect(ops).to_have_url(re.compile(r"\?version=3$"))
    expect(ops.locator("#history li[aria-current=true]")).to_contain_text("v3")
    expect(ops.locator("#state ins")).to_have_text(re.compile(r'\+\s+"discount_percent": 3,\s+changed'))
    assert ops.evaluate("window.isSamePage") is True

    ops.go_back()
    expect(ops.locator("#state").get_by_role("heading", name="State at v6")).to_be_visible()


def test_brackets_step_through_versions_and_keep_open_what_was_opened(ops: Page, console: RunningConsole) -> None:
    ops.goto(write_order(console, "brackets", 5))
    ops.get_by_text("Bytes in hex").click()

    ops.keyboard.press("[")
    expect(ops.locator("#state").get_by_role("heading", name="State at v4")).to_be_visible()
    ops.keyboard.press("[")
    expect(ops.locator("#state").get_by_role("heading", name="State at v3")).to_be_visible()
    ops.keyboard.press("]")
    expect(ops.locator("#state").get_by_role("heading", name="State at v4")).to_be_visible()

    expect(ops.locator("#event .hex")).to_be_visible()
    expect(ops).to_have_url(re.compile(r"\?version=4$"))


def test_rows_are_walked_and_opened_by_keyboard(ops: Page, console: RunningConsole) -> None:
    ops.goto(write_order(console, "walked", 5))

    ops.keyboard.press("j")
    ops.keyboard.press("j")
    ops.keyboard.press("Enter")

    expect(ops.locator("#state").get_by_role("heading", name="State at v3")).to_be_visible()


def test_the_scrubber_shows_versions_while_it_is_dragged_and_leaves_one_entry_in_the_history(ops: Page, console: RunningConsole) -> None:
    ops.goto(write_order(console, "scrubbed", 50))
    length = ops.evaluate("history.length")
    scrubber = ops.get_by_role("slider", name="Version")
    box = scrubber.bounding_box()
    assert box

    ops.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    ops.mouse.down()
    ops.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    expect(ops.locator("#event h2")).to_have_text(re.compile(r"^Event v2\d$"))
    assert "version=" not in ops.url
    ops.mouse.up()

    expect(ops).to_have_url(re.compile(r"version=2\d$"))
    assert ops.evaluate("history.length") == length + 1
    assert state_title(ops) == f"State at v{re.sub('.*version=', '', ops.url)}"


def test_a_new_event_is_announced_and_shown_when_asked_for(ops: Page, console: RunningConsole) -> None:
    ops.goto(write_order(console, "growing", 3))
    expect(ops.locator("#live-state")).to_have_attribute("data-state", LIVE)

    append_one(console, "growing")
    append_one(console, "growing")
    ops.get_by_role("link", name="2 new events · show").click()

    expect(ops.locator("#history li[aria-current=true]")).to_contain_text("v5")
    expect(ops.locator("#newer a")).to_have_count(0)


def test_two_versions_are_compared_with_who_changed_what(ops: Page, console: RunningConsole) -> None:
    ops.goto(write_order(console, "compared", 8))

    ops.get_by_label("Compare v").fill("3")
    ops.get_by_label("with v").fill("7")
    ops.get_by_role("button", name="Compare").click()

    expect(ops.get_by_role("heading", name="v3 compared with v7")).to_be_visible()
    expect(ops.get_by_role("row", name=re.compile("discount_percent"))).to_contain_text("v7 discount_applied")


def test_a_state_that_needs_many_events_comes_after_the_page(ops: Page, console: RunningConsole) -> None:
    ops.goto(write_customer(console, "long", 1_300))

    expect(ops.locator("#history li")).to_have_count(100)
    expect(ops.locator("#state")).to_contain_text("1,300 events folded.")
    expect(ops).to_have_url(re.compile(r"/long/$"))


def test_a_broken_chain_is_verified_with_a_key(ops: Page) -> None:
    ops.goto(TAMPERED)
    expect(ops.get_by_role("alert").get_by_text("v4 does not hash to its own CID.")).to_be_visible()

    ops.keyboard.press("v")

    expect(ops.get_by_role("region", name="Verdict")).to_contain_text("1 finding")
    expect(ops.locator("#history li[data-state=content_changed]")).to_contain_text("v4")


def test_the_search_box_leads_from_an_id_to_its_aggregate(ops: Page, console: RunningConsole) -> None:
    address = write_order(console, "found-by-id", 2)
    ops.goto("/aggregates/")

    ops.keyboard.press("/")
    ops.keyboard.type("found-by-id")
    ops.keyboard.press("Enter")

    expect(ops).to_have_url(re.compile(f"{address}$"))


def test_the_directory_leads_from_types_to_an_aggregate(ops: Page) -> None:
    ops.goto("/aggregates/")
    ops.get_by_role("link", name="Order", exact=True).first.click()
    ops.get_by_label("Id begins with").fill("o-00001")
    ops.get_by_role("button", name="Find").click()
    ops.get_by_role("link", name="o-00001").click()

    expect(ops.get_by_role("heading", name="Order o-00001")).to_be_visible()


def test_everything_works_as_links_and_forms_without_javascript(sign_in: SignIn, console: RunningConsole) -> None:
    address = write_customer(console, "plain", 1_200)
    page = sign_in(console, java_script_enabled=False)
    page.goto(address)

    page.get_by_role("link", name="Fold them now").click()
    expect(page.locator("#state")).to_contain_text("1,200 events folded.")
    page.get_by_label("Version, or time in UTC").fill("5")
    page.get_by_role("button", name="Go to").click()
    expect(page.locator("#state h2").first).to_have_text("State at v5")
    page.get_by_role("link", name="v4", exact=True).first.click()

    expect(page.locator("#history li[aria-current=true]")).to_contain_text("v4")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["/aggregates/", "/aggregates/sales.order/", ORDER, f"{ORDER}?diff=1..4", TAMPERED, "/search?q=cim"])
def test_the_pages_are_accessible_and_do_not_scroll_sideways(ops: Page, address: str, scheme: str) -> None:
    ops.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    ops.goto(address)
    found = Axe().run(ops, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    ops.set_viewport_size({"width": 390, "height": 844})

    assert found.response["violations"] == []
    assert ops.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_on_the_pages_offends_the_browser(ops: Page) -> None:
    complaints: list[str] = []
    ops.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    ops.on("pageerror", lambda error: complaints.append(str(error)))

    ops.goto(ORDER)
    ops.keyboard.press("[")
    expect(ops).to_have_url(re.compile("version="))

    assert complaints == []
