"""This module is the test of resetting a consumer as an operator does: from its stream's page to the plan, the receipt, and its new place."""

from __future__ import annotations

import json

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.persistence.store import Outgoing, Store, create_consumer, ensure_stream, store_message
from tests.browser.running_console import RunningConsole

expect.set_options(timeout=30_000)


def fill(console: RunningConsole) -> None:
    """Six messages, of which `packer` has acknowledged four."""

    async def make(store: Store) -> None:
        connection, inbox = store.connection, store.connection.new_inbox()
        await ensure_stream(connection, {"name": "CRATES", "subjects": ["crates.>"], "allow_direct": True})
        for _ in range(6):
            await store_message(connection, Outgoing("crates.full", b"{}", {}))
        await create_consumer(connection, "CRATES", {"durable_name": "packer", "name": "packer", "ack_policy": "all", "max_ack_pending": 4})
        fourth = await connection.request_many("$JS.API.CONSUMER.MSG.NEXT.CRATES.packer", json.dumps({"batch": 4}).encode(), lambda _: True)
        assert fourth
        info = await connection.api("CONSUMER.INFO.CRATES.packer")
        stream_sequence = info["delivered"]["stream_seq"]
        await connection.request(f"$JS.ACK.CRATES.packer.1.{stream_sequence}.{stream_sequence}.0.0", b"+ACK")

    console.do(make)


def test_operator_resets_a_consumer_and_sees_it_begin_there(ops: Page, console: RunningConsole) -> None:
    fill(console)
    ops.goto("/streams/CRATES/consumers/")
    row = ops.get_by_role("row", name="packer")
    expect(row.get_by_role("cell").nth(0)).to_have_text("2")

    row.get_by_role("link", name="packer").click()
    shown = ops.get_by_role("region", name="packer")
    expect(shown).to_contain_text("One with all before it")
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

    ops.goto("/streams/CRATES/consumers/")
    expect(row.get_by_role("cell").nth(0)).to_have_text("5")
    expect(row.get_by_role("cell").nth(6)).to_have_text("1")
