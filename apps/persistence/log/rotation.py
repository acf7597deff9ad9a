"""This module is the change of a log's key: a note in which the old key names the new one, signed by both, and says what it signed last.

    origin
    key rotation v2
    vkey of the old key
    vkey of the new key
    origin SIZE base64(root)      for each stream's log that the old key signed: its last checkpoint

Whoever knows one of the two keys can go on to the other, and nobody can name a key that is not theirs. From then on the old key counts up
to these checkpoints alone, whoever has it. The first change of an older release (v1) names none, so that its old key goes on counting;
one further change ends that for both. The second line is no number, so that no such note is ever taken for a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import InvalidInput
from .checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint, sign_text, verify_note
from .keys import KeyKind, SigningKey, VerifierKey
from .notes import Note, parse_note

_TITLE = "key rotation v2"
_FIRST_TITLE = "key rotation v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """`new` signs in the place of `old`, whose last checkpoint of each log is in `last` by origin; None where nobody said (v1)."""

    old: VerifierKey
    new: VerifierKey
    last: dict[str, Checkpoint] | None
    note: bytes


def sign_rotation(old: SigningKey, new: SigningKey, last: Iterable[Checkpoint] = ()) -> Note:
    """The note by which `new` signs for the log from now on; `last` is what `old` signed last of each stream's log.

    Raises InvalidInput for keys of two logs, one key twice, and more logs than a note can name.
    """
    if old.name != new.name or KeyKind.WITNESS in (old.kind, new.kind) or old.seed == new.seed:
        raise InvalidInput(f"{new.verifier.vkey} cannot follow {old.verifier.vkey}: it must be another key of the same log.")
    lines = [" ".join(one.text.split("\n")[:3]) for one in last]
    text = "\n".join([old.name, _TITLE, old.verifier.vkey, new.verifier.vkey, *lines, ""])
    note = Note(text=text, signatures=(sign_text(text, old), sign_text(text, new)))
    parse_note(note.raw)
    return note


def changes_since(first: VerifierKey, rotations: Sequence[bytes]) -> tuple[KeyChange, ...]:
    """The changes of a log's key since one that somebody trusts. Raises InvalidInput where one does not hold."""
    changes: list[KeyChange] = []
    for raw in rotations:
        changes.append(_change(changes[-1].new if changes else first, raw))
    return tuple(changes)


def keys_since(first: VerifierKey, rotations: Sequence[bytes]) -> tuple[VerifierKey, ...]:
    """All keys of a log, from one that somebody trusts, by the rotations after it. Raises InvalidInput where one does not hold."""
    return (first, *(change.new for change in changes_since(first, rotations)))


def is_retired(key: VerifierKey, changes: Sequence[KeyChange]) -> bool:
    """Whether a key signs nothing new any more, and the changes say what it signed last."""
    return any(change.last is not None for change in _after(key, changes))


def check_not_retired(signed: SignedCheckpoint, changes: Sequence[KeyChange]) -> None:
    """Raise InvalidInput where the log's signature is only by keys that had stopped to sign before that checkpoint."""
    found = signed.checkpoint
    by = [one.key for one in signed.signatures if one.key.kind is KeyKind.LOG and one.key.name == found.origin]
    refusals = [_refusal(key, found, changes) for key in by]
    if refusals and all(refusals):
        raise InvalidInput(refusals[0])


def _refusal(key: VerifierKey, found: Checkpoint, changes: Sequence[KeyChange]) -> str:
    """Why a key's signature on a checkpoint does not count; empty where it does."""
    named = [change.last.get(found.origin) for change in _after(key, changes) if change.last is not None]
    last = min((one for one in named if one), key=lambda one: one.size) if named and all(named) else None
    if not named or (last and (found.size < last.size or found == last)):
        return ""
    said = f"signed it last at {last.size:,}, root {last.root.hex()}" if last else "signed nothing of it"
    return (
        f"The checkpoint of {found.origin} at {found.size:,}, root {found.root.hex()}, is signed by {key.vkey} alone, which {said} before "
        "another key followed it: whoever has the old key signed this after the change. Go by checkpoints of the newest key."
    )


def _after(key: VerifierKey, changes: Sequence[KeyChange]) -> Sequence[KeyChange]:
    """The changes since a key, under whichever name, signed no more."""
    return next((changes[place:] for place, change in enumerate(changes) if change.old.public == key.public), ())


def _change(old: VerifierKey, raw: bytes) -> KeyChange:
    note = parse_note(raw)
    lines = note.text.split("\n")
    is_first_form = len(lines) == 5 and lines[1] == _FIRST_TITLE
    if lines[0] != old.name or len(lines) < 5 or not (is_first_form or lines[1] == _TITLE):
        raise InvalidInput(f"This note does not change the key of {old.name!r}; its second line would be {_TITLE!r}.")
    if lines[2] != old.vkey:
        raise InvalidInput(f"The change of keys begins at {lines[2][:120]!r}, not at {old.vkey}; one before it is missing.")
    new = VerifierKey.parse(lines[3])
    if new.name != old.name or new.kind is not KeyKind.LOG:
        raise InvalidInput(f"{new.vkey} is no key of the log {old.name!r}; nothing was changed.")
    signed = {one.key.key_id for one in verify_note(note, [old, new])}
    if signed != {old.key_id, new.key_id}:
        raise InvalidInput(f"The change of keys to {new.vkey} is not signed by both keys; it does not hold.")
    return KeyChange(old=old, new=new, last=None if is_first_form else _last(old.name, lines[4:-1]), note=raw)


def _last(name: str, lines: Sequence[str]) -> dict[str, Checkpoint]:
    """What the old key signed last of each log, by origin."""
    found = [parse_checkpoint("\n".join([*line.split(" "), ""])) for line in lines]
    last = {one.origin: one for one in found}
    if len(last) < len(found) or not all(origin.startswith(f"{name}/") for origin in last):
        raise InvalidInput(f"The change of keys of {name!r} names a log twice, or one that is not its own; it does not hold.")
    return last
