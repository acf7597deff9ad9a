"""This module is evidence: events with the proof that signed checkpoints cover them, in one CAR that is checked without the console.

    {format, about, logs, files, without, at, by, reason}     the manifest, which is the root; `without` says what is not in it, and why
    logs:   [{stream, checkpoint, policy, rotations, events: [[sequence, CID, subject], …], hashes, proofs, since, begins_anew}]
    proofs: [[sequence, CID], …]                              of the first and the last event by itself
    since:  {note, hashes} or null                            an older checkpoint, and the proof that the log begins with it
    files:  [{name, cid}]                                     plain bytes: checkpoints, policies, proofs, verifiers, README.txt
    …                                                         then each event's block, as it is stored

What a log names by CID lies among the files. `hashes` are those of all parts of the tree without one of the events, from left to right, so
that the root can be made anew from the leaves (`log/leaves.py`) and them. `evidence_verifier.py` checks all of it by itself, as does
`evidence_verifier.html` in a browser; a log's policy and its proofs are also what public clients of such logs read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..content import cid_of_bytes
from ..encoding import Cid, Value, cid_of, encode
from ..errors import InvalidInput
from ..events import format_time, now
from ..log import SignedCheckpoint, Span, TileId, consistency_spans, inclusion_spans, span_hash, tiles_of_spans
from ..log.kept import read_tiles
from ..log.published import LogKeys, open_published, read_published
from ..log.trust import NO_TRUST, Trust, trusted_keys
from ..store import Connection, Message
from .car import write_header, write_section
from .evidence_texts import README, VERIFIERS, file_name, policy_of, proof_text
from .older_checkpoint import Older, find_older

EVIDENCE_FORMATS = "cim-evidence/"
EVIDENCE_FORMAT = f"{EVIDENCE_FORMATS}2"
MAX_EVENTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A finished file, and what stands in it: `events` of all logs, `size` and `origin` of the first."""

    data: bytes
    root: Cid
    events: int
    size: int
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """The newest checkpoint of a stream and the keys that it is verified with."""

    stream: str
    note: bytes
    signed: SignedCheckpoint
    keys: LogKeys

    @property
    def size(self) -> int:
        """How many leaves it covers."""
        return self.signed.checkpoint.size

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.signed.checkpoint.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Messages of one stream that go into a file, in any order.

    `since` is an older checkpoint, as text or as its size; empty for none. `begins_anew`: the stream is a later generation.
    """

    stream: str
    messages: Sequence[Message]
    since: str = ""
    begins_anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Messages of one stream by sequence, with all that proves them; `tiles` are those of `spans_for` them."""

    covered: Covered
    messages: Sequence[Message]
    tiles: Mapping[TileId, bytes]
    older: Older | None = None
    begins_anew: bool = False


async def covering(connection: Connection, stream: str, trust: Trust = NO_TRUST) -> Covered:
    """What the log of a stream was last signed for. Raises InvalidInput where it is not signed, no more, or by another log."""
    published, keys = await read_published(connection, stream), await trusted_keys(connection, trust)
    if published is None or keys is None:
        raise InvalidInput(
            f"No checkpoint of the log of {stream} is published, so nothing proves where its events lie. A signer that runs publishes its "
            "newest within seconds, also where somebody removed it."
        )
    return Covered(stream=stream, note=published.note, signed=open_published(published, keys), keys=keys)


async def make_evidence(
    connection: Connection,
    chosen: Sequence[Chosen],
    *,
    by: str,
    reason: str,
    about: str = "",
    without: Sequence[str] = (),
    trust: Trust = NO_TRUST,
) -> Evidence:
    """Put messages of one stream, and perhaps of others that say more of it, into a file with their proof.

    Raises InvalidInput where there are none or too many, where a checkpoint does not cover the last of them yet, or does not extend the
    older one.
    """
    proved = [await _prove(connection, one, trust) for one in chosen]
    return pack(proved, by=by, reason=reason, about=about, without=without)


