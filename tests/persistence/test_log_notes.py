"""Checkpoints are read in one spelling only, and count only where the log's own known key signed exactly them."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.log.checkpoints import Checkpoint, cosign, open_checkpoint, parse_checkpoint, sign_checkpoint
from apps.persistence.log.keys import KeyKind, SigningKey, VerifierKey
from apps.persistence.log.notes import Note, parse_note

ORIGIN = "cim-7f3c/CIM-EVENTS"
LOG = SigningKey(name=ORIGIN, kind=KeyKind.LOG, seed=bytes(range(32)))
OTHER = SigningKey(name=ORIGIN, kind=KeyKind.LOG, seed=bytes(range(1, 33)))
WITNESS = SigningKey(name="witness.example", kind=KeyKind.WITNESS, seed=bytes(range(2, 34)))
KEYS = [LOG.verifier, WITNESS.verifier]
CHECKPOINT = Checkpoint(origin=ORIGIN, size=1234, root=bytes(range(32)))
AT = datetime(2026, 11, 21, 10, 40, tzinfo=UTC)

# The example of C2SP signed-note, word for word.
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def signed() -> bytes:
    return sign_checkpoint(CHECKPOINT, LOG).with_signatures(cosign(CHECKPOINT, WITNESS, at=AT)).raw


# -- what is right ---------------------------------------------------------------------------------------------------------------------


def test_published_note_holds_by_its_published_key() -> None:
    note = parse_note(PUBLISHED_NOTE.encode())
    key = VerifierKey.parse(PUBLISHED_KEY)

    assert note.raw == PUBLISHED_NOTE.encode()
    assert (note.signatures[0].name, note.signatures[0].key_id) == (key.name, key.key_id)
    assert key.holds(note.text.encode(), note.signatures[0].blob)


def test_checkpoint_is_three_lines_and_its_signatures() -> None:
    lines = signed().decode().split("\n")

    assert lines[:4] == [ORIGIN, "1234", b64encode(bytes(range(32))).decode(), ""]
    assert [line.split(" ")[:2] for line in lines[4:6]] == [["—", ORIGIN], ["—", "witness.example"]]


def test_signed_checkpoint_opens_with_who_signed_it() -> None:
    found = open_checkpoint(signed(), KEYS, origin=ORIGIN)

    assert found.checkpoint == CHECKPOINT
    assert [(one.key.name, one.time) for one in found.signatures] == [(ORIGIN, None), ("witness.example", AT)]
    assert found.unknown == 0


def test_signature_by_an_unknown_witness_is_counted_and_passed_over() -> None:
    found = open_checkpoint(signed(), [LOG.verifier])

    assert (found.witnesses, found.unknown) == ((), 1)


def test_second_cosignature_of_a_witness_takes_the_place_of_the_first() -> None:
    again = parse_note(signed()).with_signatures(cosign(CHECKPOINT, WITNESS, at=AT.replace(hour=11)))

    assert [one.time for one in open_checkpoint(again.raw, KEYS).witnesses] == [AT.replace(hour=11)]


def test_openssl_verifies_the_signature_of_the_log(tmp_path: Path) -> None:
    note = parse_note(signed())
    files = {
        "text": note.text.encode(),
        "sig": note.signatures[0].blob,
        "der": bytes.fromhex("302a300506032b6570032100") + LOG.verifier.public,
    }
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)

    command = "openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey der -in text -sigfile sig"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True)

    assert done.stdout.strip() == "Signature Verified Successfully"


# -- notes that are none ---------------------------------------------------------------------------------------------------------------

LINE = signed().decode().split("\n")[4]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no empty line"),
        (f"{CHECKPOINT.text}{LINE}\n".encode(), "no empty line"),
        (f"{CHECKPOINT.text}\n".encode(), "no empty line|no end"),
        (signed().replace(b"\n", b"\r\n"), "CRLF"),
        (signed()[:-1], "no end"),
        (signed().replace(b"1234", b"12\x0034"), "control character"),
        (signed().replace(b"1234", b"12\xff34"), "not UTF-8"),
        (signed() + b"x" * 70_000, "is not read"),
        (signed() + b"\n", "no end"),
        (signed() + LINE.replace("— ", "-- ").encode() + b"\n", "no signature line"),
        (signed() + LINE.encode() + b" more\n", "no signature line"),
        (signed() + LINE.encode() + b"\n", "two signatures by the key"),
        (f"{CHECKPOINT.text}\n— {ORIGIN} {LINE.split(' ')[2].rstrip('=')}\n".encode(), "not standard base64"),
        (f"{CHECKPOINT.text}\n— {ORIGIN} AAAA\n".encode(), "a key id at most"),
        (f"{CHECKPOINT.text}\n— a+b {LINE.split(' ')[2]}\n".encode(), "cannot be the name"),
        (f"{CHECKPOINT.text}\n— a\u00a0b {LINE.split(' ')[2]}\n".encode(), "cannot be the name"),
    ],
)
def test_note_in_another_spelling_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_note(raw)


def with_signatures(count: int) -> Note:
    names = [LOG.named(f"log-{number}") for number in range(count)]
    return Note(text=CHECKPOINT.text, signatures=()).with_signatures(
        *(sign_checkpoint(Checkpoint(origin=key.name, size=1, root=bytes(32)), key).signatures[0] for key in names)
    )


def test_note_with_sixteen_signatures_is_read_and_with_seventeen_is_not() -> None:
    assert len(parse_note(with_signatures(16).raw).signatures) == 16
    with pytest.raises(InvalidInput, match="17 signature lines; at most 16"):
        parse_note(with_signatures(17).raw)


# -- checkpoints that are none ---------------------------------------------------------------------------------------------------------

ROOT = b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{ORIGIN}\n01234\n{ROOT}\n", "no size of a log"),
        (f"{ORIGIN}\n+5\n{ROOT}\n", "no size of a log"),
        (f"{ORIGIN}\n-5\n{ROOT}\n", "no size of a log"),
        (f"{ORIGIN}\n٣\n{ROOT}\n", "no size of a log"),
        (f"{ORIGIN}\n\n{ROOT}\n", "no size of a log"),
        (f"{ORIGIN}\n9223372036854775808\n{ROOT}\n", "no size of a log"),
        (f"{ORIGIN}\n{'9' * 5000}\n{ROOT}\n", "no size of a log"),
        (f"{ORIGIN}\n5\n{ROOT[:-1]}\n", "not standard base64"),
        (f"{ORIGIN}\n5\n{b64encode(bytes(31)).decode()}\n", "has 31 bytes"),
        (f"{ORIGIN}\n0\n{ROOT}\n", "has size 0"),
        (f"{ORIGIN}\n5\n", "2 lines of text"),
        (f"{ORIGIN}\n5\n{ROOT}\nmore\n", "4 lines of text"),
        (f"\n5\n{ROOT}\n", "names no log"),
    ],
)
def test_text_that_is_no_checkpoint_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_checkpoint(text)


# -- signatures that do not count ------------------------------------------------------------------------------------------------------


def test_checkpoint_of_another_log_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is of the log 'cim-7f3c/CIM-EVENTS', not of 'cim-7f3c/OTHER'"):
        open_checkpoint(signed(), KEYS, origin="cim-7f3c/OTHER")


def test_checkpoint_signed_by_an_unknown_key_is_refused() -> None:
    with pytest.raises(InvalidInput, match="No signature on the checkpoint is by a known key"):
        open_checkpoint(sign_checkpoint(CHECKPOINT, OTHER).raw, KEYS)


@pytest.mark.parametrize("key_id", [bytes(4), OTHER.verifier.key_id, WITNESS.verifier.key_id])
def test_signature_under_the_id_of_another_key_does_not_count(key_id: bytes) -> None:
    blob = b64encode(key_id + parse_note(signed()).signatures[0].blob).decode()

    with pytest.raises(InvalidInput, match="No signature on the checkpoint is by a known key"):
        open_checkpoint(f"{CHECKPOINT.text}\n— {ORIGIN} {blob}\n".encode(), KEYS)


def test_cosignature_alone_does_not_make_a_checkpoint() -> None:
    alone = Note(text=CHECKPOINT.text, signatures=(cosign(CHECKPOINT, WITNESS, at=AT),))

    with pytest.raises(InvalidInput, match="No signature on the checkpoint"):
        open_checkpoint(alone.raw, KEYS)


@pytest.mark.parametrize("place", [ORIGIN, "1234", ROOT])
def test_checkpoint_with_a_changed_text_is_refused(place: str) -> None:
    changed = signed().decode().replace(f"{place}\n", {"1234": "1235\n", ROOT: f"{b64encode(bytes(32)).decode()}\n"}.get(place, "x\n"), 1)

    with pytest.raises(InvalidInput, match="does not hold"):
        open_checkpoint(changed.encode(), KEYS)


def test_signature_under_the_id_of_a_known_key_must_hold() -> None:
    forged = sign_checkpoint(CHECKPOINT, OTHER).raw.replace(OTHER.verifier.key_id, LOG.verifier.key_id)
    blob = b64encode(LOG.verifier.key_id + parse_note(forged).signatures[0].blob).decode()

    with pytest.raises(InvalidInput, match="does not hold"):
        open_checkpoint(f"{CHECKPOINT.text}\n— {ORIGIN} {blob}\n".encode(), KEYS)


def test_cosignature_with_another_time_does_not_hold() -> None:
    note = parse_note(signed())
    witness = note.signatures[1]
    later = b64encode(witness.key_id + (1).to_bytes(8, "big") + witness.blob[8:]).decode()

    with pytest.raises(InvalidInput, match=r"'witness.example' .* does not hold"):
        open_checkpoint(f"{CHECKPOINT.text}\n{LINE}\n— witness.example {later}\n".encode(), KEYS)
