"""This module is checkpoints (C2SP tlog-checkpoint, tlog-cosignature): which log, how many leaves, their root, signed and cosigned.

    origin
    size in decimal digits
    base64(root)

A log signs this text. A witness signs `cosignature/v1`, a line with the time, then the same text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import InvalidInput
from .hashes import EMPTY_ROOT, HASH_BYTES
from .keys import SIGNATURE_BYTES, KeyKind, SigningKey, VerifierKey
from .notes import Note, Signature, decode_base64, parse_note
from .proofs import MAX_SIZE

_TIME_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a log was: its first `size` leaves have the root `root`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A signature that holds; `time` is when a witness says that it saw the checkpoint, None for a log's own."""

    key: VerifierKey
    time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint whose log's signature holds. `unknown` counts signatures by keys that are not known here; nothing is said of those."""

    checkpoint: Checkpoint
    note: Note
    signatures: tuple[Verified, ...]
    unknown: int

    @property
    def witnesses(self) -> tuple[Verified, ...]:
        return tuple(one for one in self.signatures if one.key.kind is KeyKind.WITNESS)


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that the text of a note is. Raises InvalidInput for extension lines too: logs of ours have none."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise InvalidInput(f"This note is no checkpoint of ours: it has {len(lines) - 1} lines of text, and a checkpoint has three.")
    origin, size, root = lines[:3]
    if not origin:
        raise InvalidInput("The checkpoint names no log: its first line is empty.")
    if not (size.isascii() and size.isdigit()) or (size.startswith("0") and size != "0") or len(size) > 19 or int(size) > MAX_SIZE:
        raise InvalidInput(f"{size[:80]!r} is no size of a log; it is written in decimal digits without leading zeros.")
    raw = decode_base64(root, "The root")
    if len(raw) != HASH_BYTES:
        raise InvalidInput(f"The root of the checkpoint has {len(raw)} bytes; SHA-256 has {HASH_BYTES}.")
    if int(size) == 0 and raw != EMPTY_ROOT:
        raise InvalidInput(f"The checkpoint has size 0 and the root {raw.hex()}; a log without leaves has {EMPTY_ROOT.hex()}.")
    return Checkpoint(origin=origin, size=int(size), root=raw)


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> Note:
    """The checkpoint as a note signed by its log, whose key bears the log's origin as its name."""
    assert (key.kind, key.name) == (KeyKind.LOG, checkpoint.origin), "a log signs its own checkpoints, with its own kind of key"
    return Note(text=checkpoint.text, signatures=(sign_text(checkpoint.text, key),))


def sign_text(text: str, key: SigningKey) -> Signature:
    """A log's signature over the text of a note."""
    return Signature(name=key.name, key_id=key.verifier.key_id, blob=key.sign(text.encode()))


def cosign(checkpoint: Checkpoint, key: SigningKey, *, at: datetime) -> Signature:
    """A witness's signature: that it has seen this checkpoint at this time, and none that contradicts it."""
    assert key.kind is KeyKind.WITNESS, "a witness signs with a witness's key"
    seconds = int(at.timestamp())
    signed = key.sign(_cosigned(checkpoint.text, seconds))
    return Signature(name=key.name, key_id=key.verifier.key_id, blob=seconds.to_bytes(_TIME_BYTES, "big") + signed)


def open_checkpoint(raw: bytes, keys: Sequence[VerifierKey], *, origin: str | None = None) -> SignedCheckpoint:
    """The checkpoint in a note, once the signature of its log holds by one of `keys`; `origin` is the log that it must be of.

    Raises InvalidInput where it is none, is of another log, is signed by no key of its log that is known here, or by one whose signature
    does not hold.
    """
    note = parse_note(raw)
    checkpoint = parse_checkpoint(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise InvalidInput(f"The checkpoint is of the log {checkpoint.origin[:120]!r}, not of {origin!r}; look at it where that log is.")
    signatures = verify_note(note, keys)
    if not any(one.key.kind is KeyKind.LOG and one.key.name == checkpoint.origin for one in signatures):
        raise InvalidInput(
            f"No signature on the checkpoint is by a known key of {checkpoint.origin[:120]!r}. Known here: "
            f"{', '.join(key.vkey for key in keys) or 'none'}."
        )
    return SignedCheckpoint(checkpoint=checkpoint, note=note, signatures=signatures, unknown=len(note.signatures) - len(signatures))


def is_signed_by(raw: bytes, key: VerifierKey) -> bool:
    """Whether a note bears a signature of a key; nothing is said of whether it holds. Raises InvalidInput for what is no note."""
    return (key.name, key.key_id) in {(one.name, one.key_id) for one in parse_note(raw).signatures}


def verify_note(note: Note, keys: Sequence[VerifierKey]) -> tuple[Verified, ...]:
    """The signatures of a note by these keys. Others are passed over; one by a known key that does not hold raises InvalidInput."""
    known = {(key.name, key.key_id): key for key in keys}
    return tuple(_verify(note.text, one, known[one.name, one.key_id]) for one in note.signatures if (one.name, one.key_id) in known)


def _verify(text: str, signature: Signature, key: VerifierKey) -> Verified:
    seconds, blob = None, signature.blob
    message = text.encode()
    if key.kind is KeyKind.WITNESS:
        seconds, blob = int.from_bytes(blob[:_TIME_BYTES], "big"), blob[_TIME_BYTES:]
        message = _cosigned(text, seconds)
    if len(blob) != SIGNATURE_BYTES or not key.holds(message, blob):
        raise InvalidInput(f"The signature by {key.name!r} ({key.key_id.hex()}) does not hold: the text or the signature was changed.")
    return Verified(key=key, time=None if seconds is None else _time(seconds, key))


def _time(seconds: int, key: VerifierKey) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(f"The witness {key.name!r} gives {seconds} as the time, which is none.") from error


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
