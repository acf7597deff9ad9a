"""An auditor takes a checkpoint away, brings it back, and takes evidence away that is verified without the console."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from apps.persistence.log.kept import read_log
from apps.persistence.log.published import publish_keys
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.store import Store, get_stream

from .conftest import SignIn
from .running_console import RunningConsole

STREAM = "CIM-DEMO-TAMPERED"


async def sign(store: Store, folder: Path) -> None:
    """Sign what the worker has logged, once it has."""
    last = (await get_stream(store.connection, STREAM)).last_sequence
    async with asyncio.timeout(60):
        while True:
            state = await read_log(store.connection, STREAM)
            if state is not None and state.size == last:
                break
            await asyncio.sleep(0.1)
    with open_signer_folder(folder) as opened:
        await publish_keys(store.connection, opened.database.vkeys())
        await Signer(store.connection, opened.database, opened.key).look(STREAM)


def test_auditor_brings_a_kept_checkpoint_back_and_takes_evidence_that_goes_on_from_it(
    console: RunningConsole, sign_in: SignIn, tmp_path: Path
) -> None:
    page = sign_in(console, "auditor")
    page.goto(f"/audit/{STREAM}/")
    log = page.get_by_role("region", name="Log", exact=True)
    expect(log).to_contain_text("No signer publishes its keys here", timeout=60_000)

    console.do(lambda store: sign(store, tmp_path / "signer"))
    expect(log).to_contain_text("0 events not yet covered", timeout=60_000)
    with page.expect_download() as downloading:
        log.get_by_role("link", name="Checkpoint").click()
    downloading.value.save_as(tmp_path / "kept")
    page.get_by_label("Its file").set_input_files(tmp_path / "kept")
    page.get_by_role("button", name="Check it").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing before it was changed")
    verdict, page_of_verifier = take_evidence(page, tmp_path, (tmp_path / "kept").read_text())
    expect(verdict).to_contain_text("sales.order.intact: versions 1 to")
    expect(verdict).to_contain_text("that checkpoint is signed")
    assert "file://" in page_of_verifier


def take_evidence(page: Page, folder: Path, kept: str) -> tuple[Locator, str]:
    """Take evidence of an order and a verifier away, and open that from disk; what it says, and where it lies."""
    page.goto(f"/runs/new/evidence/?stream={STREAM}&aggregate=sales.order.intact")
    page.get_by_label("since").fill(kept)
    page.get_by_role("button", name="Review…").click()
    page.get_by_label("Reason").fill("the audit")
    page.get_by_role("button", name="Take evidence").click()
    expect(page.locator("#run-progress")).to_contain_text("The verifier finds it intact.")
    expect(page.get_by_role("region", name="How to check it")).to_contain_text(
        "python3 evidence_verifier.py sales.order.intact.evidence.car"
    )
    for link, name in (("sales.order.intact.evidence.car", "evidence.car"), ("evidence_verifier.html", "verifier.html")):
        with page.expect_download() as downloading:
            page.get_by_role("link", name=link).first.click()
        downloading.value.save_as(folder / name)
    alone = page.context.new_page()
    alone.goto((folder / "verifier.html").as_uri())
    alone.get_by_label("The file").set_input_files(folder / "evidence.car")
    verdict = alone.locator("#verdict")
    expect(verdict).to_contain_text("Intact, by the keys in the file itself")
    return verdict, alone.url
