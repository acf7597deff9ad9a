"""Whose word counts for the verifier of evidence: keys that the reader noted, those that follow from them, witnesses, policies."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from apps.persistence.log import KeyKind, SigningKey
from apps.persistence.log.rotation import sign_rotation
from apps.persistence.transfer.evidence_texts import VERIFIER
from apps.persistence.transfer.evidence_verifier import NoKey, Unusable, Wrong, read_policy, verify

from .evidence_stage import refusal, with_file
from .made_evidence import MadeLog, before_the_change, change_of, new_witness, signed_by_older_key


@pytest.fixture(scope="module")
def data() -> bytes:
    return MadeLog().evidence(slice(2, 9)).data


def test_key_that_the_reader_noted_counts_and_not_that_in_the_file(data: bytes) -> None:
    other = SigningKey.generate("cim/CIM-EVENTS", KeyKind.LOG).verifier.vkey

    with pytest.raises(NoKey, match="none of the keys given is the one"):
        verify(data, [other])
    with pytest.raises(Wrong, match="is no vkey"):
        verify(data, ["x"])
    with pytest.raises(NoKey, match="none of the keys given"):
        verify(with_file(data, ".policy", lambda _: f"log {other}\nquorum none\n".encode()))


FIRST_KEY = SigningKey.generate("cim", KeyKind.LOG)
ROTATED = MadeLog(older_key=FIRST_KEY)


def test_first_key_leads_to_the_one_that_signed() -> None:
    data = ROTATED.evidence(slice(2, 9), since=11).data
    own = ROTATED.key.named("cim/CIM-EVENTS").verifier.vkey

    assert [refusal(data, [key]) for key in (FIRST_KEY.verifier.vkey, ROTATED.vkey, own)] == ["", "", ""]
    assert "none of the keys given" in refusal(data, [SigningKey.generate("cim", KeyKind.LOG).verifier.vkey])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"key rotation v2", b"key rotation v3", "a change of keys is none"),
        (b"key rotation v2", b"key rotation v1", "does not hold"),
        (b"cim\n", b"cam\n", "a change of keys is none"),
        (b"\n\n\xe2", b"\n\n\n\xe2", "does not hold"),
    ],
)
def test_change_of_keys_that_is_none_is_refused(old: bytes, new: bytes, reason: str) -> None:
    data = ROTATED.evidence(slice(2, 9)).data

    assert reason in refusal(with_file(data, ".key-2", lambda note: note.replace(old, new, 1)))


def test_change_of_keys_must_be_signed_by_both() -> None:
    data = ROTATED.evidence(slice(2, 9)).data

    assert "is not signed by both" in refusal(with_file(data, ".key-2", lambda note: b"\n".join(note.split(b"\n")[:-2]) + b"\n"))
    stranger = sign_rotation(SigningKey.generate("cim", KeyKind.LOG), ROTATED.key).raw
    assert "none of the keys given" in refusal(with_file(data, ".key-2", lambda _: stranger), [FIRST_KEY.verifier.vkey])


RETIRED = MadeLog(older_key=FIRST_KEY, older_size=11)
FIRST, NEWEST = FIRST_KEY.verifier.vkey, RETIRED.vkey


@pytest.mark.parametrize("vkeys", [[], [FIRST], [NEWEST], [FIRST, NEWEST]])
def test_first_key_counts_up_to_what_it_signed_last(vkeys: list[str]) -> None:
    said = "the checkpoint of cim/CIM-EVENTS at {} is signed by a key that another one had followed by then"

    assert [refusal(signed_by_older_key(RETIRED, size), vkeys) for size in (10, 11, 12, 24)] == ["", "", said.format(12), said.format(24)]


def test_first_key_does_not_count_for_another_history_of_the_same_length() -> None:
    assert "had followed by then" in refusal(signed_by_older_key(RETIRED, 11, events=RETIRED.events[::-1]))


def test_first_key_of_a_log_that_it_never_signed_does_not_count() -> None:
    assert "had followed by then" in refusal(signed_by_older_key(ROTATED, 11))


def test_checkpoint_of_the_first_key_that_somebody_kept_counts_for_whoever_knows_the_newest() -> None:
    data = RETIRED.evidence(slice(2, 15), since=9).data

    assert refusal(data, [NEWEST]) == ""


def test_change_of_keys_of_the_first_release_is_read_as_it_was() -> None:
    log = replace(RETIRED, older_size=None)

    assert refusal(signed_by_older_key(log, 24), [FIRST]) == ""
    assert "none of the keys given" in refusal(signed_by_older_key(log, 24), [NEWEST])


SECOND_KEY, THIRD_KEY = RETIRED.key, SigningKey.generate("cim", KeyKind.LOG)
AGAIN = replace(RETIRED, key=THIRD_KEY, older_key=SECOND_KEY, older_size=24)
NOTE, SECOND_NOTE = change_of(RETIRED), change_of(AGAIN)
HINT = "of a file from before a change of that key give the note of the change too (/log/vkeys/2 and on), or the older key"


def test_file_from_before_a_change_of_key_counts_for_whoever_gives_the_note_of_the_change() -> None:
    data = before_the_change(RETIRED, 11)

    assert refusal(data, [NEWEST]).startswith("none of the keys given")
    assert HINT in refusal(data, [NEWEST])
    assert [refusal(data, [key], changes=[NOTE]) for key in (NEWEST, FIRST)] == ["", ""]
    assert refusal(data, policy=f"log {NEWEST}\nquorum none\n", changes=[NOTE]) == ""
    assert refusal(signed_by_older_key(RETIRED, 11), [NEWEST], changes=[NOTE]) == "", "the file has this note already"


@pytest.mark.parametrize(
    "notes", [[NOTE, SECOND_NOTE], [SECOND_NOTE, NOTE, NOTE], [NOTE + SECOND_NOTE], [f"\n {SECOND_NOTE}\n\n{NOTE[:-1]}"]]
)
def test_notes_of_several_changes_may_come_in_any_order(notes: list[str]) -> None:
    changed_once = signed_by_older_key(RETIRED, 11)

    assert refusal(before_the_change(RETIRED, 11), [THIRD_KEY.verifier.vkey], changes=notes) == ""
    assert refusal(changed_once, [THIRD_KEY.verifier.vkey], changes=notes) == ""


def test_file_that_the_older_key_signed_after_the_change_does_not_count() -> None:
    thief = replace(RETIRED, key=SigningKey.generate("cim", KeyKind.LOG), older_size=24)

    assert "had followed by then" in refusal(before_the_change(RETIRED, 12), [NEWEST], changes=[NOTE])
    assert "had followed by then" in refusal(before_the_change(RETIRED, 12), [], changes=[NOTE])
    assert "or leads elsewhere" in refusal(signed_by_older_key(thief, 12), [NEWEST], changes=[NOTE])


def test_note_that_is_missing_between_or_is_none_is_said() -> None:
    data = before_the_change(RETIRED, 11)
    fourth = change_of(replace(AGAIN, key=SigningKey.generate("cim", KeyKind.LOG), older_key=THIRD_KEY))

    assert "none of the keys given" in refusal(data, [THIRD_KEY.verifier.vkey], changes=[SECOND_NOTE])
    assert "one is missing, or leads elsewhere" in refusal(signed_by_older_key(RETIRED, 11), [NEWEST], changes=[fourth])
    assert "one is missing, or leads elsewhere" in refusal(data, [NEWEST], changes=[NOTE, fourth])
    for text in (
        "",
        "nonsense",
        NOTE.replace("cim\n", "cam\n", 1),
        NOTE.rpartition("— ")[0],
        NOTE.replace(" 11 ", " 12 "),
    ):
        with pytest.raises(Unusable, match="what was given is no change of a key"):
            verify(data, [NEWEST], changes=[text])


def test_notes_are_given_as_files(tmp_path: Path) -> None:
    (tmp_path / "old.car").write_bytes(before_the_change(RETIRED, 11))
    (tmp_path / "key-2").write_text(NOTE)
    (tmp_path / "none").write_text("<html>")

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", VERIFIER, "old.car", "--vkey", NEWEST, *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        return done.returncode, done.stdout

    assert run() == (1, f"NOT VERIFIED: none of the keys given is the one of cim/CIM-EVENTS that signed the checkpoint; {HINT}.\n")
    assert run("--change", "key-2", "--extract", "out")[1].startswith("INTACT\n")
    assert run("--change", "none")[0] == 2
    assert run("--change", "absent") == (2, "absent cannot be read or written: No such file or directory.\n")


SEEN, ABSENT = new_witness(), new_witness()
WITNESSED = MadeLog(witnesses=[SEEN, ABSENT], seen_by=[SEEN])


def test_witness_whose_key_is_given_must_have_seen_the_checkpoint() -> None:
    data = WITNESSED.evidence().data
    log, one, two = WITNESSED.vkey, SEEN.verifier.vkey, ABSENT.verifier.vkey
    policy = f"log {log}\nwitness a {one}\nwitness b {two}\ngroup g {{}} a b\nquorum g\n"

    assert refusal(data, [log, one]) == ""
    assert "is not cosigned by the witnesses that are asked for" in refusal(data, [log, two])
    assert [refusal(data, policy=policy.format(least)) == "" for least in ("any", "1", "all", "2")] == [True, True, False, False]
    forged = with_file(data, ".policy", lambda text: text.replace(b"seen all w1", b"seen all w1 w2"))
    assert "is not cosigned by the witnesses that are asked for" in refusal(forged)


def test_cosignature_of_another_time_does_not_hold() -> None:
    def later(note: bytes) -> bytes:
        *rest, line = note.decode().splitlines()
        mark, name, encoded = line.split(" ")
        raw = b64decode(encoded)
        seconds = int.from_bytes(raw[4:12], "big") + 86_400
        return "\n".join([*rest, f"{mark} {name} {b64encode(raw[:4] + seconds.to_bytes(8, 'big') + raw[12:]).decode()}", ""]).encode()

    forged = with_file(WITNESSED.evidence().data, ".checkpoint", later)

    assert "the signature of witness.example on the checkpoint does not hold" in refusal(forged)


W1, W2 = new_witness("a").verifier.vkey, new_witness("b").verifier.vkey
POLICIES = {
    "empty": ("", "has no quorum"),
    "two quorums": ("quorum none\nquorum none\n", "two quorums"),
    "a key of the wrong kind": (f"log {W1}\nquorum none\n", "a key of the wrong kind"),
    "one key twice": (f"witness a {W1}\nwitness b {W1}\nquorum a\n", "has one key twice"),
    "one name twice": (f"witness a {W1}\nwitness a {W2}\nquorum a\n", "has a twice"),
    "a name that is kept": (f"witness none {W1}\nquorum none\n", "has none twice"),
    "a group of nobody": ("group g all\nquorum g\n", "a line that is none"),
    "a group of strangers": ("group g all x\nquorum g\n", "has no x"),
    "a member twice": (f"witness a {W1}\ngroup g all a a\nquorum g\n", "a name in two groups"),
    "a member of two groups": (f"witness a {W1}\ngroup g all a\ngroup h all a\nquorum h\n", "a name in two groups"),
    "a threshold too high": (f"witness a {W1}\ngroup g 2 a\nquorum g\n", "a group of '2'"),
    "a threshold of none": (f"witness a {W1}\ngroup g 0 a\nquorum g\n", "a group of '0'"),
    "a control character": ("quorum none\r\n", "a control character"),
    "a quorum before its witness": (f"quorum a\nwitness a {W1}\n", "has no a"),
}


@pytest.mark.parametrize("what", POLICIES)
def test_policy_that_is_none_is_refused(what: str) -> None:
    text, reason = POLICIES[what]

    with pytest.raises(Wrong, match=reason):
        read_policy(text)


def test_policy_may_have_comments_blank_lines_and_addresses() -> None:
    read_policy(f"# of mine\n\n \twitness a\t{W1} https://witness.example\n group g 1 a\nquorum g")
