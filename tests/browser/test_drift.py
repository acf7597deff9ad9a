"""Somebody changes a stream past the console: an open audit page says so by itself, leads to accepting it, and rests once it is back."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from apps.persistence.store import Store, get_stream

from .conftest import SignIn
from .running_console import RunningConsole

STREAM = "CIM-AGGREGATES"


async def change(store: Store, config: dict[str, Any]) -> None:
    info = await get_stream(store.connection, STREAM)
    await store.connection.api(f"STREAM.UPDATE.{STREAM}", {**info.config, **config}, stream=STREAM)


def test_changed_setting_shows_by_itself_and_leads_to_accepting_it(console: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(console, "operator")
    page.goto("/audit/")
    card = page.get_by_role("region", name="Settings")
    row = card.locator("tr", has_text=STREAM)
    expect(card).to_contain_text("Looked at", timeout=60_000)

    console.do(lambda store: change(store, {"max_bytes": 10**9}))
    try:
        expect(row).to_contain_text("max_bytes", timeout=30_000)
        expect(row).to_contain_text("not set")
        row.get_by_role("link", name="Accept…").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"Accept 1 change of {STREAM}")
        expect(page.get_by_role("main")).to_contain_text("1,000,000,000")
        page.go_back()
    finally:
        console.do(lambda store: change(store, {"max_bytes": -1}))
    expect(row).to_have_count(0, timeout=30_000)
