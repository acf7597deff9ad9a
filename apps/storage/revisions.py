"""This module is the revisions of a key as their messages tell of them: what was done, when, how large it is, when it will be gone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.persistence.errors import InvalidInput
from apps.persistence.events import now
from apps.persistence.store import Message, to_entry

from .buckets import Bucket

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?)(h|ms|us|µs|ns|m|s)")
_NEVER = "never"
_MARKERS = {"MaxAge": "expired", "Purge": "purge", "Remove": "delete"}
LONGEST_KEY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision. `operation` is put, delete, purge or expired; `expires` is when the server takes it away, None for never."""

    key: str
    number: int
    time: datetime
    size: int
    operation: str
    expires: datetime | None = None

    @property
    def is_put(self) -> bool:
        return self.operation == "put"

    @property
    def seconds_left(self) -> float | None:
        """How long the server keeps it yet; None for ever."""
        return max(0.0, (self.expires - now()).total_seconds()) if self.expires else None


def to_revision(bucket: Bucket, message: Message) -> Revision:
    """The revision that a message of the bucket's stream is."""
    headers = message.headers if message.raw_headers else {}
    entry = to_entry(bucket.name, message)
    marker = headers.get("Nats-Marker-Reason", "")
    return Revision(
        key=entry.key,
        number=entry.revision,
        time=entry.time,
        size=len(entry.value),
        operation=_MARKERS.get(marker, "delete") if marker else entry.operation,
        expires=_expires(bucket, message.time, headers.get("Nats-TTL", "")),
    )


def check_shown_key(key: str) -> str:
    """Return `key` if a message can lie under it, also where no client would write such a key. Raises InvalidInput."""
    tokens = key.split(".")
    is_clean = key.isprintable() and " " not in key and len(key) <= LONGEST_KEY
    if not is_clean or not all(tokens) or {"*", ">"} & set(tokens):
        raise InvalidInput(f"{key[:80]!r} is no key; a key is words with dots between them, without spaces, * and > alone.")
    return key


def subject_of(bucket: Bucket, key: str) -> str:
    """Under which subject a key's revisions lie. Raises InvalidInput."""
    return f"$KV.{bucket.name}.{check_shown_key(key)}"


def parse_ttl(text: str) -> float | None:
    """Seconds that a `Nats-TTL` gives: `90`, `1h30m`; None where it is empty, or nothing that the server knows."""
    if text.isdecimal():
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _expires(bucket: Bucket, stored: datetime, ttl: str) -> datetime | None:
    """The sooner of the bucket's age and the value's own; `never` is exempt from both."""
    if ttl == _NEVER:
        return None
    lives = [seconds for seconds in (bucket.ttl_seconds, parse_ttl(ttl)) if seconds]
    try:
        return stored + timedelta(seconds=min(lives)) if lives else None
    except OverflowError:
        return None
