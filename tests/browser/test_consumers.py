"""This module is the test of resetting a consumer as an operator does: from its stream's page to the receipt and its new place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.persistence.store import Outgoing, Store, ensure_stream, store_message
from tests.browser.running_console import RunningConsole
from tests.persistence.changing_consumers import consume, make_consumer


@pytest.fixture
def crates(console: RunningConsole) -> Iterator[str]:
    """Six messages, of which `packer` has acknowledged four; gone afterwards, so that nobody meets a consumer that nobody reads."""

    async def make(store: Store) -> None:
        await ensure_stream(store.connection, {"name": "CRATES", "subjects": ["crates.>"], "allow_direct": True})
        for _ in range(6):
            await store_message(store.connection, Outgoing("crates.full", b"{}", {}))
        await make_consumer(store, "CRATES", description="packs what is full")
        await consume(store, "CRATES", "packer", 4)

    async def remove(store: Store) -> None:
        await store.connection.api("STREAM.DELETE.CRATES")

    console.do(make)
    yield "/streams/CRATES/consumers/"
    console.do(remove)


def test_operator_resets_a_consumer_and_sees_it_begin_there(ops: Page, crates: str) -> None:
    ops.goto(crates)
    row = ops.get_by_role("row", name="packer")
    expect(row.get_by_role("cell").nth(0)).to_have_text("2")

    row.get_by_role("link", name="packer").click()
    shown = ops.get_by_role("region", name="packer")
    expect(shown).to_contain_text("packs what is full")
    assert Axe().run(ops, context="main").response["violations"] == []
    shown.get_by_role("link", name="Reset…").click()
    expect(ops.get_by_label("Consumer")).to_have_value("packer")
    ops.get_by_label("Start").fill("2")
    ops.get_by_role("button", name="Review…").click()
    expect(ops.get_by_role("row", name="Next event 5 2")).to_be_visible()
    expect(ops.get_by_role("row", name="Events to process 2 5")).to_be_visible()
    expect(ops.get_by_text("3 events from sequence 2 to 4, processed before, are delivered again.")).to_be_visible()
    ops.get_by_label("Reason").fill("labels were wrong")
    ops.get_by_role("button", name="Reset packer of CRATES to sequence 2").click()
    expect(ops.get_by_text("packer of CRATES goes on at sequence 2, with 5 events to process.").first).to_be_visible()

    ops.goto(crates)
    expect(row.get_by_role("cell").nth(0)).to_have_text("5")
    expect(row.get_by_role("cell").nth(6)).to_have_text("1")
