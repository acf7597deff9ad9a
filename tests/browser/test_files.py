"""This module is the tests of files in a browser: an aggregate exported by clicking, downloaded, brought back, imported elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.persistence.store import Store, get_stream
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


def confirm_and_wait(page: Page, sentence: str | re.Pattern[str]) -> None:
    """From the parameters through the review to a run that has ended well."""
    page.get_by_role("button", name="Review…").click()
    page.get_by_label("Reason").fill("to carry it elsewhere")
    page.locator("form[method=post] button[data-kind=primary]").last.click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/$"))
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)
    expect(page.locator("#run-progress")).to_contain_text(sentence)


def test_aggregate_is_exported_downloaded_and_brought_into_another_stream(console: RunningConsole, ops: Page, tmp_path: Path) -> None:
    ops.goto("/aggregates/sales.order/clearance-order/")
    ops.get_by_role("link", name="Export…").click()
    expect(ops.get_by_label("Aggregate", exact=True)).to_have_value("sales.order.clearance-order")
    ops.get_by_label("Format", exact=True).select_option("car")
    confirm_and_wait(ops, "sales.order.clearance-order.car")

    ops.goto("/files/")
    with ops.expect_download() as download:
        ops.get_by_role("link", name="sales.order.clearance-order.car", exact=True).click()
    carried = tmp_path / "carried.car"
    download.value.save_as(carried)
    assert carried.read_bytes()[1:8] == b"\xa2eroots"

    ops.get_by_label("File", exact=True).set_input_files(carried)
    ops.get_by_role("button", name="Upload").click()
    expect(ops.get_by_text("carried.car is here")).to_be_visible()
    ops.get_by_role("row").filter(has_text="carried.car").get_by_role("link", name="Import…").click()
    ops.get_by_label("Stream", exact=True).fill("CARRIED")
    ops.get_by_label("Root", exact=True).fill("carried.events")
    confirm_and_wait(ops, re.compile(r"Brought \d+ events into CARRIED on home: \d+ stored, 0 already there"))

    async def events_are_there(store: Store) -> None:
        assert (await get_stream(store.connection, "CARRIED")).messages > 0
        await store.connection.api("STREAM.DELETE.CARRIED")

    console.do(events_are_there)


@pytest.mark.parametrize("address", ["/files/", "/runs/new/export/", "/runs/new/import/"])
def test_pages_have_no_barriers(console: RunningConsole, ops: Page, address: str) -> None:
    ops.goto(address)

    found = Axe().run(ops)

    assert found.violations_count == 0, found.generate_report()
