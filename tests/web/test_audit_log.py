"""The audit page of a stream says how far it is signed, gives checkpoints out, and judges those that people kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.persistence.errors import RevisionConflict
from apps.persistence.events import AggregateRef, NewEvent, new_id
from apps.persistence.log.checkpoints import Checkpoint, sign_checkpoint
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log
from apps.persistence.log.keys import KeyKind, SigningKey
from apps.persistence.log.published import ensure_checkpoints, publish_keys, publish_refusal
from apps.persistence.log.signer import open_signer_folder
from apps.persistence.log.signing import Signer
from apps.persistence.store import Store, append, ensure_home, head_of, kv_put

from .conftest import Home, Visitor
from .working_console import page, read

AUDIT = "/audit/CIM-EVENTS/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The signer's folder of this module's server."""
    return tmp_path_factory.mktemp("signer")


async def feed(store: Store) -> None:
    """Log what came, also beside a worker that does."""
    feeder = LogFeeder(store.connection, "CIM-EVENTS")
    for _ in range(10):
        try:
            await feeder.feed()
        except RevisionConflict:
            continue
        return
    raise AssertionError("a worker was faster ten times")


async def write_and_sign(store: Store, folder: Path) -> None:
    """Three events more, logged and signed."""
    await ensure_home(store.connection)
    await ensure_log(store.connection)
    await ensure_checkpoints(store.connection)
    order = AggregateRef("sales", "order", new_id())
    await append(store, await head_of(store, order), [NewEvent(type="item_added", payload={"number": number}) for number in range(3)])
    await feed(store)
    with open_signer_folder(folder) as opened:
        await publish_keys(store.connection, opened.database.vkeys())
        await Signer(store.connection, opened.database, opened.key).look("CIM-EVENTS")


async def refuse(store: Store, reason: str) -> None:
    await publish_refusal(store.connection, "CIM-EVENTS", reason)


@pytest.fixture
def signed(home: Home, folder: Path) -> None:
    """Some more events are signed."""
    home.run(write_and_sign, folder)


def forged(folder: Path, size: int) -> SimpleUploadedFile:
    """A checkpoint that the log's own key signed over another history."""
    with open_signer_folder(folder) as opened:
        key = opened.key.named(f"{opened.key.name}/CIM-EVENTS")
    return SimpleUploadedFile("kept", sign_checkpoint(Checkpoint(origin=key.name, size=size, root=b"f" * 32), key).raw)


def judged(visitor: Visitor, **brought: object) -> str:
    answer = visitor.post(f"{AUDIT}judge/", brought)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_stream_without_a_signer_says_so(home: Home, auditor: Visitor) -> None:
    home.run(lambda store: ensure_home(store.connection))

    text = read(auditor, "/audit/CIM-CONSOLE/")

    assert "No checkpoint yet" in text
    assert "0 events not yet covered" in text


def test_range_of_an_empty_stream_says_that_it_is_empty(home: Home, auditor: Visitor) -> None:
    home.run(lambda store: ensure_home(store.connection))

    assert "is none of this stream, which is empty" in read(auditor, "/audit/CIM-CONSOLE/?first=1", 400)


@pytest.mark.usefixtures("signed")
def test_page_says_how_far_the_stream_is_signed_and_by_whom(viewer: Visitor) -> None:
    text = read(viewer, AUDIT)

    assert "All covered" in text
    assert "0 events not yet covered" in text
    assert "by the log's own key" in text.replace("&#x27;", "'")
    assert "Needs the auditor role." in text


