"""This module is how far the log of a stream is signed: what is covered and witnessed, what is not and since when, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..errors import InvalidInput, StreamNotFound
from ..events import now
from ..store import Connection, get_next, get_stream
from .checkpoints import SignedCheckpoint, verify_note
from .kept import LogState, find_log
from .notes import is_note, parse_note
from .published import LogKeys, Published, open_published, published_before, read_published, read_refusal
from .trust import NO_TRUST, Trust, trusted_keys

LATE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The log of one stream, whose last sequence is `last`.

    `checkpoint` is the newest whose signature holds, `published` what was found there; `problem` says why they are not the same.
    `is_foreign` says that the published keys are not those of the log that this process was told.
    `waiting_since` is when the first event was stored that no checkpoint covers; `refusal` is what the signer gives as its reason.
    `kept_problem` is why the state of the kept tree cannot be read.
    `is_gone` says that its checkpoints were published and nothing of them is there now, where the one who asks knows that.
    `unwitnessed_since` is when the first of the newest checkpoints was published that no witness has cosigned, though one is named.
    """

    stream: str
    last: int
    kept: LogState | None
    keys: LogKeys | None
    published: Published | None
    checkpoint: SignedCheckpoint | None
    problem: str
    refusal: str
    waiting_since: datetime | None
    is_foreign: bool = False
    kept_problem: str = ""
    unwitnessed_since: datetime | None = None
    is_gone: bool = False

    @property
    def cosigned(self) -> int:
        """How many witnesses have cosigned the newest checkpoint."""
        return len({one.key for one in self.checkpoint.witnesses}) if self.checkpoint else 0

    @property
    def covered(self) -> int:
        """Up to which sequence a checkpoint covers the stream."""
        return self.checkpoint.checkpoint.size if self.checkpoint else 0

    @property
    def not_covered(self) -> int:
        """How many sequences came after that."""
        return max(0, self.last - self.covered)

    @property
    def is_cut(self) -> bool:
        """Whether the stream ends before what was signed."""
        return self.covered > self.last

    @property
    def is_late(self) -> bool:
        """Whether an event waits for its checkpoint for longer than it should."""
        return _is_long_ago(self.waiting_since)

    @property
    def is_unwitnessed(self) -> bool:
        """Whether the witness that is named is away for longer than it should."""
        return _is_long_ago(self.unwitnessed_since)

    @property
    def alarm(self) -> str:
        """What is wrong, in a few words; empty where nothing is. Where no signer ever was, nothing is late."""
        if self.contradiction or self.kept_problem:
            return self.contradiction or "its kept log cannot be read"
        if self.is_gone or self.is_garbage:
            return "its published checkpoints are gone" if self.is_gone else "what is published as its checkpoint is none"
        if self.is_late and self.keys:
            return "newest events not signed"
        return f"no witness since {self.unwitnessed_since:%Y-%m-%d %H:%M} UTC" if self.is_unwitnessed else ""

    @property
    def contradiction(self) -> str:
        """What says that the stream is not what was signed, in a few words; empty where nothing does."""
        if self.is_foreign:
            return "another log lies in its place"
        if self.is_cut:
            return "ends before what was signed"
        if self.refusal:
            return "the signer refuses it"
        return "its checkpoint does not hold" if self.problem and not self.is_garbage else ""

    @property
    def is_garbage(self) -> bool:
        """Whether what is published in the place of its checkpoint is no signed note at all: that says nothing of the stream."""
        return self.published is not None and not is_note(self.published.note)


async def read_coverage(connection: Connection, stream: str, trust: Trust = NO_TRUST) -> Coverage:
    """How far the log of a stream is signed at this moment, by the keys that this process was told. Raises Unavailable."""
    published = await read_published(connection, stream)
    keys, checkpoint, problem = await _open(connection, published, trust)
    kept, kept_problem = await find_log(connection, stream)
    try:
        last = (await get_stream(connection, stream)).last_sequence
    except StreamNotFound:
        last = 0
    covered = checkpoint.checkpoint.size if checkpoint else 0
    first = await get_next(connection, stream, from_sequence=covered + 1) if covered < last else None
    return Coverage(
        stream=stream,
        last=last,
        kept=kept,
        keys=keys,
        published=published,
        checkpoint=checkpoint,
        problem=problem,
        refusal=await read_refusal(connection, stream),
        waiting_since=first.time if first else None,
        is_foreign=bool(problem) and keys is None and trust.log_key is not None,
        kept_problem=kept_problem,
        unwitnessed_since=await _unwitnessed_since(connection, stream, keys) if keys and checkpoint and not checkpoint.witnesses else None,
    )


async def _unwitnessed_since(connection: Connection, stream: str, keys: LogKeys) -> datetime | None:
    """When the first of the newest checkpoints without a cosignature was published; None where nobody names a witness."""
    since = None
    for one in await published_before(connection, stream) if keys.witnesses else ():
        try:
            if verify_note(parse_note(one.note), keys.witnesses):
                break
        except InvalidInput:
            pass  # what cannot be read, or was forged, has no witness either
        since = one.at
    return since


def _is_long_ago(since: datetime | None) -> bool:
    return since is not None and (now() - since).total_seconds() > LATE_SECONDS


async def _open(connection: Connection, published: Published | None, trust: Trust) -> tuple[LogKeys | None, SignedCheckpoint | None, str]:
    """The log's keys, the checkpoint if its signature holds, and why it does not."""
    keys = None
    try:
        keys = await trusted_keys(connection, trust)
        return keys, open_published(published, keys) if published and keys else None, ""
    except InvalidInput as error:
        return keys, None, str(error)
