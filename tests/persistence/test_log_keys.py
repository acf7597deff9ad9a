"""A key is read from one spelling of its text, is kept where nobody else can read it, and names its successor."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest

from apps.persistence.errors import InvalidInput
from apps.persistence.log.checkpoints import Checkpoint, open_checkpoint, sign_checkpoint
from apps.persistence.log.keys import KeyKind, SigningKey, VerifierKey, read_key_file, write_key_file
from apps.persistence.log.notes import Note
from apps.persistence.log.rotation import keys_since, sign_rotation

ORIGIN = "cim-7f3c/CIM-EVENTS"
LOG = SigningKey(name=ORIGIN, kind=KeyKind.LOG, seed=bytes(range(32)))
OTHER = SigningKey(name=ORIGIN, kind=KeyKind.LOG, seed=bytes(range(1, 33)))
WITNESS = SigningKey(name="witness.example", kind=KeyKind.WITNESS, seed=bytes(range(2, 34)))

# -- keys ------------------------------------------------------------------------------------------------------------------------------


def test_key_gives_itself_back_from_its_text() -> None:
    assert VerifierKey.parse(LOG.verifier.vkey) == LOG.verifier
    assert SigningKey.parse(WITNESS.text) == WITNESS


def test_one_key_under_two_names_has_two_ids() -> None:
    assert LOG.verifier.key_id != LOG.verifier.named("cim-7f3c/OTHER").key_id


def test_signing_key_does_not_show_its_seed() -> None:
    assert b64encode(LOG.seed).decode()[:20] not in repr(LOG)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        LOG.verifier.vkey.replace("+", " "),
        LOG.verifier.vkey.replace(LOG.verifier.key_id.hex(), "00000000"),
        LOG.verifier.vkey.upper(),
        LOG.verifier.vkey[:-1],
        f"{ORIGIN}+{LOG.verifier.key_id.hex()}+{b64encode(bytes(33)).decode()}",
        LOG.text,
    ],
)
def test_text_that_is_no_vkey_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        VerifierKey.parse(text)


def test_key_file_gives_the_key_back_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_key_file(tmp_path / "log.key", LOG)

    assert read_key_file(tmp_path / "log.key") == LOG
    assert (tmp_path / "log.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_key_file(tmp_path / "log.key", LOG)
    (tmp_path / "log.key").chmod(mode)

    with pytest.raises(InvalidInput, match="Others can read the key file"):
        read_key_file(tmp_path / "log.key")


def test_key_file_is_never_written_over(tmp_path: Path) -> None:
    write_key_file(tmp_path / "log.key", LOG)

    with pytest.raises(InvalidInput, match="never written over"):
        write_key_file(tmp_path / "log.key", OTHER)


def test_key_file_behind_a_link_is_refused(tmp_path: Path) -> None:
    write_key_file(tmp_path / "log.key", LOG)
    os.symlink(tmp_path / "log.key", tmp_path / "link")

    with pytest.raises(InvalidInput, match="no plain file"):
        read_key_file(tmp_path / "link")


def test_key_file_without_a_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    path.write_text(LOG.text[:-8])
    path.chmod(0o600)

    with pytest.raises(InvalidInput, match="no signing key") as refused:
        read_key_file(path)
    assert LOG.text[-30:-8] not in str(refused.value)


# -- another key -----------------------------------------------------------------------------------------------------------------------

THIRD = SigningKey(name=ORIGIN, kind=KeyKind.LOG, seed=bytes(range(3, 35)))


def test_known_key_leads_to_the_keys_after_it() -> None:
    rotations = [sign_rotation(LOG, OTHER).raw, sign_rotation(OTHER, THIRD).raw]

    assert keys_since(LOG.verifier, rotations) == (LOG.verifier, OTHER.verifier, THIRD.verifier)


def test_change_of_keys_that_skips_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="one before it is missing"):
        keys_since(LOG.verifier, [sign_rotation(OTHER, THIRD).raw])


def test_change_of_keys_without_the_old_signature_is_refused() -> None:
    note = sign_rotation(LOG, OTHER)
    without = Note(text=note.text, signatures=note.signatures[1:])

    with pytest.raises(InvalidInput, match="not signed by both keys"):
        keys_since(LOG.verifier, [without.raw])


@pytest.mark.parametrize("origins", [["log.example/a", "log.example/a"], ["elsewhere/a"]])
def test_change_of_keys_that_names_a_log_twice_or_another_one_is_refused(origins: list[str]) -> None:
    note = sign_rotation(LOG, OTHER, [Checkpoint(origin=origin, size=1, root=bytes(32)) for origin in origins])

    with pytest.raises(InvalidInput, match="names a log twice, or one that is not its own"):
        keys_since(LOG.verifier, [note.raw])


def test_checkpoint_is_no_change_of_keys() -> None:
    with pytest.raises(InvalidInput, match="does not change the key"):
        keys_since(LOG.verifier, [sign_checkpoint(Checkpoint(origin=ORIGIN, size=1, root=bytes(32)), LOG).raw])


def test_change_of_keys_is_no_checkpoint() -> None:
    with pytest.raises(InvalidInput):
        open_checkpoint(sign_rotation(LOG, OTHER).raw, [LOG.verifier])


def test_key_of_another_log_cannot_follow() -> None:
    with pytest.raises(InvalidInput, match="another key of the same log"):
        sign_rotation(LOG, OTHER.named("elsewhere"))
