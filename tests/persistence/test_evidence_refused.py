"""Evidence that somebody changed: the verifier that stands alone refuses it, and says what is wrong."""

from __future__ import annotations

import os
import random
from base64 import b64decode, b64encode

import pytest

from apps.persistence.encoding import cid_of, encode
from apps.persistence.log import KeyKind, SigningKey
from apps.persistence.transfer.evidence_verifier import REFUSED, NoKey, Wrong, read_policy, verify
from apps.persistence.transfer.evidence_verifier import decode as decode_alone

from .evidence_stage import packed, refusal, taken_apart, with_file
from .made_evidence import MadeLog, new_witness

MUTATIONS = int(os.environ.get("CIM_MUTATIONS", "300"))


LOG = MadeLog()
"""Twenty-four events in three chains."""


@pytest.fixture(scope="module")
def data() -> bytes:
    """Evidence of seven events, which goes on from an older checkpoint."""
    return LOG.evidence(slice(2, 9), since=11, is_signed=False).data


def test_no_single_changed_byte_passes(data: bytes) -> None:
    chance = random.Random(11)
    passed = []

    for _ in range(MUTATIONS):
        place = chance.randrange(len(data))
        changed = data[:place] + bytes([data[place] ^ chance.randrange(1, 256)]) + data[place + 1 :]
        if not refusal(changed):
            passed.append(place)

    assert not refusal(data)
    assert passed == []


@pytest.mark.parametrize("cut", [1, 10, 100, 5000])
def test_file_that_is_cut_off_or_goes_on_is_refused(data: bytes, cut: int) -> None:
    for changed in (data[:-cut], data + bytes(cut), data[cut:], data + data[-cut:]):
        assert refusal(changed)


# -- packed anew, with every CID right --------------------------------------------------------------------------------------------------

FORGED_LOGS = {
    "left out": (lambda log: {"events": log["events"][1:]}, "a hash of the proof is missing"),
    "moved": (
        lambda log: {"events": [[log["events"][0][0] - 1, *log["events"][0][1:]], *log["events"][1:]]},
        "a hash of the proof is missing|do not lead to the root",
    ),
    "in another order": (lambda log: {"events": log["events"][::-1]}, "at sequence 8 is not in its place"),
    "twice": (lambda log: {"events": [log["events"][0], *log["events"]]}, "at sequence 3 is not in its place"),
    "another subject": (
        lambda log: {"events": [[*log["events"][0][:2], log["events"][1][2]], *log["events"][1:]]},
        "at sequence 3 does not belong under its subject",
    ),
    "another hash": (lambda log: {"hashes": [bytes(32), *log["hashes"][1:]]}, "do not lead to the root that"),
    "a hash too many": (lambda log: {"hashes": [*log["hashes"], bytes(32)]}, "hashes that belong nowhere"),
    "a short hash": (lambda log: {"hashes": [b"x", *log["hashes"][1:]]}, "the hashes of a proof are none"),
    "another stream": (lambda log: {"stream": "OTHER"}, "the checkpoint is not that of the log of OTHER"),
    "no proof of the older": (lambda log: {"since": {**log["since"], "hashes": []}}, "a proof of consistency is too short"),
    "another proof of the older": (
        lambda log: {"since": {**log["since"], "hashes": [bytes(32), *log["since"]["hashes"][1:]]}},
        "does not begin with the 11 leaves",
    ),
    "a proof of nothing": (lambda log: {"proofs": [[4, log["proofs"][0][1]]]}, "a tlog-proof is not what it has to be"),
    "a field too many": (lambda log: {"more": 1}, "the manifest is not what it has to be"),
    "a number for a text": (lambda log: {"stream": 1}, "stream in the manifest is not what it has to be"),
}


@pytest.mark.parametrize("what", FORGED_LOGS)
def test_forger_cannot_change_leave_out_or_move_an_event(data: bytes, what: str) -> None:
    manifest, blocks = taken_apart(data)
    log = manifest["logs"][0]
    change, reason = FORGED_LOGS[what]

    with pytest.raises(Wrong, match=reason):
        verify(packed({**manifest, "logs": [{**log, **change(log)}]}, blocks))


