"""Whoever does not trust the server verifies in their own browser, or with a client of their own, and is told loudly where it lies."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.persistence.encoding import cid_of
from apps.persistence.log.keys import KeyKind, SigningKey

from .conftest import SignIn
from .proof_stage import WITNESS, ProofStage, some_events
from .running_console import RunningConsole
from .tlog_client import LogClient, root_of

STATIC = Path(__file__).resolve().parents[2] / "static"
MOST_BYTES = 40_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofStage]:
    """A console of this module, whose streams each test makes for itself."""
    folder = tmp_path_factory.mktemp("proof")
    with RunningConsole(folder) as console:
        yield ProofStage(console=console, folder=folder / "signer")


def verify(page: Page, *vkeys: str) -> None:
    page.get_by_label("Keys that you trust").fill("\n".join(vkeys))
    page.get_by_role("button", name="Verify here").click()


def test_all_that_the_worker_loads_is_small() -> None:
    files = loaded_from(STATIC / "js" / "proof" / "worker.js", set())

    sizes = {file.name: len(gzip.compress(file.read_bytes(), 9, mtime=0)) for file in files}

    assert {"worker.js", "cbor.js", "noble-hashes.js", "noble-ed25519.js"} <= sizes.keys()
    assert sum(sizes.values()) <= MOST_BYTES, sizes


def loaded_from(file: Path, seen: set[Path]) -> set[Path]:
    """A module and all that it imports, also what it imports only where it is needed."""
    if file not in seen:
        seen.add(file)
        for name in re.findall(r'(?:from |import\()"(\.[^"]+)"', file.read_text(encoding="utf-8")):
            loaded_from((file.parent / name).resolve(), seen)
    return seen


def test_a_client_of_its_own_follows_the_log_and_sees_it_grow(stage: ProofStage) -> None:
    first, more = some_events(180), some_events(20)
    stream = stage.write(31, first)
    client = LogClient(stage.console.sign_in_link("fiona", "viewer"), f"{stage.console.url}/log/{stream}")
    origin, size, root = client.checkpoint()
    client.follow(size)

    assert (origin.rpartition("/")[2], size, root_of(client.hashes)) == (stream, 540, root)
    assert client.get("tile/1/000.p/2") == client.upper_tile()

    stage.write(31, more)
    _, later, newer = client.checkpoint()
    client.fetched.clear()
    client.follow(later)

    assert (later, root_of(client.hashes), root_of(client.hashes[:size])) == (600, newer, root)
    assert client.fetched == ["tile/0/002.p/88", "tile/entries/002.p/88"]


def test_an_honest_stream_is_intact_by_a_key_that_the_person_brought_and_begins_with_what_was_seen_before(
    stage: ProofStage, sign_in: SignIn
) -> None:
    stream = stage.write(11, some_events(100))
    page = sign_in(stage.console, "viewer")
    page.goto(f"/audit/{stream}/")
    card = page.get_by_role("region", name="Verify in this browser")

    verify(page, stage.vkey, WITNESS.verifier.vkey)
    expect(card).to_contain_text("Intact. All 300 events are those that were signed.")
    expect(card).to_contain_text("by the key that you gave")
    expect(card).to_contain_text("Witnessedby witness.example at")
    expect(card).to_contain_text("3 aggregates, 297 links followed")

    stage.write(11, some_events(10))
    page.reload()
    expect(card).to_contain_text("This browser remembers a checkpoint of 300 events")
    card.get_by_label("First sequence").fill("250")
    card.get_by_label("Last sequence").fill("310")
    page.keyboard.press("Enter")

    expect(card).to_contain_text("Intact from 250 to 310. All 61 events are those that were signed.")
    expect(card).to_contain_text("It begins with the 300 events that this browser saw")
    expect(page.get_by_role("alert").filter(has_text="browser")).to_have_count(0)


def test_a_message_that_was_changed_is_told_loudly_with_its_sequence(stage: ProofStage, sign_in: SignIn) -> None:
    events = some_events(100)
    stream = stage.write(12, events)
    forged = stage.forge(12, events, 140)
    page = sign_in(stage.console, "viewer")
    page.goto(f"/audit/{stream}/")

    verify(page, stage.vkey)

    alarm = page.get_by_role("alert").filter(has_text="Not intact")
    expect(alarm).to_contain_text("first at sequence 140: content changed")
    expect(alarm).to_contain_text(f"Expected: {cid_of(events[139].to_block())}. Found: {forged}.")
    expect(page.get_by_role("row", name=re.compile("^143 Link broken"))).to_be_visible()
    expect(page.get_by_text("not one unbroken, signed history")).to_be_visible()


def test_a_checkpoint_that_another_key_signed_is_refused(stage: ProofStage, sign_in: SignIn) -> None:
    stream = stage.write(13, some_events(4))
    page = sign_in(stage.console, "viewer")
    page.goto(f"/audit/{stream}/")
    other = SigningKey.generate(stage.vkey.partition("+")[0], KeyKind.LOG).verifier.vkey

    verify(page, other)

    alarm = page.get_by_role("alert").filter(has_text="Not intact")
    expect(alarm).to_contain_text("Signature refused")
    expect(alarm).to_contain_text(f"a signature by {other}")
