"""This module is what holds a log from outside: what is published, what the signer itself answers now, what the witness has seen.

Each is worth as much as the one who gives it is out of reach of who rules the server. A verdict names those that there were, and those
that there were not.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..errors import InvalidInput, Unavailable
from ..events import now
from ..store import Connection, Reply
from .answers import ASKED_SUBJECTS, NONCE_BYTES, Difference, Question, SignerAnswer, asked_subject, open_answer
from .checkpoints import Checkpoint
from .published import LogKeys, open_published, read_published
from .trust import Trust, trusted_keys

ANSWER_SECONDS = 5.0
COMPARE_SECONDS = 600.0

__all__ = ["Anchor", "AnchorSource", "Anchors", "Difference", "SignerAnswer", "ask_leaves", "ask_signer", "read_anchors"]


class AnchorSource(StrEnum):
    """Who says what the log was."""

    PUBLISHED = "published"
    SIGNER = "signer"
    WITNESS = "witness"
    BROUGHT = "brought"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What the log was, as `who` says, whose signature holds; `at` is when that was said, None where nobody says it."""

    source: AnchorSource
    checkpoint: Checkpoint
    at: datetime | None
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What was found, and in a sentence each why something is missing, or was refused: a signature does not hold, or is another's."""

    found: tuple[Anchor, ...]
    missing: tuple[str, ...]
    refused: tuple[str, ...] = ()

    def of(self, source: AnchorSource) -> Anchor | None:
        """The one from this source."""
        return next((one for one in self.found if one.source is source), None)


_Read = Callable[[Connection, str, Trust], Awaitable[Anchor]]


async def read_anchors(connection: Connection, stream: str, trust: Trust) -> Anchors:
    """Ask all that there are about one stream, at the same time, so that those who are silent do not add up.

    Why one is not there is said in `missing`, what is wrong with one in `refused`.
    """
    found: list[Anchor] = []
    missing: list[str] = []
    refused: list[str] = []
    for said in await asyncio.gather(*(_said_by(read, connection, stream, trust) for read in (_published, _signer, _witness))):
        if isinstance(said, Anchor):
            found.append(said)
        else:
            (missing if isinstance(said, Unavailable) else refused).append(str(said))
    return Anchors(found=tuple(found), missing=tuple(missing), refused=tuple(dict.fromkeys(refused)))


async def _said_by(read: _Read, connection: Connection, stream: str, trust: Trust) -> Anchor | Unavailable | InvalidInput:
    """What one of them says, or why nothing."""
    try:
        return await read(connection, stream, trust)
    except (Unavailable, InvalidInput) as error:
        return error


async def ask_signer(
    connection: Connection, stream: str, trust: Trust, *, compare: bool = False, timeout_seconds: float | None = None
) -> SignerAnswer:
    """What the signer signed last of a stream, from its own disk, at this moment.

    With `compare` it reads all that it signed again, and names the first leaf that differs from its own copy.
    Raises Unavailable where none answers, InvalidInput where no answer holds.
    """
    seconds = timeout_seconds or (COMPARE_SECONDS if compare else ANSWER_SECONDS)
    return await _ask(connection, stream, trust, Question(nonce=os.urandom(NONCE_BYTES), compare=compare), seconds)


async def ask_leaves(connection: Connection, stream: str, trust: Trust, *, after: int, last: int) -> list[bytes]:
    """The leaves after `after` up to `last` as the signer keeps them on its own disk; fewer where it signed fewer, or has no copy.

    Raises Unavailable where none answers, InvalidInput where no answer holds.
    """
    leaves: list[bytes] = []
    while after + len(leaves) < last:
        question = Question(nonce=os.urandom(NONCE_BYTES), after=after + len(leaves))
        answer = await _ask(connection, stream, trust, question, ANSWER_SECONDS)
        if not answer.leaves:
            break
        leaves += answer.leaves
    return leaves[: last - after]


async def _ask(connection: Connection, stream: str, trust: Trust, question: Question, seconds: float) -> SignerAnswer:
    """The first answer that holds."""
    keys = await _keys(connection, trust)
    held: list[SignerAnswer] = []
    wrong: list[InvalidInput] = []

    def is_last(reply: Reply) -> bool:
        """What does not hold is passed over: anybody who may listen can answer before the signer does."""
        if reply.status:
            return True
        try:
            held.append(open_answer(reply.data, question, keys.signing(stream), origin=keys.origin(stream), at=now()))
        except InvalidInput as error:
            wrong.append(error)
        return bool(held)

    try:
        await connection.request_many(asked_subject(stream), question.raw, is_last, timeout=seconds)
    except Unavailable as error:
        raise wrong[0] if wrong else error from error
    if not held:
        raise Unavailable(f"No signer answers about {stream}; start it, or let its NATS user subscribe to {ASKED_SUBJECTS}.")
    return held[0]


async def _keys(connection: Connection, trust: Trust) -> LogKeys:
    """The keys by which an answer is judged. Raises Unavailable where there are none."""
    try:
        keys = await trusted_keys(connection, trust)
    except InvalidInput:
        keys = trust.keys
        if keys is None:
            raise
    if keys is None:
        raise Unavailable(
            "No signer's keys are published here; start a signer: it publishes them within seconds, also where they were removed."
        )
    return keys


async def _published(connection: Connection, stream: str, trust: Trust) -> Anchor:
    keys, published = await trusted_keys(connection, trust), await read_published(connection, stream)
    if keys is None or published is None:
        raise Unavailable(
            f"No checkpoint of {stream} is published; a signer that runs publishes its newest within seconds, also where it was removed."
        )
    opened = open_published(published, keys)
    return Anchor(source=AnchorSource.PUBLISHED, checkpoint=opened.checkpoint, at=published.at, who=keys.name)


async def _signer(connection: Connection, stream: str, trust: Trust) -> Anchor:
    keys, answer = await _keys(connection, trust), await ask_signer(connection, stream, trust)
    if answer.size == 0:
        raise Unavailable(f"The signer has signed nothing of {stream} yet.")
    checkpoint = Checkpoint(origin=keys.origin(stream), size=answer.size, root=answer.root)
    return Anchor(source=AnchorSource.SIGNER, checkpoint=checkpoint, at=answer.at, who=keys.name)


async def _witness(connection: Connection, stream: str, trust: Trust) -> Anchor:
    if trust.witness is None:
        raise Unavailable("No witness is named (CIM_WITNESS): nobody beside the signer says what was signed.")
    keys = await _keys(connection, trust)
    seen = await trust.witness.newest(keys.origin(stream))
    if seen is None:
        raise Unavailable(f"The witness {trust.witness.key.name} has seen no checkpoint of {stream}.")
    return Anchor(source=AnchorSource.WITNESS, checkpoint=seen.checkpoint, at=seen.at, who=trust.witness.key.name)
