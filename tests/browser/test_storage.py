"""The storage pages in a browser: a key that changes while somebody looks, two revisions compared, and a query built by hand."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from apps.persistence.store import Store, ensure_bucket, kv_put

from .running_console import RunningConsole

SECONDS_30 = 30_000


async def write(store: Store, value: str) -> None:
    await ensure_bucket(store.connection, "shop", history=5)
    await kv_put(store.connection, "shop", "settings.currency", value.encode())


def test_key_is_followed_compared_and_models_are_queried(console: RunningConsole, ops: Page) -> None:
    console.do(lambda store: write(store, '{"code": "EUR"}'))
    ops.goto("/storage/kv/shop/")
    ops.get_by_role("link", name="settings.currency").click()
    expect(ops.get_by_text('"EUR"')).to_be_visible()
    expect(ops.locator("html")).to_have_attribute("data-live", "live", timeout=SECONDS_30)

    console.do(lambda store: write(store, '{"code": "USD"}'))
    expect(ops.get_by_text("of revision 2, the newest")).to_be_visible(timeout=SECONDS_30)
    ops.get_by_role("button", name="Compare", exact=True).click()
    expect(ops.get_by_role("region", name="Difference")).to_contain_text("USD")

    ops.goto("/storage/models/cim-order-summary-1/?pattern=customer.>")
    ops.get_by_text("Filter, sort and choose fields").click()
    ops.get_by_label("Sort by the field").first.fill("name")
    ops.get_by_role("button", name="Run", exact=True).click()
    expect(ops.get_by_role("region", name="Plan")).to_contain_text("sort", timeout=SECONDS_30)
    expect(ops.get_by_role("region", name="What it took")).to_contain_text("key_prefix")
