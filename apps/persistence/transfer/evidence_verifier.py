"""This module is the verifier of evidence: one file that stands alone, so that nobody needs the console, or to trust it.

    python3 evidence_verifier.py evidence.car --vkey 'cim+1a2b3c4d+AV…'
    python3 evidence_verifier.py evidence.car --vkey 'cim+1a2b3c4d+AV…' --change key-2.txt
    python3 evidence_verifier.py evidence.car --policy policy.txt --extract FOLDER

It needs Python 3.11, `blake3` and `cryptography`. It reads the file strictly, hashes every block anew, makes the root of each log of the
events and the hashes beside them, and holds it against the signed checkpoint. Without `--vkey` or `--policy` the keys are those that the
file brings, which proves no more than that the file is whole; compare them with keys that you noted. `--change` takes the note of a change
of the log's key that came after the file was made, as it is served under /log/vkeys/2 and on, so that the newest key leads back to the one
that signed. `--extract` writes what is in the file, for a check by other tools; README.txt has the commands. Exit status: 0 intact, 1 not,
or not by the keys given, 2 not checked: there is no such file, or what was given as a key, a policy or a change is none.

The formats: CARv1 (https://ipld.io/specs/transport/car/carv1/), DAG-CBOR, CIDv1 with BLAKE3-256, the tree of RFC 6962 with SHA-256, signed
notes, checkpoints, policies and proofs (https://c2sp.org/signed-note, /tlog-checkpoint, /tlog-cosignature, /tlog-policy, /tlog-proof).
"""

from __future__ import annotations

import argparse
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from math import copysign, isfinite
from pathlib import Path
from struct import unpack
from typing import Any
from unicodedata import category

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FORMAT = "cim-evidence/2"
BLOCK, RAW = bytes([1, 0x71, 0x1E, 32]), bytes([1, 0x55, 0x1E, 32])
LOG, WITNESS = 1, 4
LARGEST, LAST_SECOND = 2**53 - 1, 253_402_300_799
MOST_POLICY_BYTES, MOST_DEPTH, MOST_CHANGES = 65_536, 16, 1_000
BEFORE_A_CHANGE = "; of a file from before a change of that key give the note of the change too (/log/vkeys/2 and on), or the older key"
WHITE_SPACE = " \t\n\v\f\r"
ROOT = re.compile("[^ .*>]+([.][^ .*>]+)*")
PROVES = (
    "Each event is byte for byte the one that the log's key signed for, at its sequence in the stream.",
    "Where two versions of an aggregate that follow each other are both here, the later one names the earlier one by its hash.",
    "Where no sequence is left out, none was: there is no further event between the first and the last.",
)
DOES_NOT_PROVE = (
    "That what an event says was true when it was written.",
    "That these are all events of an aggregate: other sequences of the log, not in the file, may hold further or other events of it.",
    "That there is no other history that the same key signed for somebody else; that is what witnesses are for.",
    "Who made this file, when and why: only events, their places and the checkpoints are signed.",
)


class Wrong(Exception):
    """The file is not what it has to be."""


class NoKey(Wrong):
    """None of the keys that are known has signed; that says nothing of the file itself."""


class Unusable(Wrong):
    """What the reader gave as keys, as a policy or as changes is none; that says nothing of the file either."""


class Link(bytes):
    """A CID inside a block."""


def need(is_so: bool, what: str) -> None:
    if not is_so:
        raise Wrong(what)


HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


def shown(text: str) -> str:
    """A text in which all that moves a cursor, ends a line, turns the direction or cannot be seen is spelled out."""
    return HIDDEN.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


# -- blocks -----------------------------------------------------------------------------------------------------------------------------


def decode(data: bytes) -> Any:
    """The value of a strict DAG-CBOR block; whatever has another spelling than the one is refused."""
    value, position = _item(data, 0, 0)
    need(position == len(data), "a block goes on behind its end")
    return value


def _item(data: bytes, position: int, depth: int) -> tuple[Any, int]:
    need(position < len(data), "a block is cut off")
    major, info = data[position] >> 5, data[position] & 31
    position += 1
    if major == 7:
        return _simple(data, position, info)
    number, position = _number(data, position, info)
    if major < 2:
        return (number if major == 0 else -1 - number), position
    if major in (2, 3):
        raw = data[position : position + number]
        need(len(raw) == number, "a block is cut off")
        return (bytes(raw) if major == 2 else str(raw, "utf-8")), position + number
    if major == 6:
        need(number == 42 and data[position : position + 1] > b"", "a block holds a tag other than that of links")
        need(data[position] >> 5 == 2, "a link in a block is none")
        raw, position = _item(data, position, depth)
        need(raw[:1] == b"\0" and _is_cid(raw[1:]), "a link in a block is none")
        return Link(raw[1:]), position
    need(depth < 128 and number * (1 if major == 4 else 2) <= len(data) - position, "a block is cut off or nested too deeply")
    return _many(data, position, depth + 1, number, is_map=major == 5)


