"""This module is the test of backups in a browser: a stream backed up by clicking, downloaded, deleted, restored, and verified."""

from __future__ import annotations

import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.persistence.store import Outgoing, Store, ensure_stream, store_message
from tests.browser.running_console import RunningConsole

SLOWLY = 60_000


async def make_parcels(store: Store) -> None:
    await ensure_stream(store.connection, {"name": "LETTERS", "subjects": ["letters.>"], "allow_direct": True})
    for subject in ("paid", "late", "paid"):
        await store_message(store.connection, Outgoing(f"letters.{subject}", b"{}", {}))


def carry_out(page: Page, button: str, sentence: str | re.Pattern[str], *, typed: str = "") -> None:
    """From the parameters through the review to a run that has ended well."""
    page.get_by_role("button", name="Review…").click()
    page.get_by_label("Reason").fill("before the move")
    if typed:
        page.get_by_label(f"Type {typed} to confirm").fill(typed)
    page.get_by_role("button", name=button).click()
    expect(page.locator("#run-state")).to_contain_text("Finished", timeout=SLOWLY)
    expect(page.locator("#run-progress")).to_contain_text(sentence)


def test_stream_is_backed_up_deleted_and_restored_by_clicking(console: RunningConsole, ops: Page, tmp_path: Path) -> None:
    console.do(make_parcels)
    ops.goto("/streams/LETTERS/")
    ops.get_by_role("link", name="Back up…").click()
    carry_out(ops, "Back up LETTERS", "Backed up LETTERS 1 – 3, 3 messages to LETTERS-")

    ops.goto("/files/")
    assert [(v["id"], n["html"]) for v in Axe().run(ops, context="main").response["violations"] for n in v["nodes"]] == []
    with ops.expect_download() as download:
        ops.get_by_role("link", name=re.compile(r"^LETTERS-.*\.backup$")).click()
    carried = tmp_path / "carried.backup"
    download.value.save_as(carried)
    assert carried.read_bytes()[1:8] == b"\xa2eroots"

    ops.goto("/runs/new/delete-stream/?stream=LETTERS")
    carry_out(ops, "Delete LETTERS", "Deleted LETTERS with 3 messages", typed="LETTERS")

    ops.goto("/files/")
    ops.get_by_label("File", exact=True).set_input_files(carried)
    ops.get_by_role("button", name="Upload").click()
    ops.get_by_role("row").filter(has_text="carried.backup").get_by_role("link", name="Restore…").click()
    carry_out(ops, "Restore LETTERS from carried.backup", "verified it: 3 messages read, up to sequence 3.")

    ops.goto("/streams/LETTERS/")
    expect(ops.locator("#stream-head")).to_contain_text("3 events")
