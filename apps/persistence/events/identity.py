"""This module is how events are named and dated: UUIDv7 (RFC 9562) and RFC 3339 times in UTC with microseconds."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime

from ..errors import InvalidEvent, InvalidInput

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """A new UUIDv7 in its text form: sorts by the millisecond in which it was made."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80 | int.from_bytes(os.urandom(10))) & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def check_uuid(text: object, what: str) -> str:
    """Return `text` if it is a UUID in lower-case text form, or raise InvalidEvent."""
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise InvalidEvent(f"{what} is {str(text)[:80]!r}; it must be a UUID in lower case, such as {new_id()}.")
    return text


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with exactly six decimals: `2026-11-21T10:40:31.904218Z`. Raises InvalidInput for a time without a zone."""
    if moment.tzinfo is None:
        raise InvalidInput(f"{moment.isoformat()} has no time zone; give an aware datetime.")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time with a zone; digits beyond microseconds (the server writes nanoseconds) are cut off. Raises InvalidInput."""
    found = _RFC3339.fullmatch(text)
    if not found:
        raise InvalidInput(f"{text[:80]!r} is no time; write it like 2026-11-21T10:40:31Z.")
    seconds, decimals, zone = found.groups()
    try:
        return datetime.fromisoformat(f"{seconds}.{(decimals or '0')[:6]:0<6}{zone.replace('Z', '+00:00')}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{text[:80]!r} is no time: {error}.") from error
