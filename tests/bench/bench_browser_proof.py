"""This module is the measure of verifying in the reader's browser: ten thousand events of a console, and the size of the programs."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from playwright.async_api import async_playwright

from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log
from apps.persistence.log.published import ensure_checkpoints, publish_keys
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.store import EVENTS, Outgoing, ensure_stream, read_batch, store_batch

from .bench_browser import find_browser
from .console import ROOT, open_console
from .figures import Figure
from .stage import Stage

COUNT = 10_000
ROUNDS = 5
SECONDS = 2.0
MOST_BYTES = 40_000
AT_ONCE = 500
COPY = EVENTS.of_generation(99)
WORKER = ROOT / "static" / "js" / "proof" / "worker.js"

_VERIFY = """async ([wanted, address]) => {
  const worker = new Worker(address, { type: "module" });
  const began = performance.now();
  const answer = await new Promise((resolve) => {
    worker.addEventListener("message", ({ data }) => data.progress || resolve(data));
    worker.postMessage(wanted);
  });
  worker.terminate();
  return { ...answer, milliseconds: performance.now() - began };
}"""


async def measure(stage: Stage) -> list[Figure]:
    vkey = await _write_and_sign(stage)
    async with open_console(stage) as console, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            await page.goto(f"{console.url}{console.admin_link}")
            layout = {"kind": COPY.kind, "root": COPY.root}
            wanted = {"stream": COPY.stream, "layout": layout, "first": 1, "last": None, "vkeys": [vkey], "remembered": {}}
            found = [await page.evaluate(_VERIFY, [wanted, "/static/js/proof/worker.js"]) for _ in range(stage.times(ROUNDS, least=3))]
        finally:
            await browser.close()
    return [_rate(found), _size()]


async def _write_and_sign(stage: Stage) -> str:
    """The first events of the data in a stream of their own, logged and signed; the key."""
    connection = stage.store.connection
    await ensure_stream(connection, {"name": COPY.stream, "subjects": [COPY.subjects], "allow_direct": True, "allow_atomic": True})
    at = 1
    while at <= COUNT:
        batch = await read_batch(connection, EVENTS.stream, from_sequence=at, limit=min(AT_ONCE, COUNT + 1 - at))
        moved = [Outgoing(COPY.root + one.subject.removeprefix(EVENTS.root), one.data, one.headers) for one in batch.messages]
        await store_batch(connection, moved)
        at = batch.messages[-1].sequence + 1
    await ensure_log(connection)
    await ensure_checkpoints(connection)
    await LogFeeder(connection, COPY.stream).feed()
    with open_signer_folder(stage.folder / "signer") as opened:
        await publish_keys(connection, opened.database.vkeys())
        await Signer(connection, opened.database, opened.key).look(COPY.stream)
        return opened.key.verifier.vkey


def _rate(found: list[dict[str, Any]]) -> Figure:
    results = [answer.get("result", {}) for answer in found]
    assert [(result.get("state"), result.get("events")) for result in results] == [("intact", COUNT)] * len(found), found[0]
    first, later = found[0]["milliseconds"] / 1000, median(answer["milliseconds"] / 1000 for answer in found[1:])
    return Figure(
        what=f"verify {COUNT:,} events in a browser: fetch, CIDs, chains, tree, signature",
        measured=f"{later:.2f} s ({COUNT / later:,.0f}/s)",
        target=f"< {SECONDS:.0f} s",
        is_met=later < SECONDS,
        note=f"the first time, with its programs still to be fetched, {first:.2f} s",
    )


def _size() -> Figure:
    size = sum(len(gzip.compress(file.read_bytes(), 9)) for file in set(_loaded_from(WORKER)))
    return Figure(
        what="all that such a verification loads, gzipped",
        measured=f"{size / 1000:.1f} kB",
        target=f"≤ {MOST_BYTES // 1000} kB",
        is_met=size <= MOST_BYTES,
    )


def _loaded_from(file: Path) -> Iterator[Path]:
    yield file
    for name in re.findall(r'(?:from |import\()"(\.[^"]+)"', file.read_text(encoding="utf-8")):
        yield from _loaded_from((file.parent / name).resolve())
