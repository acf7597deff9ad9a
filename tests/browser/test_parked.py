"""This module is the test of parked events as an operator meets them: set one aside, find it again, and decide on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from apps.persistence.events import AggregateRef, Head, NewEvent
from apps.persistence.store import Store, append
from tests.browser.conftest import SignIn
from tests.browser.running_console import RunningConsole


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[RunningConsole]:
    """A console of this test alone, with an order whose discount stops the audit."""

    async def write(store: Store) -> None:
        created = NewEvent(type="created", payload={"customer": "c-0001", "currency": "EUR"}, actor="web")
        discount = NewEvent(type="discount_applied", payload={"percent": 90, "reason": "clearance"}, actor="web")
        await append(store, Head(aggregate=AggregateRef("sales", "order", "crate")), [created, discount])

    with RunningConsole(tmp_path) as running:
        running.do(write)
        yield running


def test_operator_parks_an_event_finds_it_and_dismisses_it(stopped: RunningConsole, sign_in: SignIn) -> None:
    page = sign_in(stopped)
    page.goto("/projections/discount-audit/")
    page.get_by_role("link", name="Park…").click()
    page.get_by_label("Note").fill("ask the shop")
    page.get_by_role("button", name="Review…").click()
    page.get_by_label("Reason").fill("the audit must go on")
    page.get_by_role("button", name="Park sequence 2 of discount-audit").click()
    expect(page.get_by_text("is parked; the projection goes on after it.").first).to_be_visible()

    page.goto("/projections/")
    page.get_by_role("link", name="Parked events").first.click()
    row = page.get_by_role("row", name="discount_applied")
    expect(row).to_contain_text("ask the shop")
    assert Axe().run(page).response["violations"] == []
    row.get_by_role("link", name="Replay…").click()
    expect(page.get_by_text("still cannot be applied").first).to_be_visible()
    page.goto("/projections/all/parked-events/")
    row.get_by_role("link", name="Dismiss…").click()
    page.get_by_label("Note").fill("agreed with the shop")
    page.get_by_role("button", name="Review…").click()
    page.get_by_label("Reason").fill("decided")
    page.get_by_label("Type discount-audit to confirm").fill("discount-audit")
    page.get_by_role("button", name="Dismiss sequence 2 of discount-audit").click()
    expect(page.get_by_text("leaves out sequence 2 for good.").first).to_be_visible()

    page.goto("/projections/all/parked-events/")
    expect(page.get_by_role("heading", name="No event is parked")).to_be_visible()
