"""This module is the settings of a stream between what a person types, what the server takes, and what a person reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInput
from ..work.operation import Change

NO_LIMIT = ("none", "no limit", "unlimited")
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII)
GREATEST = 2**63 - 1
"""What a server keeps of an age in nanoseconds, a size in bytes or a count: about 292 years, or 9.2 EB."""
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LONG = {"second": "s", "minute": "min", "hour": "h", "day": "d", "week": "w", "year": "y"}
_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


def parse_age(name: str, text: str) -> int:
    """Nanoseconds in `30 d`, `12 hours` or `2 min`. Raises InvalidInput naming the parameter."""
    found = _AMOUNT.fullmatch(text.strip().lower())
    unit = found[2].removesuffix("s") or "s" if found else ""
    seconds = _SECONDS.get(_LONG.get(unit, found[2] if found and found[2] == "ms" else unit))
    if found is None or not found[2] or seconds is None:
        raise InvalidInput(f"{name} is {text[:40]!r}; write a time such as 30 d, 12 h or 2 min, or none.")
    return _checked(name, text, round(float(found[1]) * seconds * 1e9))


def parse_size(name: str, text: str) -> int:
    """Bytes in `10 GB` or `512 KiB`. Raises InvalidInput naming the parameter."""
    found = _AMOUNT.fullmatch(text.strip().lower().replace(",", ""))
    if found is None or found[2] not in _BYTES:
        raise InvalidInput(f"{name} is {text[:40]!r}; write a size such as 10 GB, 512 KiB or 4096, or none.")
    return _checked(name, text, round(float(found[1]) * _BYTES[found[2]]))


def parse_count(name: str, text: str) -> int:
    """A whole number. Raises InvalidInput naming the parameter."""
    digits = text.replace(",", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and 0 < len(digits) <= 18):
        raise InvalidInput(f"{name} is {text[:40]!r}; write a whole number, or none.")
    return _checked(name, text, int(digits))


def _checked(name: str, text: str, amount: int) -> int:
    """What a server can hold; 0 it would take as no limit at all, the opposite of what is written."""
    if amount < 1:
        raise InvalidInput(f"{name} is {text[:40]!r}, which a NATS server takes as no limit; write none if that is meant.")
    if amount > GREATEST:
        raise InvalidInput(f"{name} is {text[:40]!r}, more than a NATS server can hold; write less, or none.")
    return amount


def age_words(nanoseconds: int) -> str:
    """`30 d`, in the largest unit that divides it."""
    if nanoseconds <= 0:
        return "no limit"
    for unit in ("w", "d", "h", "min", "s"):
        amount = nanoseconds / (_SECONDS[unit] * 1e9)
        if amount >= 1 and amount == int(amount):
            return f"{int(amount):,} {unit}"
    return f"{nanoseconds / 1e9:g} s"


def size_words(octets: int) -> str:
    """`10 GB`, exact where it is."""
    if octets < 0:
        return "no limit"
    for unit in ("tb", "gb", "mb", "kb"):
        if octets >= _BYTES[unit] and octets % _BYTES[unit] == 0:
            return f"{octets // _BYTES[unit]:,} {unit.upper()}"
    return f"{octets:,} bytes"


def count_words(number: int) -> str:
    """`1,000`."""
    return "no limit" if number < 0 else f"{number:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit of a stream: its key in the configuration, and how it is typed and read."""

    key: str
    parse: Callable[[str, str], int]
    words: Callable[[int], str]
    none: int = -1
    most: int = GREATEST


LIMITS: Mapping[str, Limit] = {
    "max_age": Limit(key="max_age", parse=parse_age, words=age_words, none=0),
    "max_messages": Limit(key="max_msgs", parse=parse_count, words=count_words),
    "max_bytes": Limit(key="max_bytes", parse=parse_size, words=size_words),
    "max_per_subject": Limit(key="max_msgs_per_subject", parse=parse_count, words=count_words),
    "max_message_size": Limit(key="max_msg_size", parse=parse_size, words=size_words, most=2**31 - 1),
    "duplicate_window": Limit(key="duplicate_window", parse=parse_age, words=age_words, none=0),
}
"""By the name of the parameter."""

_TITLES = {
    "subjects": "Subjects",
    "description": "Description",
    "storage": "Storage",
    "retention": "Retention",
    "num_replicas": "Replicas",
    "max_age": "Greatest age",
    "max_msgs": "Most messages",
    "max_bytes": "Most bytes",
    "max_msgs_per_subject": "Most messages of one subject",
    "max_msg_size": "Largest message",
    "duplicate_window": "Repeated ids are refused for",
    "discard": "When a limit is reached",
    "compression": "Compression",
    "allow_direct": "Direct Get",
    "allow_atomic": "Atomic batches",
    "allow_msg_ttl": "Single messages that expire",
    "deny_delete": "Deleting single messages",
    "deny_purge": "Purging",
}
_WORDS: Mapping[str, Mapping[Any, str]] = {
    "discard": {"old": "the oldest messages give way", "new": "new messages are refused"},
    "storage": {"file": "on file", "memory": "in memory"},
    "deny_delete": {True: "forbidden for good", False: "allowed"},
    "deny_purge": {True: "forbidden for good", False: "allowed"},
}


def limits_in(given: Mapping[str, str]) -> dict[str, int]:
    """The configuration that typed limits say; what is empty is left out. Raises InvalidInput naming the parameter."""
    found: dict[str, int] = {}
    for name, text in given.items():
        limit = LIMITS[name]
        if text.strip():
            found[limit.key] = limit.none if text.strip().lower() in NO_LIMIT else limit.parse(name, text)
            if found[limit.key] > limit.most:
                raise InvalidInput(f"{name} is {text[:40]!r}; at most {limit.words(limit.most)} are possible.")
    return found


def words_of(key: str, value: Any) -> str:
    """A setting as a person reads it."""
    limit = next((limit for limit in LIMITS.values() if limit.key == key), None)
    if limit is not None:
        return limit.words(limit.none if value is None else value)
    if key in _WORDS:
        return _WORDS[key].get(value, str(value))
    if isinstance(value, bool) or value is None:
        return "allowed" if value else "not allowed"
    return " ".join(value) if isinstance(value, list | tuple) else str(value)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every setting that would change, as a person reads it."""
    return tuple(
        Change(what=title, now=words_of(key, before.get(key)) if before else "–", after=words_of(key, after[key]))
        for key, title in _TITLES.items()
        if key in after and (not before or _plain(before.get(key)) != _plain(after[key]))
    )


def _plain(value: Any) -> Any:
    return False if value is None else value
