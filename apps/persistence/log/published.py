"""This module is where checkpoints are published: the bucket `cim-log-checkpoints`, which everybody may read and only the signer writes.

The key of a stream holds its newest checkpoint, with the last 64 before it, and `{stream}.refusal` why none was signed since. The key
`_keys` holds the vkeys of the log and the notes by which each followed the one before. Nothing here is trusted because it lies here: a
checkpoint counts by its signature, and the first vkey is the one that somebody noted elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..encoding import decode, encode
from ..errors import EncodingError, InvalidInput, StreamNotFound
from ..store import Connection, KvEntry, ensure_bucket, kv_get, kv_history, kv_put, kv_revision
from .checkpoints import SignedCheckpoint, open_checkpoint
from .keys import VerifierKey
from .notes import is_note
from .rotation import KeyChange, changes_since, check_not_retired, is_retired

CHECKPOINTS_BUCKET = "cim-log-checkpoints"
CHECKPOINTS_KEPT = 64
_KEYS = "_keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published checkpoint of a stream; `at` is when the server stored it, which a heartbeat renews."""

    stream: str
    note: bytes
    at: datetime
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeys:
    """The keys of a log since its first, under its bare name; those of its witnesses; the changes by which each key followed."""

    name: str
    vkeys: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...] = ()
    changes: tuple[KeyChange, ...] = ()

    def origin(self, stream: str) -> str:
        """The name of the log of one stream."""
        return f"{self.name}/{stream}"

    def of(self, stream: str) -> list[VerifierKey]:
        """The keys that may have signed a checkpoint of this stream."""
        return [*(key.named(self.origin(stream)) for key in self.vkeys), *self.witnesses]

    def signing(self, stream: str) -> list[VerifierKey]:
        """The keys that may sign something new of this stream: those that no change has ended."""
        return [key.named(self.origin(stream)) for key in self.vkeys if not is_retired(key, self.changes)]

    def open(self, stream: str, note: bytes) -> SignedCheckpoint:
        """A checkpoint of this stream, once its signature holds, by a key that signed then. Raises InvalidInput."""
        found = open_checkpoint(note, self.of(stream), origin=self.origin(stream))
        check_not_retired(found, self.changes)
        return found


def keys_from(first: VerifierKey, rotations: Sequence[bytes], *, witnesses: Sequence[VerifierKey] = ()) -> LogKeys:
    """The keys of a log since its first, by the notes in which each named the next. Raises InvalidInput where one does not hold."""
    changes = changes_since(first, rotations)
    return LogKeys(name=first.name, vkeys=(first, *(change.new for change in changes)), witnesses=tuple(witnesses), changes=changes)


async def ensure_checkpoints(connection: Connection) -> None:
    """Create the bucket where it is missing."""
    await ensure_bucket(connection, CHECKPOINTS_BUCKET, history=CHECKPOINTS_KEPT)


async def publish_checkpoint(connection: Connection, stream: str, note: bytes, *, revision: int) -> int:
    """Put a checkpoint in the place of the one at `revision` (0: there is none). Raises RevisionConflict where there is another by now."""
    return await kv_put(connection, CHECKPOINTS_BUCKET, stream, note, expected_revision=revision)


async def publish_refusal(connection: Connection, stream: str, reason: str) -> None:
    """Say why the stream's log is not signed; an empty reason takes that back. Writes nothing where that is said already."""
    if await read_refusal(connection, stream) != reason:
        await kv_put(connection, CHECKPOINTS_BUCKET, f"{stream}.refusal", reason.encode())


async def read_refusal(connection: Connection, stream: str) -> str:
    """Why the stream's log is not signed any more; empty while it is."""
    try:
        entry = await kv_get(connection, CHECKPOINTS_BUCKET, f"{stream}.refusal")
    except StreamNotFound:
        return ""
    return entry.value.decode(errors="replace") if entry else ""


async def publish_keys(
    connection: Connection, keys: Sequence[tuple[str, bytes]], witnesses: Sequence[str] = (), *, only_where_missing: bool = False
) -> None:
    """Publish the vkeys of a log, oldest first, each with the note by which it followed, and those of its witnesses.

    With `only_where_missing` others that lie there are left: two signers would otherwise replace each other's for ever.
    """
    block = encode({"vkeys": [vkey for vkey, _ in keys], "rotations": [note for _, note in keys[1:]], "witnesses": list(witnesses)})
    entry = await kv_get(connection, CHECKPOINTS_BUCKET, _KEYS, leader=True)
    if entry is None or (entry.value != block and not only_where_missing):
        await kv_put(connection, CHECKPOINTS_BUCKET, _KEYS, block)


async def read_published(connection: Connection, stream: str, *, leader: bool = False) -> Published | None:
    """The newest checkpoint of a stream, or None where none was published."""
    try:
        entry = await kv_get(connection, CHECKPOINTS_BUCKET, stream, leader=leader)
    except StreamNotFound:
        return None
    return _published(stream, entry) if entry else None


async def vacant_at(connection: Connection, stream: str) -> int | None:
    """None where a checkpoint of the stream is published; else the revision of what lies in its place, such as its removal, 0 for nothing.

    What is no signed note says nothing, and is taken for nothing. Raises StreamNotFound where the whole bucket is gone.
    """
    for leader in (False, True):
        found = await read_published(connection, stream, leader=leader)
        if found is not None and is_note(found.note):
            return None
    return found.revision if found else await kv_revision(connection, CHECKPOINTS_BUCKET, stream)


async def published_before(connection: Connection, stream: str) -> list[Published]:
    """The checkpoints of a stream that are still kept, newest first."""
    try:
        entries = await kv_history(connection, CHECKPOINTS_BUCKET, stream)
    except StreamNotFound:
        return []
    return [_published(stream, entry) for entry in reversed(entries) if entry.operation == "put"]


async def read_keys(connection: Connection) -> LogKeys | None:
    """The published keys of the log, each led to by the one before; None where there is no signer yet. Raises InvalidInput."""
    try:
        entry = await kv_get(connection, CHECKPOINTS_BUCKET, _KEYS)
    except StreamNotFound:
        return None
    return parse_keys(entry.value) if entry else None


def parse_keys(block: bytes) -> LogKeys:
    """The keys of a log as they are published. Raises InvalidInput where one does not follow from the one before it."""
    try:
        value: Any = decode(block)
        vkeys, rotations, witnesses = value["vkeys"], value["rotations"], value["witnesses"]
        first = VerifierKey.parse(vkeys[0])
    except (EncodingError, LookupError, TypeError) as error:
        raise InvalidInput(f"The published keys of the log cannot be read: {error}. The signer publishes them when it starts.") from error
    found = keys_from(first, rotations, witnesses=[VerifierKey.parse(text) for text in witnesses])
    if [key.vkey for key in found.vkeys] != vkeys:
        raise InvalidInput("The published keys of the log are not those that its changes of keys lead to; somebody changed them.")
    return found


def open_published(published: Published, keys: LogKeys) -> SignedCheckpoint:
    """The checkpoint, once its signature holds, by a key that signed then. Raises InvalidInput."""
    return keys.open(published.stream, published.note)


def _published(stream: str, entry: KvEntry) -> Published:
    return Published(stream=stream, note=entry.value, at=entry.time, revision=entry.revision)
