"""A person sends commands: an order is begun and put together, and its events arrive without a reload."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Store, append

from .conftest import SignIn
from .running_console import RunningConsole


def test_a_person_places_an_order_and_sees_its_events_arrive(ops: Page) -> None:
    ops.goto("/aggregates/sales.order/")
    ops.get_by_role("link", name="Create…").click()
    order, command = ops.get_by_label("Id of the new order").input_value(), ops.locator("[name='command.id']").input_value()
    watching = ops.context.new_page()
    watching.goto(f"/aggregates/sales.order/{order}/sent/{command}/")
    expect(watching.locator("#sent-state")).to_contain_text("Not answered yet")
    expect(watching.locator("#live-state")).to_have_attribute("data-state", "live", timeout=60_000)

    ops.get_by_label("Customer").fill("c-0001")
    ops.get_by_label("Currency").select_option("EUR")
    ops.get_by_role("button", name="Create").click()

    expect(watching.locator("#sent-state")).to_contain_text("Accepted.", timeout=60_000)
    expect(watching.get_by_role("row").filter(has_text="created")).to_contain_text("olga-operator", timeout=60_000)
    expect(ops.get_by_role("row").filter(has_text="created")).to_contain_text("for c-0001, in EUR", timeout=60_000)

    ops.get_by_role("link", name="Open order").click()
    expect(ops.locator(".machine [aria-current]")).to_have_text("Draft")
    ops.locator("#commands").get_by_role("link", name="Add item…").click()
    ops.get_by_label("Sku").fill("LAMP-042")
    ops.get_by_label("Name", exact=True).fill("Desk lamp")
    ops.get_by_label("Quantity").fill("many")
    ops.get_by_label("Cents").fill("1250")
    ops.get_by_label("Currency").fill("EUR")
    ops.get_by_role("button", name="Add item").click()
    expect(ops.locator(".field", has=ops.get_by_label("Quantity"))).to_contain_text("'many' must be a whole number")
    ops.get_by_label("Quantity").fill("2")
    ops.get_by_role("button", name="Add item").click()

    expect(ops.get_by_role("row").filter(has_text="item_added")).to_contain_text("+ 2 × LAMP-042 at 12.50 EUR", timeout=60_000)
    ops.get_by_role("link", name="Open order").click()
    ops.get_by_text("not legal now").click()
    expect(ops.get_by_role("row", name="Submit", exact=False).filter(has_text="no address")).to_be_visible()


def test_a_machine_that_is_wider_than_its_card_is_scrolled_to_the_current_state(console: RunningConsole, sign_in: SignIn) -> None:
    async def cancel_one(store: Store) -> None:
        created = NewEvent(type="created", payload={"customer": "c-0001", "currency": "EUR"})
        cancelled = NewEvent(type="cancelled", schema=2, payload={"customer": "c-0001", "reason": "Too late.", "by": "customer"})
        await append(store, Head(aggregate=AggregateRef("sales", "order", "cancelled-order")), [created, cancelled])

    console.do(cancel_one)
    page = sign_in(console, viewport={"width": 390, "height": 800})
    page.goto("/aggregates/sales.order/cancelled-order/")

    current = page.locator(".machine [aria-current]")
    expect(current).to_have_text("Cancelled")
    page.wait_for_function("document.querySelector('.machine').scrollLeft > 0")
    frame, box = page.locator(".machine").bounding_box(), current.locator("rect").bounding_box()
    assert frame is not None
    assert box is not None
    assert frame["x"] <= box["x"]
    assert box["x"] + box["width"] <= frame["x"] + frame["width"]