def pack(proved: Sequence[Proved], *, by: str, reason: str, about: str = "", without: Sequence[str] = ()) -> Evidence:
    """The file, without reading anything."""
    attached: dict[Cid, tuple[str, bytes]] = {}
    logs: list[Value] = [_entry(one, attached) for one in proved]
    for path in VERIFIERS:
        _attach(attached, path.name, path.read_bytes())
    _attach(attached, "README.txt", README.encode())
    listed: list[Value] = [{"name": name, "cid": cid} for cid, (name, _) in attached.items()]
    said: dict[str, Value] = {"about": about, "without": list(without), "at": format_time(now()), "by": by, "reason": reason}
    manifest = encode({"format": EVIDENCE_FORMAT, "logs": logs, "files": listed, **said})
    root = cid_of(manifest)
    blocks = {cid_of(message.data): message.data for one in proved for message in one.messages}
    parts = [write_header([root]), write_section(root, manifest)]
    parts += [write_section(cid, data) for cid, (_, data) in attached.items()]
    parts += [write_section(cid, data) for cid, data in blocks.items()]
    first = proved[0].covered
    return Evidence(data=b"".join(parts), root=root, events=len(blocks), size=first.size, origin=first.origin)


def spans_for(sequences: Sequence[int], size: int, older: Older | None) -> list[Span]:
    """All parts of the tree that the proofs of these sequences, in order, are made of."""
    spans = spans_without([sequence - 1 for sequence in sequences], size)
    for sequence in {sequences[0], sequences[-1]}:
        spans += inclusion_spans(sequence - 1, size)
    return spans + (consistency_spans(older.size, size) if older else [])


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


async def _prove(connection: Connection, chosen: Chosen, trust: Trust) -> Proved:
    stream, count = chosen.stream, len(chosen.messages)
    if not 0 < count <= MAX_EVENTS:
        raise InvalidInput(f"Evidence of {count:,} events is not made; 1 to {MAX_EVENTS:,} are possible. Choose an aggregate or a range.")
    covered = await covering(connection, stream, trust)
    messages = sorted(chosen.messages, key=lambda message: message.sequence)
    if messages[-1].sequence > covered.size:
        raise InvalidInput(
            f"The log of {stream} is signed up to sequence {covered.size:,}, and the last event lies at {messages[-1].sequence:,}; "
            "wait for the next checkpoint, which comes within 10 s while the signer runs."
        )
    older = await find_older(connection, covered.keys, stream, chosen.since, newest=covered.signed.checkpoint)
    spans = spans_for([message.sequence for message in messages], covered.size, older)
    tiles = await read_tiles(connection, stream, tiles_of_spans(spans))
    return Proved(covered=covered, messages=messages, tiles=tiles, older=older, begins_anew=chosen.begins_anew)


def _entry(proved: Proved, attached: dict[Cid, tuple[str, bytes]]) -> Value:
    """What the manifest says of one log; the files that it names are added to `attached`."""
    covered, messages, older = proved.covered, proved.messages, proved.older
    stream, size, note = covered.stream, covered.size, covered.note.decode()

    def hashes(spans: Sequence[Span]) -> list[Value]:
        return [span_hash(proved.tiles, span) for span in spans]

    def proof(sequence: int) -> Value:
        text = proof_text(sequence - 1, [span_hash(proved.tiles, span) for span in inclusion_spans(sequence - 1, size)], note)
        return [sequence, _attach(attached, file_name(stream, f"{sequence}.tlog-proof"), text.encode())]

    policy = policy_of(covered.keys, stream, covered.signed)
    return {
        "stream": stream,
        "checkpoint": _attach(attached, file_name(stream, "checkpoint"), covered.note),
        "policy": _attach(attached, file_name(stream, "policy"), policy.encode()),
        "rotations": [_attach(attached, f"log.key-{number}", change.note) for number, change in enumerate(covered.keys.changes, 2)],
        "events": [[message.sequence, cid_of(message.data), message.subject] for message in messages],
        "hashes": hashes(spans_without([message.sequence - 1 for message in messages], size)),
        "proofs": [proof(sequence) for sequence in sorted({messages[0].sequence, messages[-1].sequence})],
        "since": None
        if older is None
        else {
            "note": _attach(attached, file_name(stream, "since"), older.text.encode()),
            "hashes": hashes(consistency_spans(older.size, size)),
        },
        "begins_anew": proved.begins_anew,
    }


def _attach(attached: dict[Cid, tuple[str, bytes]], name: str, data: bytes) -> Cid:
    """The CID of a plain file, which is in the evidence once, under its first name."""
    cid = cid_of_bytes(data)
    attached.setdefault(cid, (name, data))
    return cid
