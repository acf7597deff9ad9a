"""This module is how figures, times and identifiers are written for people, the same on every page. Plain functions, no markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NOTHING: Final = "–"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIZES: Final = ("B", "KB", "MB", "GB", "TB", "PB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MONTH, _YEAR = 30 * _DAY, 365 * _DAY

Number = int | float | None


def count(number: Number) -> str:
    """1,204,963. A fraction keeps one digit."""
    if number is None:
        return NOTHING
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}".removesuffix(".0")


def size(octets: Number) -> str:
    """312 B, 1.2 KB, 412 MB: powers of 1,000, three figures at most."""
    if octets is None:
        return NOTHING
    value, unit = float(octets), 0
    while abs(value) >= 999.5 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    digits = 1 if unit and abs(value) < 9.95 else 0
    return f"{value:,.{digits}f}".removesuffix(".0") + f" {_SIZES[unit]}"


def rate(per_second: Number) -> str:
    """1,310/s, 0.4/s; below one in a hundred seconds by the minute or hour."""
    if per_second is None:
        return NOTHING
    if per_second == 0:
        return "0/s"
    if per_second >= 9.95:
        return f"{round(per_second):,}/s"
    if per_second >= 0.05:
        return f"{per_second:.1f}".removesuffix(".0") + "/s"
    per_hour = per_second * _HOUR
    return f"{per_second * _MINUTE:.1f}/min" if per_hour >= 60 else f"{per_hour:.1f}/h"


def span(seconds: Number) -> str:
    """18 ms, 3 s, 4 min 20 s, 2 h 5 min, 3 d 4 h: at most two units."""
    if seconds is None:
        return NOTHING
    if seconds < 0.001:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    for unit, name, part, part_name in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // part} {part_name}".replace(f" 0 {part_name}", "")
    return f"{whole} s"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """4 minutes ago, in 20 seconds, just now. Static text: the pages count on by themselves."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    age = abs(seconds)
    if age < 1.5:
        return "just now"
    for unit, name in ((_YEAR, "year"), (_MONTH, "month"), (_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"), (1, "second")):
        if age >= unit:
            number = int(age // unit)
            words = f"{number} {name}{'' if number == 1 else 's'}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now"


def figure(value: object) -> str:
    """Any single value as a person reads it: 1,204,963; 0.25; yes; –."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return NOTHING if value in (None, "") else str(value)


def clock(moment: datetime) -> str:
    """12:04:31.882, in UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def day(moment: datetime, now: datetime | None = None) -> str:
    """21 Nov, with the year where it is not the present one."""
    moment = moment.astimezone(UTC)
    year = "" if moment.year == (now or datetime.now(UTC)).year else f" {moment.year}"
    return f"{moment.day} {_MONTHS[moment.month - 1]}{year}"


def iso(moment: datetime) -> str:
    """2026-11-21T10:40:31.904218Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def cut(text: str, length: int = 16) -> str:
    """The text with its middle replaced by … where it is longer than `length` characters."""
    if len(text) <= length:
        return text
    head = length // 2
    return f"{text[:head]}…{text[-(length - 1 - head) :]}"
