"""This module is the change of a log's key: a note in which the old key names the new one, signed by both.

    origin
    key rotation v1
    vkey of the old key
    vkey of the new key

Whoever knows the old key can go on to the new one, and nobody can name a key that is not theirs. The second line is no number, so that no
such note is ever taken for a checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidInput
from .checkpoints import sign_text, verify_note
from .keys import KeyKind, SigningKey, VerifierKey
from .notes import Note, parse_note

_TITLE = "key rotation v1"


def sign_rotation(old: SigningKey, new: SigningKey) -> Note:
    """The note by which `new` signs for the log from now on. Raises InvalidInput for keys of two logs, or one key twice."""
    if old.name != new.name or KeyKind.WITNESS in (old.kind, new.kind) or old.seed == new.seed:
        raise InvalidInput(f"{new.verifier.vkey} cannot follow {old.verifier.vkey}: it must be another key of the same log.")
    text = f"{old.name}\n{_TITLE}\n{old.verifier.vkey}\n{new.verifier.vkey}\n"
    return Note(text=text, signatures=(sign_text(text, old), sign_text(text, new)))


def keys_since(first: VerifierKey, rotations: Sequence[bytes]) -> tuple[VerifierKey, ...]:
    """All keys of a log, from one that somebody trusts, by the rotations after it. Raises InvalidInput where one does not hold."""
    keys = [first]
    for raw in rotations:
        keys.append(_successor(keys[-1], raw))
    return tuple(keys)


def _successor(old: VerifierKey, raw: bytes) -> VerifierKey:
    note = parse_note(raw)
    lines = note.text.split("\n")
    if len(lines) != 5 or lines[1] != _TITLE or lines[0] != old.name:
        raise InvalidInput(f"This note does not change the key of {old.name!r}; its second line would be {_TITLE!r}.")
    if lines[2] != old.vkey:
        raise InvalidInput(f"The change of keys begins at {lines[2][:120]!r}, not at {old.vkey}; one before it is missing.")
    new = VerifierKey.parse(lines[3])
    if new.name != old.name or new.kind is not KeyKind.LOG:
        raise InvalidInput(f"{new.vkey} is no key of the log {old.name!r}; nothing was changed.")
    signed = {one.key.key_id for one in verify_note(note, [old, new])}
    if signed != {old.key_id, new.key_id}:
        raise InvalidInput(f"The change of keys to {new.vkey} is not signed by both keys; it does not hold.")
    return new