@pytest.mark.usefixtures("signed")
def test_witness_that_is_away_for_over_a_minute_is_an_alarm(
    viewer: Visitor, home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = SigningKey.generate("witness.example", KeyKind.WITNESS).verifier.vkey

    async def name(store: Store, *witnesses: str) -> None:
        with open_signer_folder(folder) as opened:
            await publish_keys(store.connection, opened.database.vkeys(), witnesses)

    home.run(name, witness)
    within = [read(viewer, address) for address in (AUDIT, "/")]
    monkeypatch.setattr("apps.persistence.log.coverage.LATE_SECONDS", 0)
    after = [read(viewer, address) for address in (AUDIT, "/audit/", "/")]
    home.run(name)

    assert not any("witness since" in text for text in within)
    assert "Has not cosigned it yet" in within[0]
    assert all(re.search(r"[Nn]o witness since \d{4}-\d\d-\d\d \d\d:\d\d UTC", text) for text in after[1:])
    assert "Checkpoints since then bear the log's signature alone" in after[0].replace("&#x27;", "'")
    assert "not signed as it should be" in after[2]


@pytest.mark.usefixtures("signed")
def test_checkpoint_that_was_taken_away_is_still_good_after_more_events(auditor: Visitor, home: Home, folder: Path) -> None:
    kept = auditor.get(f"{AUDIT}checkpoint")
    home.run(write_and_sign, folder)

    text = judged(auditor, file=SimpleUploadedFile("kept", kept.content))

    assert kept["Content-Disposition"].endswith('.checkpoint"')
    assert "Nothing before it was changed" in text
    assert "The events were read again just now" in text


@pytest.mark.usefixtures("signed")
def test_checkpoint_can_be_pasted_as_browsers_send_it(auditor: Visitor) -> None:
    kept = auditor.get(f"{AUDIT}checkpoint").content.decode()

    assert "Nothing before it was changed" in judged(auditor, text=kept.replace("\n", "\r\n"))


@pytest.mark.usefixtures("signed")
def test_older_checkpoint_can_be_taken_away_by_its_size(auditor: Visitor, home: Home, folder: Path) -> None:
    before = auditor.get(f"{AUDIT}checkpoint").content
    size = before.split(b"\n")[1].decode()
    home.run(write_and_sign, folder)

    assert auditor.get(f"{AUDIT}checkpoint?size={size}").content == before
    missing = auditor.get(f"{AUDIT}checkpoint?size=999999")
    assert missing.status_code == 404
    assert "at 999999 is kept; the newest 64 are." in missing.content.decode()


@pytest.mark.usefixtures("signed")
def test_checkpoint_of_another_history_is_an_alarm(auditor: Visitor, folder: Path) -> None:
    text = judged(auditor, file=forged(folder, 2))

    assert "History was rewritten" in text
    assert 'role="alert"' in text


@pytest.mark.usefixtures("signed")
def test_checkpoint_from_the_future_is_an_alarm(auditor: Visitor, folder: Path) -> None:
    assert "Events that were signed are gone" in judged(auditor, file=forged(folder, 10_000))


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize("text", ["hello", "<script>alert(1)</script>"])
def test_what_is_no_checkpoint_is_said_to_be_none(auditor: Visitor, text: str) -> None:
    answer = judged(auditor, text=text)

    assert "This checkpoint does not count" in answer
    assert "Who did it" not in answer
    assert "<script>alert" not in answer


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize(
    ("spoil", "said"),
    [(lambda note: b"\xef\xbb\xbf" + note, "UTF-8 byte order mark (BOM)"), (lambda note: bytes(range(256)), "it is binary")],
)
def test_file_that_was_spoiled_is_named_for_what_it_is(auditor: Visitor, spoil: Callable[[bytes], bytes], said: str) -> None:
    note = auditor.get(f"{AUDIT}checkpoint").content

    assert said in judged(auditor, file=SimpleUploadedFile("kept", spoil(note)))


@pytest.mark.usefixtures("signed")
def test_white_space_around_pasted_text_is_left_out(auditor: Visitor) -> None:
    note = auditor.get(f"{AUDIT}checkpoint").content.decode()

    assert "Nothing before it was changed" in judged(auditor, text=f"\n \n{note}\n\n  ")


@pytest.mark.usefixtures("signed")
def test_garbage_in_the_place_of_a_checkpoint_does_not_count_and_contradicts_nothing(auditor: Visitor, home: Home, folder: Path) -> None:
    home.run(lambda store: kv_put(store.connection, "cim-log-checkpoints", "CIM-EVENTS", b"garbage"))
    now, sheet = read(auditor, AUDIT), read(auditor, f"{AUDIT}report")
    home.run(write_and_sign, folder)
    later, sheet_later = read(auditor, AUDIT), read(auditor, f"{AUDIT}report")

    assert "What is published as its checkpoint is none" in now
    assert "Contradicted" not in now
    assert "does not count" in later or "Does not count" in later
    assert "1 published record does not count" in sheet
    assert "1 published record does not count" in sheet_later
    assert "not fit what is here" not in sheet_later


@pytest.mark.usefixtures("signed")
def test_nothing_brought_is_said_so(auditor: Visitor) -> None:
    answer = auditor.post(f"{AUDIT}judge/", {}, follow=True)

    assert "No checkpoint came with the request" in answer.content.decode()


@pytest.mark.usefixtures("signed")
def test_reason_of_the_signer_stands_on_the_page_and_alarms_on_the_overview(viewer: Visitor, home: Home) -> None:
    home.run(refuse, "The tail was cut.")
    text = page(viewer, AUDIT)
    overview = read(viewer, "/")
    home.run(refuse, "")

    assert "The signer refuses to sign this stream." in text
    assert "The tail was cut." in text
    assert "1 stream not signed as it should be" in overview
    assert "Log: the signer refuses it" in overview
    assert "not signed as" not in read(viewer, "/")


@pytest.mark.usefixtures("signed")
def test_viewer_may_not_take_checkpoints_away_nor_have_them_judged(viewer: Visitor) -> None:
    assert viewer.get(f"{AUDIT}checkpoint").status_code == 403
    assert viewer.post(f"{AUDIT}judge/", {"text": "x"}).status_code == 403


@pytest.mark.usefixtures("signed")
def test_a_very_long_text_is_refused_and_not_given_back(auditor: Visitor) -> None:
    answer = auditor.post(f"{AUDIT}judge/", {"text": "long " * 100_000}).content.decode()

    assert "This checkpoint does not count" in answer
    assert "too long to be given back" in answer
    assert len(answer) < 100_000


@pytest.mark.usefixtures("signed")
def test_every_published_checkpoint_stands_on_the_page_and_holds(auditor: Visitor, home: Home, folder: Path) -> None:
    home.run(write_and_sign, folder)

    text = read(auditor, AUDIT)

    assert re.search(r"Checkpoints \d+, newest first; \d+ hold", text)
    assert "no witness" in text
    assert "Another history" not in text
