"""This module is one key of a bucket: its revisions, the value of one of them, and any two held beside each other.

Values are read in parts and only those that are shown are kept, so that a key of 64 large revisions does not fill the memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.display.differences import Lines
from apps.persistence.errors import NotFound
from apps.persistence.store import Message, Store, get_last, get_next, read_batch

from .buckets import Bucket, get_bucket
from .revisions import Revision, subject_of, to_revision
from .shown import compare_bytes, is_comparable

LISTED_REVISIONS = 100
LONGEST_TOPIC = 300
_PART = 32
_PART_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuery:
    """`revision` is the one whose value is shown, None the newest; `older` and `newer` are those to compare."""

    revision: int | None = None
    older: int | None = None
    newer: int | None = None
    is_full: bool = False

    @property
    def wanted(self) -> frozenset[int]:
        return frozenset(number for number in (self.revision, self.older, self.newer) if number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two revisions held against each other; `reason` says why there is nothing to see."""

    older: int
    newer: int
    lines: Lines | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key's page: its revisions, newest first, and the value of the one that is shown. `left_out`: the newest are not all listed."""

    bucket: Bucket
    key: str
    newest: Revision
    revisions: tuple[Revision, ...]
    shown: Revision | None
    message: Message | None
    difference: Difference | None
    left_out: bool
    is_full: bool = False
    problem: str = ""

    @property
    def topic(self) -> str:
        """What tells of a change; nothing where the key is too long for a topic."""
        topic = f"key:{self.bucket.name}/{self.key}"
        return topic if len(topic) <= LONGEST_TOPIC else ""

    @property
    def before(self) -> dict[int, int]:
        """The revision before each, where it is kept."""
        return {one.number: other.number for one, other in zip(self.revisions, self.revisions[1:], strict=False)}

    @property
    def rows(self) -> list[tuple[Revision, int | None]]:
        """Each revision with the one before it."""
        before = self.before
        return [(one, before.get(one.number)) for one in self.revisions]


async def read_key(store: Store, name: str, key: str, query: KeyQuery) -> KeyView:
    """A key with its history. Raises NotFound, InvalidInput for what is no key, Unavailable."""
    bucket = await get_bucket(store, "keys", name)
    subject = subject_of(bucket, key)
    last = await get_last(store.connection, bucket.info.name, subject)
    if last is None:
        raise NotFound(f"{bucket.name} holds no key {key[:80]!r}; it may have been purged, have expired, or is spelled differently.")
    revisions, kept, is_all = await _history(store, bucket, subject, query.wanted)
    kept[last.sequence] = last
    newest = to_revision(bucket, last)
    if newest.number not in {one.number for one in revisions}:
        revisions.append(newest)
    wanted = query.revision or newest.number
    message = kept.get(wanted)
    return KeyView(
        bucket=bucket,
        key=key,
        newest=newest,
        revisions=tuple(sorted(revisions, key=lambda one: -one.number)),
        shown=to_revision(bucket, message) if message else None,
        message=message,
        difference=_difference(kept, query),
        left_out=not is_all,
        is_full=query.is_full,
        problem="" if message else f"Revision {wanted:,} of {key} is not kept any more; the bucket keeps those below.",
    )


async def _history(store: Store, bucket: Bucket, subject: str, wanted: frozenset[int]) -> tuple[list[Revision], dict[int, Message], bool]:
    """The oldest LISTED_REVISIONS, the messages of those that are wanted, and whether these are all there are."""
    revisions: list[Revision] = []
    kept: dict[int, Message] = {}
    position = 1
    while len(revisions) < LISTED_REVISIONS:
        part = await read_batch(
            store.connection, bucket.info.name, from_sequence=position, limit=_PART, pattern=subject, max_bytes=_PART_BYTES
        )
        for message in part.messages:
            revisions.append(to_revision(bucket, message))
            if message.sequence in wanted:
                kept[message.sequence] = message
        if not part.messages or not part.pending:
            return revisions, kept, True
        position = part.messages[-1].sequence + 1
    return revisions, kept, False


def _difference(kept: dict[int, Message], query: KeyQuery) -> Difference | None:
    if not query.older or not query.newer:
        return None
    older, newer = sorted((query.older, query.newer))
    gone = [number for number in (older, newer) if number not in kept]
    if gone:
        return Difference(older=older, newer=newer, reason=f"Revision {gone[0]:,} of this key is not kept; choose another.")
    before, after = kept[older].data, kept[newer].data
    if not is_comparable(before, after):
        return Difference(older=older, newer=newer, reason="Values above 256 KB are not compared here; download both.")
    lines = compare_bytes(before, after)
    return Difference(older=older, newer=newer, lines=lines, reason="" if lines.lines else "Both revisions hold the same bytes.")


async def read_value(store: Store, name: str, key: str, revision: int) -> Message:
    """The message of one revision. Raises NotFound where the key has no such revision, InvalidInput, Unavailable."""
    bucket = await get_bucket(store, "keys", name)
    subject = subject_of(bucket, key)
    found = await get_next(store.connection, bucket.info.name, from_sequence=revision, pattern=subject)
    if found is None or found.sequence != revision:
        raise NotFound(f"{key[:80]!r} of {bucket.name} has no revision {revision:,}; open the key to see those that are kept.")
    return found
