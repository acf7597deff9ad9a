"""This module is the verifier of evidence: one file that stands alone, so that nobody needs the console, or to trust it.

    python3 evidence_verifier.py evidence.car --vkey 'cim+1a2b3c4d+AV…'

It needs Python 3.11, `blake3` and `cryptography`. It reads the file strictly, hashes every block anew, makes the root of the log from the
events and the hashes beside them, and holds it against the signed checkpoint. Without `--vkey` the keys are those that the file brings,
which proves no more than that the file is whole; compare them with keys that you noted. Exit status: 0 intact, 1 not, or by none of the
keys, 2 no such file.

The formats: CARv1 (https://ipld.io/specs/transport/car/carv1/), DAG-CBOR, CIDv1 with BLAKE3-256, the tree of RFC 6962 with SHA-256, signed
notes and checkpoints (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-cosignature).
"""

from __future__ import annotations

import argparse
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "cim-evidence/1"
BLOCK, RAW = bytes([1, 0x71, 0x1E, 32]), bytes([1, 0x55, 0x1E, 32])
LOG, WITNESS = 1, 4
PROVES = (
    "Each event below is byte for byte the one that the log's key signed for, at its sequence in the stream.",
    "Between two events of an aggregate that are both here nothing was changed, and the links between neighbours hold.",
)
DOES_NOT_PROVE = (
    "That what an event says was true when it was written.",
    "That there is no other history that the same key signed for somebody else; that is what witnesses are for.",
    "Who made this file and when: only events, their places and the checkpoint are signed.",
)


class Wrong(Exception):
    """The file is not what it has to be."""


class NoKey(Wrong):
    """None of the keys that are known has signed; that says nothing of the file itself."""


class Link(bytes):
    """A CID inside a block."""


def decode(data: bytes) -> Any:
    """The value of a strict DAG-CBOR block; whatever has another spelling than the one is refused."""
    value, position = _item(data, 0, 0)
    need(position == len(data), "a block goes on behind its end")
    return value


def _item(data: bytes, position: int, depth: int) -> tuple[Any, int]:
    need(depth < 64 and position < len(data), "a block is cut off or nested too deeply")
    major, info = data[position] >> 5, data[position] & 31
    position += 1
    if major == 7:
        need(info in (20, 21, 22, 27), "a block holds a simple value that DAG-CBOR does not have")
        return ({20: False, 21: True, 22: None}[info], position) if info != 27 else (data[position : position + 8], position + 8)
    number, position = _number(data, position, info)
    if major < 2:
        return (number if major == 0 else -1 - number), position
    if major in (2, 3):
        raw = data[position : position + number]
        need(len(raw) == number, "a block is cut off")
        return (bytes(raw) if major == 2 else str(raw, "utf-8")), position + number
    if major == 6:
        need(number == 42, "a block holds a tag other than that of links")
        raw, position = _item(data, position, depth + 1)
        need(type(raw) is bytes and raw[:1] == b"\0", "a link in a block is none")
        return Link(raw[1:]), position
    return _many(data, position, depth, number, is_map=major == 5)


