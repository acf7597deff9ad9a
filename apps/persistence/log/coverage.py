"""This module is how far the log of a stream is signed: what is covered, what is not yet and since when, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..errors import InvalidInput, StreamNotFound
from ..events import now
from ..store import Connection, get_next, get_stream
from .checkpoints import SignedCheckpoint
from .kept import LogState, read_log
from .published import LogKeys, Published, open_published, read_published, read_refusal
from .trust import NO_TRUST, Trust, trusted_keys

LATE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The log of one stream, whose last sequence is `last`.

    `checkpoint` is the newest whose signature holds, `published` what was found there; `problem` says why they are not the same.
    `is_foreign` says that the published keys are not those of the log that this process was told.
    `waiting_since` is when the first event was stored that no checkpoint covers; `refusal` is what the signer gives as its reason.
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
        return self.waiting_since is not None and (now() - self.waiting_since).total_seconds() > LATE_SECONDS

    @property
    def alarm(self) -> str:
        """What is wrong, in a few words; empty where nothing is. Where no signer ever was, nothing is late."""
        return self.contradiction or ("newest events not signed" if self.is_late and self.keys else "")

    @property
    def contradiction(self) -> str:
        """What says that the stream is not what was signed, in a few words; empty where nothing does."""
        if self.is_foreign:
            return "another log lies in its place"
        if self.is_cut:
            return "ends before what was signed"
        if self.refusal:
            return "the signer refuses it"
        return "its checkpoint does not hold" if self.problem else ""


async def read_coverage(connection: Connection, stream: str, trust: Trust = NO_TRUST) -> Coverage:
    """How far the log of a stream is signed at this moment, by the keys that this process was told. Raises Unavailable."""
    published = await read_published(connection, stream)
    keys, checkpoint, problem = await _open(connection, published, trust)
    kept = await read_log(connection, stream)
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
    )


async def _open(connection: Connection, published: Published | None, trust: Trust) -> tuple[LogKeys | None, SignedCheckpoint | None, str]:
    """The log's keys, the checkpoint if its signature holds, and why it does not."""
    keys = None
    try:
        keys = await trusted_keys(connection, trust)
        return keys, open_published(published, keys) if published and keys else None, ""
    except InvalidInput as error:
        return keys, None, str(error)
