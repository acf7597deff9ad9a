"""Evidence that somebody changed: the verifier that stands alone refuses it, and says what is wrong."""

from __future__ import annotations

import os
import random

import pytest

from apps.persistence.encoding import Cid, Value, cid_of, decode, encode
from apps.persistence.errors import EncodingError
from apps.persistence.transfer.evidence_verifier import REFUSED, Wrong, verify
from apps.persistence.transfer.evidence_verifier import decode as decode_alone

from .evidence_stage import packed, refusal, taken_apart, with_file
from .made_evidence import MadeLog

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
    "no signature": ("checkpoint", (b"\xe2\x80\x94 ", b"- "), "a signature line of a checkpoint is none"),
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


def test_verifier_reads_the_same_blocks_as_the_library() -> None:
    """Random changes of a block with every kind of value: what the one refuses the other refuses, and both read the same."""
    block = encode({"a": [1, -1, 70_000, 2**40, None, True, b"x", "ö", 0.5], "link": cid_of(b"x"), "map": {"b": {}, "aa": []}})
    chance, refused = random.Random(4), 0
    for _ in range(5_000):
        changed = bytearray(block)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(len(changed))] = chance.choice([chance.randrange(256), 0x20 * chance.randrange(8) + 24, 0xD8, 0xFB])
        cut = bytes(changed[: chance.choice([len(changed), chance.randrange(len(changed))])])
        try:
            value = decode(cut)
        except EncodingError:
            refused += 1
            with pytest.raises(REFUSED):
                decode_alone(cut)
        else:
            assert decode_alone(cut) == plain(value)
    assert 1_000 < refused < 5_000


def plain(value: Value) -> object:
    """A value as the verifier has it: a link is its bytes."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.raw if isinstance(value, Cid) else value