def _number(data: bytes, position: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, position
    need(info < 28, "a block holds a length without an end")
    size = 1 << (info - 24)
    number = int.from_bytes(data[position : position + size], "big")
    need(position + size <= len(data) and number >= (24, 256, 65536, 2**32)[info - 24], "a number in a block is not in its shortest form")
    return number, position + size


def _many(data: bytes, position: int, depth: int, count: int, *, is_map: bool) -> tuple[Any, int]:
    need(count <= len(data), "a block is cut off")
    items, keys = [], []
    for _ in range(count):
        if is_map:
            key, position = _item(data, position, depth + 1)
            need(type(key) is str, "a key in a block is no text")
            keys.append(key)
        value, position = _item(data, position, depth + 1)
        items.append(value)
    order = [(len(key.encode()), key.encode()) for key in keys]
    need(all(before < after for before, after in pairwise(order)), "the keys of a block are not in their order")
    return (dict(zip(keys, items, strict=True)) if is_map else items), position


def read_car(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The root, and every block by its CID, each hashed anew; the order of the file counts, and nothing may be there twice."""
    length, position = _varint(data, 0)
    header = decode(data[position : position + length])
    need(type(header) is dict and header.keys() == {"roots", "version"} and header["version"] == 1, "the file is no CARv1")
    need(type(header["roots"]) is list and len(header["roots"]) == 1, "the file does not have one root")
    position += length
    blocks: dict[bytes, bytes] = {}
    while position < len(data):
        length, position = _varint(data, position)
        section = data[position : position + length]
        need(len(section) == length > 36, "the file is cut off")
        cid, block = Link(section[:36]), section[36:]
        need(
            cid[:4] in (BLOCK, RAW) and cid[4:] == blake3(block).digest(),
            f"a block of the file does not have the hash of its CID {text_of(cid)}",
        )
        need(cid not in blocks, f"the block {text_of(cid)} is there twice")
        blocks[cid] = block
        position += length
    return header["roots"][0], blocks


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        need(position < len(data) and shift < 63, "the file is cut off")
        byte = data[position]
        number |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            need(byte > 0 or shift == 7, "a length in the file is not in its shortest form")
            return number, position


def text_of(cid: bytes) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    bits = int.from_bytes(cid, "big") << (-len(cid) * 8 % 5)
    return "b" + "".join(alphabet[bits >> shift & 31] for shift in range((len(cid) * 8 + 4) // 5 * 5 - 5, -1, -5))


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
        return sha256(b"\1" + walk(start, middle, first, between) + walk(middle, end, between, last)).digest()

    root = walk(0, size, 0, len(known))
    need(next(rest, None) is None, "the proof has hashes that belong nowhere")
    return root


def read_checkpoint(note: str, vkeys: dict[tuple[str, bytes], tuple[int, bytes]]) -> tuple[str, int, bytes, list[tuple[str, str]]]:
    """Origin, size and root of a checkpoint whose log's signature holds, and who has cosigned it when."""
    text, separator, rest = note.rpartition("\n\n")
    need(bool(separator) and rest.endswith("\n"), "the checkpoint is no signed note")
    origin, size, root, *more = text.split("\n")
    need(not more and size.isdigit() and str(int(size)) == size, "the checkpoint does not have its three lines")
    signed, seen = False, []
    for line in rest[:-1].split("\n"):
        dash, name, encoded = line.split(" ")
        raw = b64decode(encoded, validate=True)
        need(dash == "—" and b64encode(raw).decode() == encoded, "a signature is not in its one spelling")
        key = vkeys.get((name, raw[:4]))
        if key is None:
            continue
        kind, public = key
        body = (text + "\n").encode()
        if kind == WITNESS:
            at = int.from_bytes(raw[4:12], "big")
            body, raw = f"cosignature/v1\ntime {at}\n".encode() + body, raw[:4] + raw[12:]
            seen.append((name, datetime.fromtimestamp(at, UTC).isoformat()))
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], body)
        except InvalidSignature:
            raise Wrong(f"the signature of {name} on the checkpoint does not hold") from None
        signed = signed or (kind == LOG and name == origin)
    if not signed:
        raise NoKey(f"none of the keys given is the one of {origin} that signed the checkpoint")
    return origin, int(size), b64decode(root, validate=True), seen


def read_vkeys(texts: Sequence[str], origin: str) -> dict[tuple[str, bytes], tuple[int, bytes]]:
    """The keys by name and id. That of a whole installation, `cim`, is also that of each of its logs, `cim/CIM-EVENTS`."""
    keys = dict(map(_read_vkey, texts))
    for (name, _), (kind, public) in list(keys.items()):
        if kind == LOG and origin.startswith(f"{name}/"):
            keys[origin, _key_id(origin, bytes([kind]) + public)] = kind, public
    return keys