def _simple(data: bytes, position: int, info: int) -> tuple[Any, int]:
    need(info in (20, 21, 22, 27), "a block holds a simple value that DAG-CBOR does not have")
    if info != 27:
        return {20: False, 21: True, 22: None}[info], position
    need(position + 8 <= len(data), "a block is cut off")
    (number,) = unpack(">d", data[position : position + 8])
    need(isfinite(number) and (number != 0 or copysign(1, number) > 0), "a block holds a float that DAG-CBOR does not have")
    return number, position + 8


def _number(data: bytes, position: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, position
    need(info < 28, "a block holds a length without an end")
    size = 1 << (info - 24)
    number = int.from_bytes(data[position : position + size], "big")
    need(position + size <= len(data) and number >= (24, 256, 65536, 2**32)[info - 24], "a number in a block is not in its shortest form")
    return number, position + size


def _many(data: bytes, position: int, depth: int, count: int, *, is_map: bool) -> tuple[Any, int]:
    items, keys = [], []
    for _ in range(count):
        if is_map:
            need(data[position : position + 1] > b"" and data[position] >> 5 == 3, "a key in a block is no text")
            key, position = _item(data, position, depth)
            keys.append(key)
        value, position = _item(data, position, depth)
        items.append(value)
    order = [(len(key.encode()), key.encode()) for key in keys]
    need(all(before < after for before, after in pairwise(order)), "the keys of a block are not in their order")
    return (dict(zip(keys, items, strict=True)) if is_map else items), position


def _is_cid(raw: bytes) -> bool:
    """Whether these bytes are one CID, of this format or a foreign one."""
    if raw[:2] == b"\x12\x20" and len(raw) == 34:
        return True
    number, position = 0, 1
    for _ in range(3):
        number, position = _varint(raw, position, "a link in a block is none")
    return raw[0] == 1 and len(raw) - position == number


def read_car(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The root, and every block by its CID, each hashed anew; the order of the file counts, and nothing may be there twice."""
    need(len(data) > 0, "the file is empty")
    length, position = _varint(data, 0)
    need(0 < length <= len(data) - position, "the file is cut off within its header, or is no CAR")
    header = decode(data[position : position + length])
    need(type(header) is dict and type(header.get("version")) is int, "the file is no CAR")
    need(header["version"] != 2, "the file is a CARv2, and only CARv1 is read")
    need(header["version"] == 1 and header.keys() == {"roots", "version"}, "the file is no CARv1")
    need(
        type(header["roots"]) is list and len(header["roots"]) == 1 and type(header["roots"][0]) is Link, "the file does not have one root"
    )
    position += length
    blocks: dict[bytes, bytes] = {}
    while position < len(data):
        length, position = _varint(data, position)
        need(length > 0, "a section of the file is empty")
        need(length <= len(data) - position, "the file is cut off")
        need(length > 36, "a section of the file holds no block")
        cid, block = Link(data[position : position + 36]), data[position + 36 : position + length]
        need(
            cid[:4] in (BLOCK, RAW) and cid[4:] == blake3(block).digest(),
            f"a block of the file does not have the hash of its CID {text_of(cid)}",
        )
        need(cid not in blocks, f"the block {text_of(cid)} is there twice")
        blocks[cid] = block
        position += length
    return header["roots"][0], blocks


def _varint(data: bytes, position: int, cut_off: str = "the file is cut off") -> tuple[int, int]:
    number = 0
    for place in range(9):
        need(position + place < len(data), cut_off)
        byte = data[position + place]
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            need(byte > 0 or place == 0, "a length in the file is not in its shortest form")
            return number, position + place + 1
    raise Wrong("a length in the file has more than 9 bytes")


def text_of(cid: bytes) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    bits = int.from_bytes(cid, "big") << (-len(cid) * 8 % 5)
    return "b" + "".join(alphabet[bits >> shift & 31] for shift in range((len(cid) * 8 + 4) // 5 * 5 - 5, -1, -5))


# -- the tree ---------------------------------------------------------------------------------------------------------------------------


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root_of(size: int, leaves: dict[int, bytes], hashes: list[bytes]) -> bytes:
    """The root of the log, from the leaves that are known by index and the hashes of all parts without one, from left to right."""
    known, rest = sorted(leaves), iter(hashes)
    need(bool(known) and known[0] >= 0 and known[-1] < size, "an event lies outside the log")

    def walk(start: int, end: int, first: int, last: int) -> bytes:
        if first == last:
            found = next(rest, b"")
            need(len(found) == 32, "a hash of the proof is missing")
            return found
        if end - start == 1:
            return sha256(b"\0" + leaves[start]).digest()
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        between = first
        while between < last and known[between] < middle:
            between += 1
        return _node(walk(start, middle, first, between), walk(middle, end, between, last))

    root = walk(0, size, 0, len(known))
    need(next(rest, None) is None, "the proof has hashes that belong nowhere")
    return root


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a proof of inclusion leads to (RFC 9162, 2.1.3.2)."""
    place, last, found = index, size - 1, sha256(b"\0" + leaf).digest()
    for sibling in proof:
        need(last > 0, "a proof of inclusion is too long")
        if place & 1 or place == last:
            found = _node(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = _node(found, sibling)
        place, last = place >> 1, last >> 1
    need(last == 0, "a proof of inclusion is too short")
    return found


def roots_by_consistency(old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The older and the newer root that a proof of consistency leads to (RFC 9162, 2.1.4.2)."""
    if old_size == new_size:
        need(not proof, "a proof of consistency is too long")
        return old_root, old_root
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    need(bool(hashes), "a proof of consistency is too short")
    before = after = hashes[0]
    for sibling in hashes[1:]:
        need(last > 0, "a proof of consistency is too long")
        if place & 1 or place == last:
            before, after = _node(sibling, before), _node(sibling, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = _node(after, sibling)
        place, last = place >> 1, last >> 1
    need(last == 0, "a proof of consistency is too short")
    return before, after


# -- keys, notes and policies -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """A public key under a name."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]


@dataclass(slots=True)
class Policy:
    """Whose signatures count: the keys, and which witnesses have to have seen a checkpoint."""

    keys: list[Key] = field(default_factory=list)
    witnesses: dict[str, Key] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: str = ""
    depths: dict[str, int] = field(default_factory=dict)
    publics: set[tuple[int, bytes]] = field(default_factory=set)

    def is_met(self, name: str, seen: set[Key]) -> bool:
        if name == "none":
            return True
        if name in self.witnesses:
            return self.witnesses[name] in seen
        least, members = self.groups[name]
        return sum(self.is_met(member, seen) for member in members) >= least


def by_vkeys(vkeys: Sequence[str]) -> Policy:
    """The policy of somebody who noted these keys: each witness among them has to have seen each checkpoint."""
    vkeys = [text.strip(WHITE_SPACE) for text in vkeys]
    for text in vkeys:
        need(shown(text) == text, f"'{text[:80]}' holds a character that cannot be seen; white space of ASCII alone may stand around a key")
    keys = [read_vkey(text) for text in vkeys]
    witnesses = {text: key for text, key in zip(vkeys, keys, strict=True) if key.kind == WITNESS}
    return Policy(keys, witnesses, {"given": (len(witnesses), list(witnesses))}, "given")


def read_policy(text: str) -> Policy:
    """A policy as https://c2sp.org/tlog-policy has it."""
    policy = Policy()
    used: set[str] = set()
    need(len(text.encode()) <= MOST_POLICY_BYTES, f"the policy has more than {MOST_POLICY_BYTES} bytes")
    need(re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text) is None, "the policy holds a control character")
    for line in text.split("\n"):
        words = re.findall(r"[^ \t]+", line)
        if not words or words[0].startswith("#"):
            continue
        what, *rest = words
        if what == "log" and len(rest) in (1, 2):
            _add_key(policy, rest[0], LOG)
        elif what == "witness" and len(rest) in (2, 3):
            _check_new(policy, rest[0])
            policy.witnesses[rest[0]] = _add_key(policy, rest[1], WITNESS)
        elif what == "group" and len(rest) > 2:
            _add_group(policy, rest[0], rest[1], rest[2:], used)
        elif what == "quorum" and len(rest) == 1:
            need(not policy.quorum, "the policy has two quorums")
            need(_is_known(policy, rest[0]), f"the policy has no {rest[0][:80]}")
            policy.quorum = rest[0]
        else:
            raise Wrong(f"the policy has a line that is none: {line[:80]!r}")
    need(bool(policy.quorum), "the policy has no quorum")
    return policy


def _add_group(policy: Policy, name: str, least: str, members: list[str], used: set[str]) -> None:
    _check_new(policy, name)
    need(all(one != "none" and _is_known(policy, one) for one in members), f"the policy has no {' or '.join(members)[:80]}")
    need(used.isdisjoint(members) and len(set(members)) == len(members), "the policy has a name in two groups")
    used.update(members)
    policy.depths[name] = 1 + max(policy.depths.get(one, 0) for one in members)
    need(policy.depths[name] <= MOST_DEPTH, f"the policy has groups within groups, more than {MOST_DEPTH} deep")
    policy.groups[name] = _threshold(least, len(members)), members


def _is_known(policy: Policy, name: str) -> bool:
    return name == "none" or name in policy.witnesses or name in policy.groups


def _add_key(policy: Policy, vkey: str, kind: int) -> Key:
    key = read_vkey(vkey)
    need(key.kind == kind, f"the policy has a key of the wrong kind: {vkey[:120]}")
    need((key.kind, key.public) not in policy.publics, "the policy has one key twice")
    policy.publics.add((key.kind, key.public))
    policy.keys.append(key)
    return key


def _check_new(policy: Policy, name: str) -> None:
    need(not _is_known(policy, name), f"the policy has {name[:80]} twice")


def _threshold(text: str, members: int) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else members
    need(re.fullmatch("[1-9][0-9]{0,3}", text) is not None and int(text) <= members, f"the policy has a group of {text[:20]!r}")
    return int(text)


def read_vkey(text: str) -> Key:
    need(text.count("+") >= 2, f"{text[:80]!r} is no vkey; it has a name, an id and a key, with + between")
    name, key_id, encoded = text.split("+", 2)
    raw = _base64(encoded)
    need(len(raw) == 33 and raw[0] in (LOG, WITNESS), f"{text[:120]!r} is no vkey for Ed25519")
    key = Key(_name(name), raw[0], raw[1:])
    need(key.id.hex() == key_id, f"the id in {text[:120]!r} is not that of the key")
    return key


def _base64(text: str) -> bytes:
    raw = b64decode(text, validate=True)
    need(raw != b"" and b64encode(raw).decode() == text, f"{text[:80]!r} is not base64 in its one spelling")
    return raw


def _name(name: str) -> str:
    is_one = name and "+" not in name and not any(one.isspace() or category(one) in ("Cc", "Zs") for one in name)
    need(bool(is_one), f"{name[:80]!r} cannot be the name of a key")
    return name


@dataclass(frozen=True, slots=True)
class Signature:
    """One that holds: over which bytes, and for a witness when."""

    key: Key
    body: bytes
    raw: bytes
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the text of a checkpoint says, and whose signatures on it hold."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...] = ()


def parse_checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    need(len(lines) == 4 and lines[0] != "" and lines[3] == "", "the checkpoint does not have its three lines")
    origin, size, root = lines[0], lines[1], _base64(lines[2])
    need(re.fullmatch("0|[1-9][0-9]{0,15}", size) is not None and int(size) <= LARGEST, "the size of the checkpoint is none")
    need(len(root) == 32, "the root of the checkpoint is not that of SHA-256")
    need(int(size) > 0, "the checkpoint is of a log without leaves")
    return Checkpoint(origin, int(size), root)


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a log in the place of another, whose last checkpoints are here by origin; None in older notes, which do not say."""

    text: str
    old: Key
    new: Key
    last: dict[str, Checkpoint] | None


def read_checkpoint(note: str, keys: Sequence[Key], changes: Sequence[Change] = ()) -> Checkpoint:
    """The checkpoint of a signed note, once its log's signature holds, by a key that signed then."""
    text, lines = _read_note(note)
    found = parse_checkpoint(text)
    signatures = _signatures(text, lines, _keys_of(found.origin, keys))
    by = [one.key for one in signatures if one.key.kind == LOG and one.key.name == found.origin]
    if not by:
        raise NoKey(f"none of the keys given is the one of {found.origin} that signed the checkpoint{BEFORE_A_CHANGE}")
    if not any(_counts(key, found, changes) for key in by):
        raise NoKey(f"the checkpoint of {found.origin} at {found.size} is signed by a key that another one had followed by then")
    return Checkpoint(found.origin, found.size, found.root, tuple(signatures))


def _counts(key: Key, found: Checkpoint, changes: Sequence[Change]) -> bool:
    """Whether a key had not stopped to sign before this checkpoint, by all changes that say what it signed last."""
    since = next((changes[place:] for place, change in enumerate(changes) if change.old.public == key.public), ())
    named = [change.last.get(found.origin) for change in since if change.last is not None]
    return all(last is not None and (found.size < last.size or found == last) for last in named)


def read_changes(notes: Sequence[str]) -> list[Change]:
    """The changes of a log's key, each in a note that the old and the new one have signed, each from where the one before led."""
    need(len(notes) <= MOST_CHANGES, f"the file has more than {MOST_CHANGES} changes of keys")
    changes: list[Change] = []
    for change in map(_read_change, notes):
        need(not changes or changes[-1].new == change.old, "a change of keys does not begin at the key that the one before it led to")
        changes.append(change)
    return changes


def _read_change(note: str) -> Change:
    text, lines = _read_note(note)
    said = text.split("\n")
    is_older = len(said) == 5 and said[1] == "key rotation v1"
    need(len(said) > 4 and (is_older or said[1] == "key rotation v2"), "a change of keys is none")
    old, new = read_vkey(said[2]), read_vkey(said[3])
    need(old.kind == new.kind == LOG and old.name == new.name == said[0], "a change of keys is none")
    signed = {one.key for one in _signatures(text, lines, {(key.name, key.id): key for key in (old, new)})}
    need(signed == {old, new}, "a change of keys is not signed by both")
    last = [parse_checkpoint("\n".join([*line.split(" "), ""])) for line in said[4:-1]]
    need(all(one.origin.startswith(f"{old.name}/") for one in last), "a change of keys names the log of another")
    need(len({one.origin for one in last}) == len(last), "a change of keys names a log twice")
    return Change(text, old, new, None if is_older else {one.origin: one for one in last})


def read_given_changes(texts: Sequence[str]) -> list[Change]:
    """The changes that the reader has the notes of, perhaps several in one text, in any order. Raises Unusable."""
    try:
        changes = [_read_change(note) for text in texts for note in _notes_in(text)]
        need(len(changes) <= MOST_CHANGES, f"there are more than {MOST_CHANGES}")
    except REFUSED as error:
        raise Unusable(f"what was given is no change of a key: {error}") from None
    return changes


def _notes_in(text: str) -> list[str]:
    """The notes that stand one after another in a text: behind the signatures of one begins the next."""
    notes: list[list[str]] = [[]]
    for line in text.strip(WHITE_SPACE).split("\n"):
        if notes[-1] and notes[-1][-1].startswith("— ") and not line.startswith("— "):
            notes.append([])
        if line or notes[-1]:
            notes[-1].append(line)
    return ["\n".join([*lines, ""]) for lines in notes]


def followed_by(changes: Sequence[Change], given: Sequence[Change]) -> list[Change]:
    """The changes in the file and behind them those that the reader has, each from where the one before led. Raises NoKey."""
    line = list(changes)
    rest = {one.text: one for one in given if one.text not in {change.text for change in changes}}
    while rest:
        led_to = {one.new for one in rest.values()}
        after = [one for one in rest.values() if (one.old == line[-1].new if line else one.old not in led_to)]
        if len(after) != 1:
            raise NoKey("the changes of keys that were given do not go on from those in the file: one is missing, or leads elsewhere")
        line.append(rest.pop(after[0].text))
    return line


def with_changes(keys: Sequence[Key], changes: Sequence[Change]) -> list[Key]:
    """These keys of logs, those that followed them, and those before them whose last checkpoints they name."""
    found = list(keys)

    def is_known(one: Key) -> bool:
        return any(key.kind == LOG and key.public == one.public and f"{key.name}/".startswith(f"{one.name}/") for key in found)

    for change in changes:
        found += [change.new] if is_known(change.old) else []
    for change in reversed(changes):
        found += [change.old] if change.last is not None and is_known(change.new) else []
    return found


def _read_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a signed note, and who claims to have signed it."""
    need(re.search(r"[\x00-\x09\x0b-\x1f]", note) is None and len(note.encode()) <= 65_536, "a checkpoint is no signed note")
    text, separator, rest = note.rpartition("\n\n")
    need(bool(separator) and rest.endswith("\n"), "a checkpoint is no signed note")
    lines: list[tuple[str, bytes]] = []
    for line in rest[:-1].split("\n"):
        parts = line.split(" ")
        need(len(parts) == 3 and parts[0] == "—", "a signature line of a checkpoint is none")
        lines.append((_name(parts[1]), _base64(parts[2])))
    need(all(len(raw) > 4 for _, raw in lines) and len(lines) <= 16, "a checkpoint has too many signatures, or one without bytes")
    need(len({(name, raw[:4]) for name, raw in lines}) == len(lines), "a checkpoint has a signature twice")
    return text + "\n", lines


def _signatures(text: str, lines: Sequence[tuple[str, bytes]], known: dict[tuple[str, bytes], Key]) -> list[Signature]:
    """The signatures by known keys, each of which has to hold."""
    return [_verify(known[name, raw[:4]], text.encode(), raw[4:]) for name, raw in lines if (name, raw[:4]) in known]


def _keys_of(origin: str, keys: Sequence[Key]) -> dict[tuple[str, bytes], Key]:
    """The keys by name and id. That of a whole installation, `cim`, is also that of each of its logs, `cim/CIM-EVENTS`."""
    of_log = [Key(origin, key.kind, key.public) for key in keys if key.kind == LOG and origin.startswith(f"{key.name}/")]
    return {(key.name, key.id): key for key in [*keys, *of_log]}


def _verify(key: Key, text: bytes, raw: bytes) -> Signature:
    body, signature, seconds = text, raw, None
    if key.kind == WITNESS:
        seconds, signature = int.from_bytes(raw[:8], "big"), raw[8:]
        body = f"cosignature/v1\ntime {seconds}\n".encode() + text
        need(seconds <= LAST_SECOND, f"the witness {key.name} gives a time that is none")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, body)
    except InvalidSignature:
        raise Wrong(f"the signature of {key.name} on the checkpoint does not hold") from None
    return Signature(key, body, signature, seconds)


# -- evidence ---------------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Bundle:
    """What is in a file: the manifest, the blocks by their CIDs, which of them were looked at, and the names of plain files."""

    manifest: dict[str, Any]
    blocks: dict[bytes, bytes]
    used: set[bytes]
    names: dict[bytes, str]

    def text(self, cid: Any) -> str:
        """A plain file as text."""
        need(type(cid) is Link and cid in self.names, "a file that the manifest names is missing")
        return self.blocks[cid].decode()


def open_bundle(data: bytes) -> Bundle:
    """The manifest and its blocks. Raises Wrong."""
    root, blocks = read_car(data)
    need(root in blocks and root[:4] == BLOCK, "the root of the file is not in it")
    manifest = decode(blocks[root])
    need(type(manifest) is dict and manifest.get("format") == FORMAT, f"the root of the file is not of the format {FORMAT}")
    _fields(manifest, format=str, about=str, logs=list, files=list, without=list, at=str, by=str, reason=str)
    need(all(type(one) is str for one in manifest["without"]), "the manifest is not what it has to be")
    names: dict[bytes, str] = {}
    taken: set[str] = set()
    for attached in manifest["files"]:
        _fields(attached, name=str, cid=Link)
        name, cid = attached["name"], attached["cid"]
        need(re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,199}", name) is not None, f"a file has a name that is none: {name[:80]!r}")
        need(cid in blocks and cid[:4] == RAW, f"{name} is missing")
        need(cid not in names and name not in taken, f"{name} is there twice")
        names[cid] = name
        taken.add(name)
    return Bundle(manifest, blocks, {root, *names}, names)


def _fields(value: Any, **kinds: Any) -> None:
    """Whether a map has exactly these fields, of these types."""
    need(type(value) is dict and value.keys() == kinds.keys(), "the manifest is not what it has to be")
    for name, kind in kinds.items():
        need(type(value[name]) in (kind if type(kind) is tuple else (kind,)), f"{name} in the manifest is not what it has to be")


def _hashes(value: Any) -> list[bytes]:
    need(type(value) is list and all(type(one) is bytes and len(one) == 32 for one in value), "the hashes of a proof are none")
    return list(value)


def read_given(vkeys: Sequence[str], policy: str | None) -> Policy | None:
    """Whose word counts for the reader; None where nothing was given. Raises Unusable."""
    if vkeys and policy is not None:
        raise Unusable("both keys and a policy were given; give the one or the other")
    try:
        return read_policy(policy) if policy is not None else by_vkeys(vkeys) if vkeys else None
    except REFUSED as error:
        raise Unusable(f"what was given is no {'key' if policy is None else 'policy'}: {error}") from None


def verify(data: bytes, vkeys: Sequence[str] = (), policy: str | None = None, changes: Sequence[str] = ()) -> list[str]:
    """What was found, in lines. Raises Wrong with the first thing that is not as it has to be."""
    given, later = read_given(vkeys, policy), read_given_changes(changes)
    bundle = open_bundle(data)
    streams: set[str] = set()
    lines: list[str] = []
    need(len(bundle.manifest["logs"]) > 0, "the manifest has no log")
    for log in bundle.manifest["logs"]:
        kinds = {"stream": str, "checkpoint": Link, "policy": Link, "begins_anew": bool, "since": (dict, type(None))}
        _fields(log, **kinds, **dict.fromkeys(("rotations", "hashes", "events", "proofs"), list))
        need(log["stream"] not in streams, f"the log of {log['stream'][:80]} is there twice")
        streams.add(log["stream"])
        lines += _verify_log(bundle, log, given, later)
    need(bundle.used == set(bundle.blocks), "the file holds blocks that belong to nothing")
    lines += [f"Not in the file (not signed): {one}" for one in bundle.manifest["without"]]
    return [shown(line) for line in lines]


def open_log(
    bundle: Bundle, log: dict[str, Any], given: Policy | None, later: Sequence[Change]
) -> tuple[Checkpoint, list[Key], list[Change]]:
    """The checkpoint of one log of the file, the keys that it was held against, and their changes. Raises NoKey where they do not fit."""
    own = read_policy(bundle.text(log["policy"]))
    policy = given or own
    changes = followed_by(read_changes([bundle.text(one) for one in log["rotations"]]), later)
    keys = with_changes(policy.keys, changes)
    checkpoint = read_checkpoint(bundle.text(log["checkpoint"]), keys, changes)
    need(checkpoint.origin.rpartition("/")[2] == log["stream"], f"the checkpoint is not that of the log of {log['stream'][:80]}")
    if not policy.is_met(policy.quorum, {one.key for one in checkpoint.signatures if one.key.kind == WITNESS}):
        raise NoKey(f"the checkpoint of {checkpoint.origin} is not cosigned by the witnesses that are asked for")
    return checkpoint, keys, changes


def _verify_log(bundle: Bundle, log: dict[str, Any], given: Policy | None, later: Sequence[Change]) -> list[str]:
    checkpoint, keys, changes = open_log(bundle, log, given, later)
    leaves = _leaves(bundle, log)
    origin, size = checkpoint.origin, checkpoint.size
    need(root_of(size, leaves, _hashes(log["hashes"])) == checkpoint.root, f"the events do not lead to the root that {origin} signed")
    first, last = min(leaves) + 1, max(leaves) + 1
    left_out = last - first + 1 - len(leaves)
    lines = [f"{origin}: {len(leaves)} events under the checkpoint of {size} leaves"]
    lines.append(f"  sequences {first} to {last}, {left_out or 'none'} left out")
    for one in checkpoint.signatures:
        if one.seconds is not None:
            lines.append(f"  seen by {one.key.name} at {datetime.fromtimestamp(one.seconds, UTC).isoformat()}")
    if log["since"] is not None:
        lines.append(_since(bundle, log["since"], checkpoint, keys, changes))
    for proof in log["proofs"]:
        need(type(proof) is list and len(proof) == 2 and type(proof[0]) is int, "a proof in the manifest is none")
        _check_proof(bundle.text(proof[1]), proof[0], leaves, checkpoint, bundle.text(log["checkpoint"]))
        lines.append(f"  {bundle.names[proof[1]]} proves sequence {proof[0]} by itself")
    return lines + _chains(log, bundle.blocks)


def _leaves(bundle: Bundle, log: dict[str, Any]) -> dict[int, bytes]:
    """The leaves of the events by their index."""
    leaves: dict[int, bytes] = {}
    before = 0
    for entry in log["events"]:
        need(type(entry) is list and list(map(type, entry)) == [int, Link, str], "an event in the manifest is none")
        sequence, cid, _ = entry
        need(before < sequence <= LARGEST, f"the event at sequence {sequence} is not in its place")
        need(cid in bundle.blocks and cid[:4] == BLOCK, f"the event at sequence {sequence} is missing")
        leaves[sequence - 1] = sequence.to_bytes(8, "big") + cid
        bundle.used.add(cid)
        before = sequence
    return leaves


def _since(bundle: Bundle, since: Any, checkpoint: Checkpoint, keys: Sequence[Key], changes: Sequence[Change]) -> str:
    """Whether the log begins with the older one whose checkpoint somebody brought."""
    _fields(since, note=Link, hashes=list)
    text = bundle.text(since["note"])
    is_signed = "\n\n" in text
    old = read_checkpoint(text, keys, changes) if is_signed else parse_checkpoint(text)
    need(old.origin == checkpoint.origin and old.size <= checkpoint.size, "the older checkpoint is not one of this log")
    roots = roots_by_consistency(old.size, old.root, checkpoint.size, _hashes(since["hashes"]))
    need(roots == (old.root, checkpoint.root), f"the log does not begin with the {old.size} leaves of the older checkpoint")
    which = "is signed" if is_signed else "is not signed: compare it with what you noted"
    return f"  begins with the {old.size} leaves whose root is {b64encode(old.root).decode()}; that checkpoint {which}"


def _check_proof(text: str, sequence: int, leaves: dict[int, bytes], checkpoint: Checkpoint, note: str) -> None:
    """Whether a proof for public clients (https://c2sp.org/tlog-proof) is that of this event under this checkpoint."""
    head, _, rest = text.partition("\n\n")
    mark, index, *hashes = head.split("\n")
    need(mark == "c2sp.org/tlog-proof@v1" and index == f"index {sequence - 1}" and rest == note, "a tlog-proof is not what it has to be")
    need(sequence - 1 in leaves, f"a tlog-proof is of sequence {sequence}, which is not in the file")
    proof = _hashes([_base64(one) for one in hashes])
    found = root_by_inclusion(leaves[sequence - 1], sequence - 1, checkpoint.size, proof)
    need(found == checkpoint.root, f"the tlog-proof of sequence {sequence} leads to another root")


def _chains(log: dict[str, Any], blocks: dict[bytes, bytes]) -> list[str]:
    """Whether each event follows the one that it links to, wherever both are here, and lies under its own subject."""
    chains: dict[str, dict[int, tuple[bytes, bytes | None]]] = {}
    lines = []
    for sequence, cid, subject in log["events"]:
        name, version, previous, own = _event(decode(blocks[cid]), sequence)
        need(_is_subject(subject, own), f"the event at sequence {sequence} does not belong under its subject {subject[:120]}")
        chain = chains.setdefault(name, {})
        need(version not in chain, f"version {version} of {name} is there twice")
        chain[version] = cid, previous
    for name, versions in sorted(chains.items()):
        for version, (_, previous) in versions.items():
            is_first = (previous is None) == (version == 1)
            need(is_first or log["begins_anew"], f"version {version} of {name} has a link that cannot be")
            need(version - 1 not in versions or versions[version - 1][0] == previous, f"version {version} of {name} follows another event")
            if not is_first:
                lines.append(
                    f"  {name}: what version {version} follows was not checked; the file says that the stream begins anew (not signed)"
                )
        left_out = max(versions) - min(versions) + 1 - len(versions)
        gaps = f"{left_out} left out" if left_out else "without a gap"
        lines.append(f"  {name}: versions {min(versions)} to {max(versions)}, {gaps}")
    return lines


def _is_subject(subject: str, own: str) -> bool:
    """Whether a subject is the own one of an event, behind the root of the stream's layout, which nobody signs."""
    return subject.endswith(own) and ROOT.fullmatch(subject.removesuffix(own)) is not None and shown(subject) == subject


def _event(event: Any, sequence: int) -> tuple[str, int, bytes | None, str]:
    """Aggregate, version and link of an event, and its subject without the root of the layout."""
    what = f"the block at sequence {sequence} is no event"
    need(type(event) is dict and type(event.get("aggregate")) is dict and {"version", "previous", "type"} <= event.keys(), what)
    aggregate, version, previous = event["aggregate"], event["version"], event["previous"]
    need(aggregate.keys() == {"context", "type", "id"} and type(version) is int and 0 < version <= LARGEST, what)
    need(previous is None or type(previous) is Link, what)
    tokens = [aggregate["context"], aggregate["type"], aggregate["id"], event["type"]]
    need(all(type(one) is str and re.fullmatch("[A-Za-z0-9_-]{1,128}", one) for one in tokens), what)
    context, kind, name, event_type = tokens
    return f"{context}.{kind}.{name}", version, previous, f".{context}.{kind}.{name}.{event_type}.v{version}"


def extract(data: bytes, folder: Path, vkeys: Sequence[str] = (), policy: str | None = None, changes: Sequence[str] = ()) -> list[str]:
    """Write what is in a file for other tools: files, blocks under their hashes, and signatures by the keys that count with their texts."""
    given, later = read_given(vkeys, policy), read_given_changes(changes)
    bundle = open_bundle(data)
    written = {f"files/{bundle.names[cid]}": bundle.blocks[cid] for cid in bundle.names}
    written |= {f"blocks/{cid[4:].hex()}": block for cid, block in bundle.blocks.items()}
    sums = [f"{cid[4:].hex()}  blocks/{cid[4:].hex()}\n" for cid in bundle.blocks]
    written["blocks.b3"] = "".join(sums).encode()
    for number, log in enumerate(bundle.manifest["logs"], 1):
        checkpoint, _, _ = open_log(bundle, log, given, later)
        for place, one in enumerate(checkpoint.signatures):
            name = f"signatures/log{number}" if one.seconds is None else f"signatures/log{number}-witness{place}"
            public = Ed25519PublicKey.from_public_bytes(one.key.public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            written |= {f"{name}.text": one.body, f"{name}.sig": one.raw, f"{name}.pem": public}
    for name, content in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return list(written)


REFUSED = (Wrong, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--vkey", action="append", default=[], help="a key that you noted yourself; repeat it for witnesses")
    parser.add_argument("--policy", type=Path, help="a file with your own policy (c2sp.org/tlog-policy) in the place of keys")
    parser.add_argument(
        "--change", action="append", default=[], type=Path, metavar="FILE", help="the note of a change of the log's key since; repeat it"
    )
    parser.add_argument("--extract", type=Path, metavar="FOLDER", help="write what is in the file there, once it is found intact")
    options = parser.parse_args()
    try:
        data, policy = options.file.read_bytes(), options.policy.read_text(encoding="utf-8", errors="replace") if options.policy else None
        changes = [path.read_text(encoding="utf-8", errors="replace") for path in options.change]
        lines = verify(data, options.vkey, policy, changes)
        names = extract(data, options.extract, options.vkey, policy, changes) if options.extract else []
    except OSError as error:
        said, status = [f"{error.filename} cannot be read or written: {error.strerror}."], 2
    except Unusable as error:
        said, status = [f"NOT CHECKED: {shown(str(error))}."], 2
    except NoKey as error:
        said, status = [f"NOT VERIFIED: {shown(str(error))}."], 1
    except REFUSED as error:
        said, status = [f"NOT INTACT: {shown(str(error))}."], 1
    else:
        is_given = options.vkey or options.policy
        head = "INTACT" if is_given else "INTACT, by the keys in the file itself: compare them with keys that you noted"
        said, status = [head, *lines, "It proves:", *PROVES, "It does not prove:", *DOES_NOT_PROVE], 0
        said += [f"{len(names)} files are in {options.extract}."] if names else []
    sys.stdout.write(
        "\n".join(said).encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(sys.stdout.encoding or "utf-8") + "\n"
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
