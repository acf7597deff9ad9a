"""This module is reading the leaves of a stream's log from the stream itself, sequence by sequence, with Direct Gets alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..encoding import cid_of
from ..store import Connection, get_next, get_stream, read_batch
from .leaves import leaf_bytes

LEAVES_AT_ONCE = 4096
_MESSAGES_AT_ONCE = 1000
_BYTES_AT_ONCE = 8 * 1024 * 1024


async def read_leaves(connection: Connection, stream: str, *, after: int, last: int) -> AsyncIterator[list[bytes]]:
    """The leaves of the sequences after `after` up to `last`, some at a time, none left out.

    It ends early where a replica is behind. Raises StreamNotFound, Unavailable.
    """
    while after < last:
        leaves = await next_leaves(connection, stream, after=after, last=last)
        if not leaves:
            return
        yield leaves
        after += len(leaves)


async def next_leaves(connection: Connection, stream: str, *, after: int, last: int) -> list[bytes]:
    """The first leaves after `after`, up to `last`, which is the stream's last sequence or before it; none while a replica is behind.

    A replica may lack what its disk lost, so with several of them the leader is asked about whatever one passes over, and about what
    comes after its last message; where the leader has a message there, that is where the leaves end. Raises StreamNotFound, Unavailable.
    """
    limit = min(_MESSAGES_AT_ONCE, last - after)
    batch = await read_batch(connection, stream, from_sequence=after + 1, limit=limit, max_bytes=_BYTES_AT_ONCE)
    leaves: list[bytes] = []
    place = after + 1
    for message in batch.messages:
        if message.sequence > place and not await _is_passed_over_rightly(connection, stream, place, message.sequence):
            return leaves or [await _leaf_of_leader(connection, stream, place)]
        end = min(message.sequence, last + 1, after + 1 + LEAVES_AT_ONCE)
        leaves += [leaf_bytes(missing, None) for missing in range(place, end)]
        place = end
        if end < message.sequence or message.sequence > last:
            return leaves
        leaves.append(leaf_bytes(message.sequence, cid_of(message.data)))
        place += 1
    return leaves or await _rest_is_missing(connection, stream, after=after, last=last)


async def _is_passed_over_rightly(connection: Connection, stream: str, place: int, found: int) -> bool:
    """Whether nothing lies from `place` on before `found`, by the leader's word where there is more than one replica."""
    if (await get_stream(connection, stream)).replicas == 1:
        return True
    first = await get_next(connection, stream, from_sequence=place, leader=True)
    return first is None or first.sequence >= found


async def _leaf_of_leader(connection: Connection, stream: str, place: int) -> bytes:
    """The leaf of one sequence as the leader has it."""
    first = await get_next(connection, stream, from_sequence=place, leader=True)
    return leaf_bytes(place, cid_of(first.data) if first is not None and first.sequence == place else None)


async def _rest_is_missing(connection: Connection, stream: str, *, after: int, last: int) -> list[bytes]:
    """Leaves that hold nothing up to the end, if the leader has no message there either."""
    found = await get_next(connection, stream, from_sequence=after + 1, leader=True)
    if found is not None and found.sequence <= last:
        return []
    return [leaf_bytes(missing, None) for missing in range(after + 1, min(last, after + LEAVES_AT_ONCE) + 1)]