def _read_vkey(text: str) -> tuple[tuple[str, bytes], tuple[int, bytes]]:
    need(text.count("+") >= 2, f"{text[:80]!r} is no vkey; it has a name, an id and a key, with + between")
    name, key_id, encoded = text.split("+", 2)
    raw = b64decode(encoded, validate=True)
    need(len(raw) == 33 and b64encode(raw).decode() == encoded and raw[0] in (LOG, WITNESS), f"{text!r} is no vkey for Ed25519")
    need(_key_id(name, raw).hex() == key_id, f"the id in {text!r} is not that of the key")
    return (name, bytes.fromhex(key_id)), (raw[0], raw[1:])


def _key_id(name: str, raw: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + raw).digest()[:4]


def verify(data: bytes, vkeys: Sequence[str] = ()) -> list[str]:
    """What was found, in lines. Raises Wrong with the first thing that is not as it has to be."""
    root, blocks = read_car(data)
    need(root in blocks and root[:4] == BLOCK, "the root of the file is not in it")
    manifest = decode(blocks[root])
    need(type(manifest) is dict and manifest.get("format") == FORMAT, f"the root of the file is not of the format {FORMAT}")
    used, lines = {root}, []
    for attached in manifest["files"]:
        need(attached["cid"] in blocks, f"{attached['name']} is missing")
        used.add(attached["cid"])
    for log in manifest["logs"]:
        known = read_vkeys(vkeys or log["vkeys"], log["checkpoint"].partition("\n")[0])
        origin, size, signed_root, seen = read_checkpoint(log["checkpoint"], known)
        leaves = {}
        for sequence, cid in log["events"]:
            need(cid in blocks and cid[:4] == BLOCK and sequence - 1 not in leaves, f"the event at sequence {sequence} is missing")
            leaves[sequence - 1] = sequence.to_bytes(8, "big") + cid
            used.add(cid)
        need(root_of(size, leaves, log["hashes"]) == signed_root, f"the events do not lead to the root that {origin} signed")
        lines += [f"{origin}: {len(leaves)} events under the checkpoint of {size} leaves"]
        lines += [f"  seen by {name} at {at}" for name, at in seen] + _chains(log, blocks)
    need(used == set(blocks), "the file holds blocks that belong to nothing")
    return lines


def _chains(log: dict[str, Any], blocks: dict[bytes, bytes]) -> list[str]:
    """Whether each event follows the one that it links to, wherever both are here."""
    chains: dict[str, dict[int, tuple[bytes, bytes | None]]] = {}
    lines = []
    for _, cid in log["events"]:
        event = decode(blocks[cid])
        name = ".".join(event["aggregate"][part] for part in ("context", "type", "id"))
        chains.setdefault(name, {})[event["version"]] = (cid, event["previous"])
    for name, versions in sorted(chains.items()):
        for version, (_, previous) in versions.items():
            need((previous is None) == (version == 1) or log["begins_anew"], f"version {version} of {name} has a link that cannot be")
            need(version - 1 not in versions or versions[version - 1][0] == previous, f"version {version} of {name} follows another event")
        is_whole = sorted(versions) == list(range(1, len(versions) + 1))
        lines.append(f"  {name}: {'all' if is_whole else 'some'} of versions {min(versions)} to {max(versions)}")
    return lines


def need(is_so: bool, what: str) -> None:
    if not is_so:
        raise Wrong(what)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--vkey", action="append", default=[], help="a key that you noted yourself; repeat it for witnesses")
    options = parser.parse_args()
    try:
        lines = verify(options.file.read_bytes(), options.vkey)
    except OSError as error:
        said, status = [f"{options.file} cannot be read: {error.strerror}."], 2
    except NoKey as error:
        said, status = [f"NOT VERIFIED: {error}."], 1
    except (Wrong, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        said, status = [f"NOT INTACT: {error}."], 1
    else:
        head = "INTACT" if options.vkey else "INTACT, by the keys in the file itself: compare them with keys that you noted"
        said, status = [head, *lines, "It proves:", *PROVES, "It does not prove:", *DOES_NOT_PROVE], 0
    sys.stdout.write("\n".join(said) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
