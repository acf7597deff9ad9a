"""This module is leaves on which a stream and its log agree: read from the stream, from the log only where that has none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ..errors import HistoryRewritten, InvalidProof
from ..store import Connection
from .kept import logged_leaves
from .leaves import parse_leaf
from .reading import read_leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Some leaves in order; `gone` counts those whose event the stream does not hold any more."""

    leaves: tuple[bytes, ...]
    gone: int


async def agreed_leaves(connection: Connection, stream: str, *, after: int, last: int) -> AsyncIterator[Agreed]:
    """The leaves after `after` up to `last`. Raises HistoryRewritten where what lies in the stream is not what was logged.

    It ends early where a replica is behind. Raises InvalidProof where neither the stream nor the log holds anything of a sequence.
    """
    async for found in read_leaves(connection, stream, after=after, last=last):
        logged = await logged_leaves(connection, stream, first=after + 1, last=after + len(found))
        pairs = list(zip(logged, found, strict=True))
        yield Agreed(leaves=tuple([_agreed(stream, was, is_now) for was, is_now in pairs]), gone=sum(was != now for was, now in pairs))
        after += len(pairs)


def _agreed(stream: str, was: bytes | None, is_now: bytes) -> bytes:
    if was == is_now:
        return is_now
    now = parse_leaf(is_now)
    if was is None and now.cid is None:
        raise InvalidProof(
            f"Neither {stream} nor its log says what sequence {now.sequence:,} held; hold the log against its stream to mend it."
        )
    if was is None:
        return is_now
    before = parse_leaf(was)
    if now.cid is None and before.sequence == now.sequence:
        return was
    raise HistoryRewritten(
        f"{stream} holds {now.cid or 'nothing'} at sequence {now.sequence:,}, and its log says {before.cid or 'nothing'}; "
        "the stream or the log was changed after it was written. Verify the stream."
    )
