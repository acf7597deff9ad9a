"""This module is the test of changing streams as an operator does: make one, purge part of it, and read later who removed what and why."""

from __future__ import annotations

import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.persistence.store import Outgoing, Store, store_message
from tests.browser.running_console import RunningConsole


def publish(console: RunningConsole) -> None:
    async def store_six(store: Store) -> None:
        for subject in ("paid", "late", "paid", "late", "paid", "late"):
            await store_message(store.connection, Outgoing(f"parcels.{subject}", b"{}", {}))

    console.do(store_six)


def test_operator_makes_a_stream_purges_part_of_it_and_finds_the_gaps_explained(ops: Page, console: RunningConsole) -> None:
    ops.goto("/streams/")
    ops.get_by_role("link", name="Create stream…").click()
    ops.get_by_label("Name").fill("PARCELS")
    ops.get_by_label("Subjects").fill("parcels.>")
    ops.get_by_role("button", name="Review…").click()
    ops.get_by_label("Reason").fill("for the depot")
    ops.get_by_role("button", name="Create the stream PARCELS").click()
    expect(ops.get_by_text("PARCELS stores parcels.>.").first).to_be_visible()
    publish(console)

    ops.goto("/streams/PARCELS/")
    ops.get_by_text("Change or remove", exact=True).click()
    assert Axe().run(ops, context="main").response["violations"] == []
    ops.get_by_role("link", name="Purge…").click()
    ops.get_by_label("Subject").fill("parcels.late")
    ops.get_by_role("button", name="Review…").click()
    expect(ops.get_by_role("row", name="PARCELS parcels.late 3")).to_be_visible()
    ops.get_by_label("Reason").fill("lost on the way")
    ops.get_by_role("button", name="Purge 3 messages of PARCELS").click()
    expect(ops.get_by_text("This is not PARCELS; type it exactly.")).to_be_visible()
    ops.get_by_label("Type PARCELS to confirm").fill("PARCELS")
    ops.get_by_role("button", name="Purge 3 messages of PARCELS").click()
    expect(ops.get_by_text("Purged 3 messages of PARCELS, before sequence 7.").first).to_be_visible()

    ops.goto("/streams/PARCELS/")
    gaps = ops.locator("#stream-tail tr.gap")
    expect(gaps).to_have_count(3)
    expect(gaps.nth(1)).to_contain_text(re.compile(r"4 is missing, removed by olga-operator on .*: lost on the way"))
    gaps.nth(1).get_by_role("link", name="the run").click()
    expect(ops.get_by_role("heading", name="Purge 3 messages of PARCELS")).to_be_visible()
