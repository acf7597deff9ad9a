"""This module is the one field by which a person names a place in a stream: a sequence, a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from ..errors import InvalidInput
from .connection import Connection
from .read import at_time
from .streams import get_stream

GREATEST_SEQUENCE = 2**63 - 1
FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(
    2262, 1, 1, tzinfo=UTC
)  # the server counts nanoseconds since 1970 in 64 bits; a later time comes out as one long ago
HOW_TO_WRITE = "write a sequence such as 812345, a time such as 2026-11-21T10:40 (UTC), or an age such as 10 minutes ago"

_SEQUENCE = re.compile(r"\d{1,3}(?:[,_ ]\d{3})+|\d+", re.ASCII)
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?", re.ASCII)
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)(?:\s+ago)?", re.ASCII)
_UNITS = {
    "s": 1, "sec": 1, "second": 1,
    "m": 60, "min": 60, "minute": 60,
    "h": 3600, "hour": 3600,
    "d": 86400, "day": 86400,
    "w": 604800, "week": 604800,
}  # fmt: skip

Position = int | datetime


def parse_position(text: str, now: datetime) -> Position:
    """The sequence or the moment that `text` names. A time without a zone is UTC; a clock alone is of today.

    A moment before or after all that a server can tell is the first or the last that it can. Raises InvalidInput.
    """
    text = text.strip()
    found = _as_sequence(text) or _as_age(text.lower(), now) or _as_clock(text, now) or _as_time(text)
    if found is None:
        raise InvalidInput(f"{text[:60]!r} is neither a sequence nor a time; {HOW_TO_WRITE}.")
    return found if isinstance(found, int) else min(max(found, FIRST_MOMENT), LAST_MOMENT).astimezone(UTC)


def parse_sequence(text: str) -> int:
    """The sequence in an address. Raises InvalidInput."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:30]) <= GREATEST_SEQUENCE or len(text) > 19:
        raise InvalidInput(f"{text[:60]!r} is no sequence; write a whole number from 1 on, such as 812345.")
    return int(text)


def _as_sequence(text: str) -> int | None:
    if not _SEQUENCE.fullmatch(text):
        return None
    digits = re.sub(r"[,_ ]", "", text)
    if len(digits) > 19 or int(digits) > GREATEST_SEQUENCE:
        raise InvalidInput(f"{text[:60]!r} is larger than any sequence; the greatest is {GREATEST_SEQUENCE:,}.")
    return max(1, int(digits))


def _as_age(text: str, now: datetime) -> datetime | None:
    if text in ("now", "today", "yesterday"):
        midnight = datetime.combine(now.date(), time(), UTC)
        return {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}[text]
    found = _AGE.fullmatch(text)
    if found is None:
        return None
    unit = found[2].removesuffix("s") or "s"
    if unit not in _UNITS:
        return None
    try:
        return now - timedelta(seconds=float(found[1]) * _UNITS[unit])
    except OverflowError as error:
        raise InvalidInput(f"{text[:60]!r} is before the calendar begins; {HOW_TO_WRITE}.") from error


def _as_clock(text: str, now: datetime) -> datetime | None:
    if not _CLOCK.fullmatch(text):
        return None
    try:
        return datetime.combine(now.date(), time.fromisoformat(f"0{text}" if text[1] == ":" else text), UTC)
    except ValueError:
        return None


def _as_time(text: str) -> datetime | None:
    try:
        if len(text) == len("2026-11-21"):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def sequence_at(connection: Connection, stream: str, text: str) -> int:
    """The sequence that `text` names in a stream: of the first message at or after a time, or the next one where there is none yet.

    Raises InvalidInput for what is neither sequence nor time, StreamNotFound.
    """
    place = parse_position(text, datetime.now(UTC))
    if isinstance(place, int):
        return place
    found = await at_time(connection, stream, place)
    return found.sequence if found else (await get_stream(connection, stream)).last_sequence + 1


async def last_sequence_at(connection: Connection, stream: str, text: str) -> int:
    """The sequence up to which `text` means a stream: of the last message that was stored until a time, or the sequence itself.

    Raises InvalidInput for what is neither sequence nor time, and where nothing was stored until that time, StreamNotFound.
    """
    place = parse_position(text, datetime.now(UTC))
    if isinstance(place, int):
        return place
    info = await get_stream(connection, stream)
    after = await at_time(connection, stream, place + timedelta(microseconds=1))
    last = after.sequence - 1 if after else info.last_sequence
    if not info.messages or last < info.first_sequence:
        raise InvalidInput(f"{stream} holds no event up to {text[:60]}.")
    return last
