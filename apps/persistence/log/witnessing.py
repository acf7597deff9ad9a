"""This module is a witness (C2SP tlog-witness): it cosigns a checkpoint only where it extends what it has seen of that log before.

    old SIZE
    base64 of each hash of the consistency proof, a line each
    (an empty line)
    the checkpoint, a signed note

`GET /newest?origin=ORIGIN` gives the newest checkpoint that it has seen, cosigned at that moment.

What it has seen is on its own disk before it answers. It knows nothing of the stream, the server or the console.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import HistoryRewritten, InvalidInput, InvalidProof
from .checkpoints import Checkpoint, cosign, open_checkpoint, parse_checkpoint
from .hashes import HASH_BYTES
from .keys import SigningKey, VerifierKey
from .notes import Note, decode_base64, parse_note
from .proofs import MAX_SIZE, check_consistency
from .signed_database import Signed, SignedDatabase

MAX_PROOF = 63
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the witness answers over HTTP."""

    status: int
    body: str
    kind: str = TEXT_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a log asks: to be cosigned at `note`, having been seen at `old_size`."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    @property
    def raw(self) -> bytes:
        """The body of the request."""
        return f"old {self.old_size}\n".encode() + b"".join(encode_hash(one) for one in self.proof) + b"\n" + self.note


class Witness:
    """Keeps what it has seen of each log in `database`; `logs` are the keys of those that it knows, each for all streams of a log."""

    def __init__(
        self,
        key: SigningKey,
        database: SignedDatabase,
        logs: Sequence[VerifierKey],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.key = key
        self._database = database
        self._logs = logs
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign, or say why not: 400 unreadable, 404 unknown log, 403 not signed, 409 another size or root was seen, 422 no proof."""
        try:
            asked = parse_request(body)
            claimed = parse_checkpoint(parse_note(asked.note).text)
            keys = [key.named(claimed.origin) for key in self._logs if claimed.origin.startswith(f"{key.name}/")]
            if asked.old_size > claimed.size:
                raise InvalidInput(f"The checkpoint has {claimed.size:,} leaves, fewer than the old size {asked.old_size:,}.")
        except InvalidInput as error:
            return Answer(status=400, body=f"{error}\n")
        if not keys:
            return Answer(status=404, body=f"This witness does not know the log {claimed.origin}; start it with --log and its vkey.\n")
        try:
            checkpoint = open_checkpoint(asked.note, keys).checkpoint
        except InvalidInput as error:
            return Answer(status=403, body=f"{error}\n")
        return self._add(asked, checkpoint)

    def newest(self, origin: str) -> Answer:
        """The newest checkpoint of a log that it has seen, with the log's signature and a new one of its own; 404 where it saw none."""
        seen = self._database.last(origin)
        if seen.size == 0:
            return Answer(status=404, body=f"This witness has seen no checkpoint of {origin[:200]!r}.\n")
        note = parse_note(seen.note)
        keys = [key.named(origin) for key in self._logs if origin.startswith(f"{key.name}/")]
        own = {(key.name, key.key_id) for key in keys}
        signed = Note(text=note.text, signatures=tuple(one for one in note.signatures if (one.name, one.key_id) in own))
        return Answer(status=200, body=signed.with_signatures(cosign(parse_checkpoint(note.text), self.key, at=self._clock())).raw.decode())

    def _add(self, asked: Request, checkpoint: Checkpoint) -> Answer:
        seen = self._database.last(checkpoint.origin)
        if asked.old_size != seen.size:
            return Answer(status=409, body=f"{seen.size}\n", kind=SIZE_TYPE)
        if checkpoint.size == seen.size and checkpoint.root != seen.root:
            return Answer(status=409, body=f"{seen.size}\n", kind=SIZE_TYPE)
        try:
            _check_extends(seen, checkpoint, asked.proof)
        except InvalidProof as error:
            return Answer(status=422, body=f"{error}\n")
        if checkpoint.size > seen.size:
            try:
                self._database.advance(seen, Signed(origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root, note=asked.note))
            except HistoryRewritten:
                return Answer(status=409, body=f"{self._database.last(checkpoint.origin).size}\n", kind=SIZE_TYPE)
        return Answer(status=200, body=cosign(checkpoint, self.key, at=self._clock()).line)


def parse_request(body: bytes) -> Request:
    """What was asked. Raises InvalidInput for every other spelling."""
    head, separator, note = body.partition(b"\n\n")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput("The request does not begin with a line `old SIZE` in plain ASCII.") from error
    size = first.removeprefix("old ")
    if not separator or size == first or not size.isdigit() or (size != "0" and size.startswith("0")) or len(size) > 19:
        raise InvalidInput(f"{first[:80]!r} is no first line of a request; it is `old` and the size that was cosigned last.")
    if int(size) > MAX_SIZE or len(hashes) > MAX_PROOF:
        raise InvalidInput(f"The request names {len(hashes)} hashes after size {size}; at most {MAX_PROOF} and 2 ** 63 - 1 are taken.")
    return Request(old_size=int(size), proof=tuple(_hash(line) for line in hashes), note=note)


def encode_hash(value: bytes) -> bytes:
    """A hash as a line of a request."""
    return b64encode(value) + b"\n"


def _hash(line: str) -> bytes:
    found = decode_base64(line, "The hash")
    if len(found) != HASH_BYTES:
        raise InvalidInput(f"The hash {line[:80]!r} has {len(found)} bytes; SHA-256 has {HASH_BYTES}.")
    return found


def _check_extends(seen: Signed, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    """Raise InvalidProof unless the proof leads from what was seen to the checkpoint; the first of a log needs none."""
    if seen.size == 0:
        if proof:
            raise InvalidProof(
                f"Nothing of {checkpoint.origin} was seen before, so there is nothing to prove, and {len(proof)} hashes came."
            )
        return
    check_consistency(old_size=seen.size, old_root=seen.root, new_size=checkpoint.size, new_root=checkpoint.root, proof=proof)
