"""This module is finding the first leaf that is not what the signer signed: its own copy beside what the stream holds now.

What the stream holds no more is taken from the kept tree, as retention and purges remove events; that too must be what was signed.
"""

from __future__ import annotations

import secrets

from ..encoding import Cid
from ..errors import HistoryRewritten, InvalidInput, StreamNotFound, Unavailable
from ..store import Connection, get_stream
from .answers import Difference
from .kept import logged_leaf, logged_leaves
from .leaves import parse_leaf
from .reading import read_leaves
from .signed_leaves import SignedLeaves

LEAVES_AT_A_PLACE = 64


async def find_difference(
    connection: Connection, stream: str, copy: SignedLeaves, last: int, *, after: int = 0, is_held: bool = False
) -> Difference | None:
    """The first of the leaves after `after` up to `last` that differs, None where all are what was signed.

    The copy holds at least `last` leaves. With `is_held` only what the stream holds counts, as its kept tree is gone. Raises Unavailable,
    InvalidInput.
    """
    try:
        end = min(last, (await get_stream(connection, stream)).last_sequence)
        place = after
        async for found in read_leaves(connection, stream, after=after, last=end):
            signed = copy.read(after=place, last=place + len(found))
            if found != signed and (difference := await _first(connection, stream, signed, found, is_held=is_held)):
                return difference
            place += len(found)
    except StreamNotFound:
        end = place = 0
    if place < end:
        raise Unavailable(f"A replica of {stream} is behind: it was read to {place:,} of {end:,}; ask again.")
    if place >= last:
        return None
    return Difference(sequence=place + 1, expected=parse_leaf(copy.read(after=place, last=place + 1)[0]).cid, found=None)


async def find_at_some_places(
    connection: Connection, stream: str, copy: SignedLeaves, size: int, *, is_held: bool = False
) -> Difference | None:
    """As `find_difference`, but only among the newest leaves and some at a place that nobody can foretell: quick, at any size."""
    for end in (size, secrets.randbelow(size) + 1):
        if difference := await find_difference(connection, stream, copy, end, after=max(0, end - LEAVES_AT_A_PLACE), is_held=is_held):
            return difference
    return None


def rewritten(stream: str, size: int, difference: Difference) -> HistoryRewritten:
    """The difference in words, as the reason for which nothing is signed."""
    lost = " If it was removed on purpose, its log was lost: `check-log` with mend restores it from the signer's copy."
    return HistoryRewritten(
        f"{stream} is not what was signed up to {size:,}. The first difference is at sequence {difference.sequence:,}: signed was "
        f"{difference.expected or 'that it holds nothing'}, and there is {difference.found or 'nothing'} now."
        f"{'' if difference.found else lost}"
    )


async def _first(connection: Connection, stream: str, signed: list[bytes], found: list[bytes], *, is_held: bool) -> Difference | None:
    """The first difference among some leaves, where those that the stream holds no more are as they were logged."""
    first = parse_leaf(signed[0]).sequence
    logged = await logged_leaves(connection, stream, first=first, last=first + len(found) - 1)
    for expected, is_now, was in zip(signed, found, logged, strict=True):
        leaf, is_there = parse_leaf(expected), parse_leaf(is_now).cid is not None
        if expected == (is_now if is_there else was) or (is_held and not is_there):
            continue
        held = is_now if is_there else await logged_leaf(connection, stream, leaf.sequence) or is_now
        if held != expected:
            return Difference(sequence=leaf.sequence, expected=leaf.cid, found=_cid_at(leaf.sequence, held))
    return None


def _cid_at(sequence: int, held: bytes) -> Cid | None:
    """The CID in what lies at this sequence; None where that is no leaf of it."""
    try:
        leaf = parse_leaf(held)
    except InvalidInput:
        return None
    return leaf.cid if leaf.sequence == sequence else None
