"""This module is reading single messages and pages of a stream without a consumer: Direct Get (ADR-31), or the leader.

Direct Get is answered by any replica, so it may be a moment behind an acknowledgement; `leader=True` asks the leader. Where a stream
forbids Direct Get everything falls back to the leader, message by message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import EventNotFound
from ..events import format_time
from .client import parse_headers
from .connection import Connection
from .direct import MAX_MATCHES, TooManyMatches, ask_direct, get_one
from .message import Message, from_direct
from .one_by_one import first_since, newest_of_each, scan

__all__ = [
    "MAX_MATCHES",
    "Batch",
    "TooManyMatches",
    "at_time",
    "get_last",
    "get_message",
    "get_next",
    "last_of_each",
    "read_batch",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some messages in stream order; `pending` counts those that match and come after them (exact only where the server says so)."""

    messages: tuple[Message, ...]
    pending: int


async def get_message(connection: Connection, stream: str, sequence: int, *, leader: bool = False) -> Message:
    """The message at `sequence`. Raises EventNotFound, StreamNotFound or Unavailable."""
    message = await get_one(connection, stream, {"seq": sequence}, leader=leader)
    if message is None:
        raise EventNotFound(stream, sequence)
    return message


async def get_last(connection: Connection, stream: str, pattern: str, *, leader: bool = False) -> Message | None:
    """The newest message whose subject matches `pattern`, or None."""
    return await get_one(connection, stream, {"last_by_subj": pattern}, leader=leader)


async def get_next(
    connection: Connection, stream: str, *, from_sequence: int = 1, pattern: str = ">", leader: bool = False
) -> Message | None:
    """The first message at or after `from_sequence` whose subject matches `pattern`, or None."""
    return await get_one(connection, stream, {"seq": max(1, from_sequence), "next_by_subj": pattern}, leader=leader)


async def at_time(connection: Connection, stream: str, moment: datetime, *, pattern: str = ">") -> Message | None:
    """The first message that was stored at or after `moment`, or None."""
    body = {"start_time": format_time(moment), "next_by_subj": pattern}
    replies = await ask_direct(connection, stream, body | {"batch": 1}, many=True)
    if replies is None:
        return await first_since(connection, stream, moment, pattern=pattern)
    found = [reply for reply in replies if not reply.status]
    return from_direct(*found[0]) if found else None


async def read_batch(
    connection: Connection, stream: str, *, from_sequence: int = 1, limit: int = 200, pattern: str = ">", max_bytes: int = 0
) -> Batch:
    """Up to `limit` messages from `from_sequence` on that match `pattern`, in order, at most about `max_bytes` (0: no limit)."""
    body: dict[str, Any] = {"seq": max(1, from_sequence), "next_by_subj": pattern, "batch": limit}
    if max_bytes:
        body["max_bytes"] = max_bytes
    replies = await ask_direct(connection, stream, body, many=True)
    if replies is None:
        found, is_end = await scan(connection, stream, from_sequence=from_sequence, limit=limit, pattern=pattern)
        return Batch(messages=tuple(found), pending=0 if is_end else 1)
    messages = tuple(from_direct(*reply) for reply in replies if not reply.status)
    end = parse_headers(replies[-1].raw_headers) if replies[-1].status == "204" else {}
    return Batch(messages=messages, pending=int(end.get("Nats-Num-Pending", 0)))


async def last_of_each(
    connection: Connection,
    stream: str,
    patterns: Sequence[str],
    *,
    up_to_sequence: int | None = None,
    up_to_time: datetime | None = None,
) -> list[Message]:
    """The newest message of every subject that matches one of `patterns`, in stream order (`multi_last`).

    Raises TooManyMatches above 1,024 subjects.
    """
    body: dict[str, Any] = {"multi_last": list(patterns)}
    if up_to_sequence is not None:
        body["up_to_seq"] = up_to_sequence
    if up_to_time is not None:
        body["up_to_time"] = format_time(up_to_time)
    replies = await ask_direct(connection, stream, body, many=True)
    if replies is None:
        return await newest_of_each(connection, stream, patterns, up_to_sequence=up_to_sequence, up_to_time=up_to_time)
    return [from_direct(*reply) for reply in replies if not reply.status]
