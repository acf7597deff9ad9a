"""This module is evidence: events with the proof that a signed checkpoint covers them, in one CAR that is checked without the console.

    {format, logs, files, at, by, reason}                      the manifest, which is the root
    logs:   [{stream, checkpoint, vkeys, hashes, events: [[sequence, CID], …], begins_anew}]
    files:  [{name, cid}]                                      the verifier and what to do with it, as plain bytes
    …                                                          then each event's block, as it is stored

`hashes` are those of all parts of the tree without one of the events, from left to right, so that the root can be made anew from the
leaves (`log/leaves.py`) and them. `evidence_verifier.py` checks all of it by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..content import cid_of_bytes
from ..encoding import Cid, Value, cid_of, encode
from ..errors import InvalidInput
from ..events import format_time, now
from ..log import Span, span_hash, tiles_of_spans
from ..log.kept import read_tiles
from ..log.published import LogKeys, Published, open_published, read_keys, read_published
from ..store import Connection, Message
from .car import write_header, write_section

EVIDENCE_FORMAT = "cim-evidence/1"
MAX_EVENTS = 20_000
VERIFIER = Path(__file__).with_name("evidence_verifier.py")
README = """Evidence of events in an event store.

Check it:        python3 evidence_verifier.py FILE.car --vkey 'KEY THAT YOU NOTED'
The keys of the log and of its witnesses are shown on the audit page of the console; compare them with what you noted before.

By hand:         every block's name is its BLAKE3 hash (b3sum); the checkpoint is text, signed with Ed25519 (openssl pkeyutl -verify).
The verifier is in this file, too, under the name below; its own text says which formats it reads.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A finished file, and what stands in it."""

    data: bytes
    root: Cid
    events: int
    size: int
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """The newest checkpoint of a stream and the keys that it is verified with."""

    published: Published
    keys: LogKeys
    size: int
    origin: str


async def covering(connection: Connection, stream: str) -> Covered:
    """What the log of a stream was last signed for. Raises InvalidInput where it is not signed, or no more."""
    published, keys = await read_published(connection, stream), await read_keys(connection)
    if published is None or keys is None:
        raise InvalidInput(f"The log of {stream} has no signed checkpoint, so nothing proves where its events lie; start the signer.")
    opened = open_published(published, keys)
    return Covered(published=published, keys=keys, size=opened.checkpoint.size, origin=opened.checkpoint.origin)


async def make_evidence(
    connection: Connection, stream: str, messages: Sequence[Message], *, by: str, reason: str, begins_anew: bool = False
) -> Evidence:
    """Put messages of one stream, in any order, into a file with their proof. `begins_anew`: the stream is a later generation.

    Raises InvalidInput where there are none or too many, or where the checkpoint does not cover the last of them yet.
    """
    if not 0 < len(messages) <= MAX_EVENTS:
        raise InvalidInput(
            f"Evidence of {len(messages):,} events is not made; 1 to {MAX_EVENTS:,} are possible. Choose an aggregate or a range."
        )
    covered = await covering(connection, stream)
    ordered = sorted(messages, key=lambda message: message.sequence)
    if ordered[-1].sequence > covered.size:
        raise InvalidInput(
            f"The log of {stream} is signed up to sequence {covered.size:,}, and the last event lies at {ordered[-1].sequence:,}; "
            "wait for the next checkpoint, which comes within 10 s while the signer runs."
        )
    spans = spans_without([message.sequence - 1 for message in ordered], covered.size)
    tiles = await read_tiles(connection, stream, tiles_of_spans(spans))
    log: dict[str, Value] = {
        "stream": stream,
        "checkpoint": covered.published.note.decode(),
        "vkeys": [key.vkey for key in covered.keys.of(stream)],
        "hashes": [span_hash(tiles, span) for span in spans],
        "events": [[message.sequence, cid_of(message.data)] for message in ordered],
        "begins_anew": begins_anew,
    }
    blocks = {cid_of(message.data): message.data for message in ordered}
    return _packed([log], blocks, covered, by=by, reason=reason)


def spans_without(indices: Sequence[int], size: int) -> list[Span]:
    """The parts of a tree of `size` leaves that hold none of these leaves (sorted), from left to right, as few as possible."""
    found: list[Span] = []

    def walk(start: int, end: int, first: int, last: int) -> None:
        if first == last:
            found.append(Span(start, end))
        elif end - start > 1:
            middle = start + (1 << ((end - start - 1).bit_length() - 1))
            between = next((place for place in range(first, last) if indices[place] >= middle), last)
            walk(start, middle, first, between)
            walk(middle, end, between, last)

    walk(0, size, 0, len(indices))
    return found


def _packed(logs: list[Value], blocks: dict[Cid, bytes], covered: Covered, *, by: str, reason: str) -> Evidence:
    files = {"evidence_verifier.py": VERIFIER.read_bytes(), "README.txt": README.encode()}
    attached = {cid_of_bytes(data): (name, data) for name, data in files.items()}
    listed: list[Value] = [{"name": name, "cid": cid} for cid, (name, _) in attached.items()]
    manifest = encode({"format": EVIDENCE_FORMAT, "logs": logs, "files": listed, "at": format_time(now()), "by": by, "reason": reason})
    root = cid_of(manifest)
    parts = [write_header([root]), write_section(root, manifest)]
    parts += [write_section(cid, data) for cid, (_, data) in attached.items()]
    parts += [write_section(cid, data) for cid, data in blocks.items()]
    return Evidence(data=b"".join(parts), root=root, events=len(blocks), size=covered.size, origin=covered.origin)
