"""This module is what the signer is asked over core NATS, and what it answers: a signed note that is fresh, as it holds the asker's nonce.

A question on `cim.signer.{stream}` is DAG-CBOR {nonce, compare}, or {nonce, compare: false, after}. The text of the note that answers it:

    cim-answer/1
    origin
    nonce in hex
    size in decimal digits
    base64(root)
    differs SEQUENCE EXPECTED FOUND     only where it was to compare, and what is there now is not what it signed; each a CID or `none`
    leaves base64(leaves)               only where `after` was given: at most LEAVES_ASKED that it signed after that sequence, 44 bytes each

It has another number of lines than a checkpoint, and begins otherwise than a change of keys, so that it is never taken for one.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..encoding import Cid, Value, decode, encode
from ..errors import EncodingError, InvalidInput
from .checkpoints import Checkpoint, parse_checkpoint, sign_text, verify_note
from .keys import KeyKind, SigningKey, VerifierKey
from .leaves import LEAF_BYTES
from .notes import Note, decode_base64, parse_note

ASKED_SUBJECTS = "cim.signer.*"
NONCE_BYTES = 16
LEAVES_ASKED = 1024
"""So many leaves fit into one note."""
_TITLE = "cim-answer/1"
_DIFFERS, _LEAVES = "differs ", "leaves "
_NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody asks of one stream; `nonce` is theirs alone, `compare` asks for the first difference as well, `after` for leaves."""

    nonce: bytes
    compare: bool = False
    after: int | None = None

    @property
    def raw(self) -> bytes:
        asked: dict[str, Value] = {"nonce": self.nonce, "compare": self.compare}
        return encode(asked if self.after is None else asked | {"after": self.after})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first leaf that is not what was signed; None stands for a sequence that holds nothing, or for none at all."""

    sequence: int
    expected: Cid | None
    found: Cid | None

    def __str__(self) -> str:
        return f"{self.sequence} {self.expected or _NONE} {self.found or _NONE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerAnswer:
    """What the signer signed last of a stream (size 0: nothing yet), and when it said so."""

    size: int
    root: bytes
    at: datetime
    difference: Difference | None
    leaves: tuple[bytes, ...] = ()


def asked_subject(stream: str) -> str:
    """Where the signer is asked about a stream."""
    return ASKED_SUBJECTS.replace("*", stream)


def parse_question(raw: bytes) -> Question:
    """What was asked. Raises InvalidInput."""
    try:
        value: Any = decode(raw)
        nonce, compare, after = value["nonce"], value["compare"], value.get("after")
        is_known = set(value) <= {"nonce", "compare", "after"}
    except (EncodingError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInput(f"This is no question to the signer: {error}.") from error
    if not isinstance(nonce, bytes) or len(nonce) != NONCE_BYTES or not isinstance(compare, bool) or not is_known:
        raise InvalidInput(f"A question to the signer has a nonce of {NONCE_BYTES} bytes, says whether to compare, and nothing else.")
    if "after" in value and (compare or not isinstance(after, int) or isinstance(after, bool) or after < 0):
        raise InvalidInput("A question to the signer for leaves says after which sequence, and is not one to compare as well.")
    return Question(nonce=nonce, compare=compare, after=after)


def sign_answer(
    checkpoint: Checkpoint,
    question: Question,
    key: SigningKey,
    *,
    difference: Difference | None = None,
    leaves: Sequence[bytes] = (),
) -> Note:
    """The answer as a note, signed by the key of the checkpoint's log."""
    assert (key.kind, key.name) == (KeyKind.LOG, checkpoint.origin), "a log signs its own answers"
    text = _text(checkpoint, question.nonce, difference, leaves)
    return Note(text=text, signatures=(sign_text(text, key),))


def open_answer(raw: bytes, question: Question, keys: Sequence[VerifierKey], *, origin: str, at: datetime) -> SignerAnswer:
    """What an answer says, which came at `at`. Raises InvalidInput unless it is one to this question, signed by a key of this log."""
    note = parse_note(raw)
    if not any(one.key.kind is KeyKind.LOG and one.key.name == origin for one in verify_note(note, keys)):
        raise InvalidInput(
            f"The answer is signed by no key that signs for {origin} now, but by {_signers(note)}: somebody else than the signer gives it, "
            "or its key was changed and somebody with the older one published another successor. The signer says its vkey when it starts."
        )
    checkpoint, difference, leaves = _parse(note.text, question.nonce)
    if checkpoint.origin != origin or _text(checkpoint, question.nonce, difference, leaves) != note.text:
        raise InvalidInput(f"The answer is none to what was asked of {origin}: {note.text[:120]!r}.")
    return SignerAnswer(size=checkpoint.size, root=checkpoint.root, at=at, difference=difference, leaves=leaves)


def _signers(note: Note) -> str:
    return ", ".join(f"{one.name[:120]}+{one.key_id.hex()}" for one in note.signatures)


def _text(checkpoint: Checkpoint, nonce: bytes, difference: Difference | None, leaves: Sequence[bytes]) -> str:
    root = b64encode(checkpoint.root).decode()
    found = f"{_DIFFERS}{difference}\n" if difference else ""
    found += f"{_LEAVES}{b64encode(b''.join(leaves)).decode()}\n" if leaves else ""
    return f"{_TITLE}\n{checkpoint.origin}\n{nonce.hex()}\n{checkpoint.size}\n{root}\n{found}"


def _parse(text: str, nonce: bytes) -> tuple[Checkpoint, Difference | None, tuple[bytes, ...]]:
    lines = text.split("\n")
    if len(lines) not in (6, 7) or lines[0] != _TITLE:
        raise InvalidInput(f"{text[:120]!r} is no answer of a signer, which begins with {_TITLE}.")
    if lines[2] != nonce.hex():
        raise InvalidInput("The answer is one to another question, which somebody kept; the signer itself did not answer.")
    checkpoint = parse_checkpoint(f"{lines[1]}\n{lines[3]}\n{lines[4]}\n")
    if len(lines) == 7 and lines[5].startswith(_LEAVES):
        return checkpoint, None, _parse_leaves(lines[5])
    return checkpoint, _parse_difference(lines[5]) if len(lines) == 7 else None, ()


def _parse_leaves(line: str) -> tuple[bytes, ...]:
    raw = decode_base64(line.removeprefix(_LEAVES), "What the signer says of its leaves")
    if len(raw) % LEAF_BYTES:
        raise InvalidInput(f"The answer of the signer has {len(raw):,} bytes of leaves, which are no whole leaves of {LEAF_BYTES}.")
    return tuple(raw[start : start + LEAF_BYTES] for start in range(0, len(raw), LEAF_BYTES))


def _parse_difference(line: str) -> Difference:
    parts = line.removeprefix(_DIFFERS).split(" ")
    if not line.startswith(_DIFFERS) or len(parts) != 3 or not (parts[0].isascii() and parts[0].isdigit()) or len(parts[0]) > 19:
        raise InvalidInput(f"{line[:160]!r} is no difference in the answer of a signer.")
    expected, found = [None if part == _NONE else Cid.parse(part) for part in parts[1:]]
    return Difference(sequence=int(parts[0]), expected=expected, found=found)
