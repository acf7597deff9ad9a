"""This module is the older checkpoint that an auditor brings, which evidence is to be shown to go on from."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidInput, InvalidProof
from ..log import Checkpoint, check_consistency
from ..log.kept import prove_consistency, root_at
from ..log.published import LogKeys, open_published, published_before
from ..store import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """An older checkpoint: its note, or its three lines where nobody has the note any more."""

    text: str
    size: int
    root: bytes


async def find_older(connection: Connection, keys: LogKeys, stream: str, given: str, *, newest: Checkpoint) -> Older | None:
    """The checkpoint that `given` is, as its text or as how many leaves it has; None where it is empty.

    Raises InvalidInput where it is none of this log, or the log does not begin with what it says.
    """
    text = given.replace("\r\n", "\n").strip()
    if not text:
        return None
    older = await _of_size(connection, keys, stream, text, newest) if text.isascii() and text.isdigit() else _brought(keys, stream, text)
    if older.size > newest.size:
        raise InvalidInput(
            f"The older checkpoint has {older.size:,} leaves, and the newest of {stream} has {newest.size:,}: the log was rolled back, or "
            "the checkpoint is of another one. Look at it on the audit page."
        )
    same = older.size == newest.size
    try:
        proof = [] if same else await prove_consistency(connection, stream, old_size=older.size, new_size=newest.size)
        check_consistency(old_size=older.size, old_root=older.root, new_size=newest.size, new_root=newest.root, proof=proof)
    except InvalidProof as error:
        raise InvalidInput(
            f"The log of {stream} does not go on from the older checkpoint: {error} Look at it on the audit page."
        ) from error
    return older


def _brought(keys: LogKeys, stream: str, text: str) -> Older:
    opened = keys.open(stream, f"{text}\n".encode())
    if opened.checkpoint.size == 0:
        raise InvalidInput("The older checkpoint is of a log without a single event, which every log extends; it proves nothing.")
    return Older(text=f"{text}\n", size=opened.checkpoint.size, root=opened.checkpoint.root)


async def _of_size(connection: Connection, keys: LogKeys, stream: str, digits: str, newest: Checkpoint) -> Older:
    """The published checkpoint of that size, else what the kept tree says that it was."""
    size = int(digits[:20])
    if not 0 < size <= newest.size:
        raise InvalidInput(f"{digits[:20]} is no size of an older checkpoint of {stream}; 1 to {newest.size:,} are possible.")
    for published in await published_before(connection, stream):
        found = open_published(published, keys).checkpoint
        if found.size == size:
            return Older(text=published.note.decode(), size=size, root=found.root)
    root = await root_at(connection, stream, size)
    return Older(text=Checkpoint(origin=keys.origin(stream), size=size, root=root).text, size=size, root=root)
