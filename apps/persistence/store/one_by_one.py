"""This module is reading message by message: for streams that forbid Direct Get, and for servers older than 2.11. Slow, but the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from .connection import Connection
from .direct import MAX_MATCHES, TooManyMatches, get_one
from .message import Message
from .streams import get_stream


async def scan(connection: Connection, stream: str, *, from_sequence: int, limit: int, pattern: str) -> tuple[list[Message], bool]:
    """Up to `limit` messages that match, in order, and whether the end of the stream was reached."""
    found: list[Message] = []
    position = max(1, from_sequence)
    while len(found) < limit:
        message = await get_one(connection, stream, {"seq": position, "next_by_subj": pattern})
        if message is None:
            return found, True
        found.append(message)
        position = message.sequence + 1
    return found, False


async def first_since(connection: Connection, stream: str, moment: datetime, *, pattern: str) -> Message | None:
    """The first match that was stored at or after `moment`: the sequences are halved until it is found."""
    info = await get_stream(connection, stream)
    low, high = max(1, info.first_sequence), info.last_sequence + 1
    found: Message | None = None
    while low < high:
        middle = (low + high) // 2
        message = await get_one(connection, stream, {"seq": middle, "next_by_subj": pattern})
        if message is None:
            high = middle
        elif message.time >= moment:
            found, high = message, middle
        else:
            low = message.sequence + 1
    return found


async def newest_of_each(
    connection: Connection, stream: str, patterns: Sequence[str], *, up_to_sequence: int | None, up_to_time: datetime | None
) -> list[Message]:
    """The newest message of every matching subject, in stream order. Raises TooManyMatches above 1,024, as the server would."""
    newest: dict[str, Message] = {}
    for pattern in patterns:
        if "*" not in pattern and ">" not in pattern and up_to_sequence is None and up_to_time is None:
            message = await get_one(connection, stream, {"last_by_subj": pattern})
            found = [message] if message else []
        else:
            found, _ = await scan(connection, stream, from_sequence=1, limit=MAX_MATCHES * 8, pattern=pattern)
        for message in found:
            is_late = (up_to_sequence is not None and message.sequence > up_to_sequence) or (
                up_to_time is not None and message.time > up_to_time
            )
            if not is_late:
                newest[message.subject] = message
        if len(newest) > MAX_MATCHES:
            raise TooManyMatches(f"More than {MAX_MATCHES:,} subjects of {stream} match; narrow the filter.")
    return sorted(newest.values(), key=lambda message: message.sequence)
