"""An auditor takes a checkpoint away from the audit page, brings it back, and reads that nothing before it was changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.sync_api import expect

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


def test_auditor_brings_a_kept_checkpoint_back(console: RunningConsole, sign_in: SignIn, tmp_path: Path) -> None:
    page = sign_in(console, "auditor")
    page.goto(f"/audit/{STREAM}/")
    log = page.get_by_role("region", name="Log", exact=True)
    expect(log).to_contain_text("Nothing signed yet", timeout=60_000)

    console.do(lambda store: sign(store, tmp_path / "signer"))
    expect(log).to_contain_text("0 events not yet covered", timeout=60_000)
    with page.expect_download() as downloading:
        log.get_by_role("link", name="Checkpoint").click()
    downloading.value.save_as(tmp_path / "kept")
    page.get_by_label("Its file").set_input_files(tmp_path / "kept")
    page.get_by_role("button", name="Check it").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing before it was changed")
