"""Where the kept log of a stream is lost nothing is said to be rewritten; where the stream was cut no checkpoint holds beyond its end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.persistence.drift import look
from apps.persistence.drift.record import ensure_drift
from apps.persistence.log import judging
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.published import ensure_checkpoints
from apps.persistence.store import Outgoing, Store, get_message, store_batch

from .conftest import Home, Visitor
from .test_audit_log import AUDIT, judged, write_and_sign
from .working_console import read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The signer's folder of this module's server, where no worker runs."""
    return tmp_path_factory.mktemp("signer")


@pytest.fixture
def signed(home: Home, folder: Path) -> None:
    home.run(write_and_sign, folder)


async def forget_tiles(store: Store) -> None:
    await store.connection.api("STREAM.PURGE.KV_cim-log-tiles")


async def feed_again(store: Store) -> None:
    await LogFeeder(store.connection, "CIM-EVENTS").feed()


async def cut(store: Store) -> None:
    """Make the stream anew with its first event alone."""
    first = await get_message(store.connection, "CIM-EVENTS", 1)
    config = (await store.connection.api("STREAM.INFO.CIM-EVENTS"))["config"]
    await store.connection.api("STREAM.DELETE.CIM-EVENTS")
    await store.connection.api("STREAM.CREATE.CIM-EVENTS", config)
    await store_batch(store.connection, [Outgoing(first.subject, first.data, {})])


@pytest.mark.usefixtures("signed")
def test_lost_tiles_are_no_alarm_on_the_page_nor_for_a_checkpoint(auditor: Visitor, home: Home) -> None:
    kept = auditor.get(f"{AUDIT}checkpoint")
    home.run(forget_tiles)
    text = read(auditor, AUDIT)
    verdict = judged(auditor, file=SimpleUploadedFile("kept", kept.content))
    home.run(feed_again)

    assert "It cannot be compared now" in text
    assert "Not comparable" in text
    assert "set back" not in text
    assert "Nothing before it was changed" in verdict
    assert "It cannot be compared now" not in read(auditor, AUDIT)


@pytest.mark.usefixtures("signed")
def test_checkpoint_that_cannot_be_compared_now_says_what_to_do(auditor: Visitor, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "READ_AGAIN", 0)
    kept = auditor.get(f"{AUDIT}checkpoint")
    home.run(forget_tiles)
    verdict = judged(auditor, file=SimpleUploadedFile("kept", kept.content))
    home.run(feed_again)

    assert "It cannot be compared now" in verdict
    assert "a worker logs what is gone again" in verdict
    assert "evidence" not in verdict
    assert 'data-state="bad"' not in verdict


async def forget_checkpoints(store: Store) -> None:
    """As somebody does who wants nobody to have any; the watch looks before and after, a worker makes the bucket again."""
    await ensure_drift(store.connection)
    await look(store, ["CIM-EVENTS"])
    await store.connection.api("STREAM.DELETE.KV_cim-log-checkpoints")
    await look(store, ["CIM-EVENTS"])
    await ensure_checkpoints(store.connection)
    await look(store, ["CIM-EVENTS"])


@pytest.mark.usefixtures("signed")
def test_published_checkpoints_that_are_gone_are_said_to_be_gone_until_they_are_back(auditor: Visitor, home: Home, folder: Path) -> None:
    home.run(forget_checkpoints)
    text, index, sheet = read(auditor, AUDIT), read(auditor, "/audit/"), read(auditor, f"{AUDIT}report")
    home.run(write_and_sign, folder)

    assert "This stream was signed, and its published checkpoints are gone" in text
    assert "Its published checkpoints are gone." in index
    assert "Those that were published are gone." in sheet
    assert "No checkpoint yet" not in text
    assert "published checkpoints are gone" not in read(auditor, AUDIT)


@pytest.mark.usefixtures("signed")
def test_no_checkpoint_holds_beyond_the_end_of_a_stream_that_was_cut(auditor: Visitor, home: Home) -> None:
    """The last test of this module, as the stream is not what it was afterwards."""
    home.run(cut)

    text = read(auditor, AUDIT)

    assert re.search(r"newest first; 0 hold", text)
    assert "the stream ends at 1: its tail was cut" in text