FORGED_FILES = {
    "size": ("checkpoint", (b"\n24\n", b"\n23\n"), "signature of cim/CIM-EVENTS on the checkpoint does not hold"),
    "leading zero": ("checkpoint", (b"\n24\n", b"\n024\n"), "the size of the checkpoint is none"),
    "crlf": ("checkpoint", (b"\n", b"\r\n"), "is no signed note"),
    "no signature": ("checkpoint", (b"\xe2\x80\x94 ", b"- "), "a signature line of the checkpoint is none"),
    "proof": ("3.tlog-proof", (b"index 2\n", b"index 3\n"), "a tlog-proof is not what it has to be"),
    "proof cut": ("3.tlog-proof", (b"=\n\n", b"=\n\n\n"), "a tlog-proof is not what it has to be"),
    "older": ("since", (b"\n11\n", b"\n12\n"), "a proof of consistency|does not begin with the 12 leaves"),
    "older of another log": ("since", (b"cim/", b"cam/"), "the older checkpoint is not one of this log"),
    "policy": ("policy", (b"quorum none", b"quorum w1"), "the policy has no w1"),
    "policy without quorum": ("policy", (b"quorum none\n", b""), "the policy has no quorum"),
    "policy of nothing": ("policy", (b"quorum", b"quark"), "the policy has a line that is none: 'quark none'"),
}


@pytest.mark.parametrize("what", FORGED_FILES)
def test_forger_cannot_change_checkpoint_policy_or_proof(data: bytes, what: str) -> None:
    suffix, (old, new), reason = FORGED_FILES[what]

    with pytest.raises(Wrong, match=reason):
        verify(with_file(data, f".{suffix}", lambda content: content.replace(old, new)))


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "", ".hidden", "a/b", "a" * 201, "ä"])
def test_file_that_would_be_written_elsewhere_is_refused(data: bytes, name: str) -> None:
    manifest, blocks = taken_apart(data)
    files = [{**manifest["files"][0], "name": name}, *manifest["files"][1:]]

    with pytest.raises(Wrong, match="a file has a name that is none"):
        verify(packed({**manifest, "files": files}, blocks))


def test_block_that_belongs_to_nothing_and_block_that_is_missing_are_refused(data: bytes) -> None:
    manifest, blocks = taken_apart(data)
    stray = encode({"stray": True})
    last = manifest["logs"][0]["events"][-1][1].raw

    assert "belong to nothing" in refusal(packed(manifest, {**blocks, cid_of(stray).raw: stray}))
    assert "the event at sequence 9 is missing" in refusal(packed(manifest, {cid: one for cid, one in blocks.items() if cid != last}))
    file = manifest["files"][0]
    assert f"{file['name']} is missing" in refusal(packed(manifest, {cid: one for cid, one in blocks.items() if cid != file["cid"].raw}))


# -- keys and witnesses -----------------------------------------------------------------------------------------------------------------


def test_key_that_the_reader_noted_counts_and_not_that_in_the_file(data: bytes) -> None:
    other = SigningKey.generate("cim/CIM-EVENTS", KeyKind.LOG).verifier.vkey

    with pytest.raises(NoKey, match="none of the keys given is the one"):
        verify(data, [other])
    with pytest.raises(Wrong, match="is no vkey"):
        verify(data, ["x"])
    with pytest.raises(NoKey, match="none of the keys given"):
        verify(with_file(data, ".policy", lambda _: f"log {other}\nquorum none\n".encode()))


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


# -- blocks -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\xff",
        b"\x18\x17",
        b"\x5f\xff",
        b"\xa2\x61b\x01\x61a\x02",
        b"\xa2\x61a\x01\x61a\x02",
        b"\xa1\x01\x01",
        b"\xc1\x00",
        b"\xd8\x2a\x41\x01",
        b"\xd8\x2a\x43\x00\x01\x02",
        b"\xd8\x2a\x61a",
        b"\x81",
        b"\x01\x02",
        b"\x61\xff",
        b"\xf7",
        b"\xf9\x00\x00",
        b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
        b"\xfb\x80\x00\x00\x00\x00\x00\x00\x00",
        b"\xfb\x00",
        b"\x81" * 129 + b"\x01",
        b"\x9b" + b"\xff" * 8,
    ],
)
def test_verifier_reads_blocks_in_their_one_spelling_only(block: bytes) -> None:
    with pytest.raises(REFUSED):
        decode_alone(block)
