"""This module is a stored message of any stream, as it came from the server: nothing of it is decoded before somebody asks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from ..errors import ContinuityLost
from .client import parse_headers

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SERVER_HEADERS = frozenset(
    {"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Last-Sequence", "Nats-Num-Pending", "Nats-UpTo-Sequence"}
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_SERVER_LINES = b"\r\nNats-Stream: "
_PLACE = re.compile(
    rb"\r\nNats-Stream: ([^\s]+)\r\nNats-Subject: ([^\s]+)\r\nNats-Sequence: (\d+)\r\nNats-Time-Stamp: ([^\s]+)\r\n"
    rb"(?:Nats-(?:Num-Pending|Last-Sequence|UpTo-Sequence): \d+\r\n)*\r\n"
)


class Message(NamedTuple):
    """One stored message. `time_ns` is the server's time of storing it, in nanoseconds since 1970; `raw_headers` is its header block.

    A tuple, not a dataclass, as readers of whole streams make a hundred thousand a second.
    """

    stream: str
    subject: str
    sequence: int
    time_ns: int
    raw_headers: bytes
    data: bytes

    @property
    def time(self) -> datetime:
        """When the server stored it, in UTC, cut to microseconds."""
        return _EPOCH + timedelta(microseconds=self.time_ns // 1000)

    @property
    def headers(self) -> dict[str, str]:
        """The headers its writer gave, without those the server adds when it answers. Of a repeated name the last counts."""
        return {name: value for name, value in parse_headers(self.raw_headers).items() if name not in _SERVER_HEADERS}


def from_direct(data: bytes, raw_headers: bytes) -> Message:
    """The message in an answer to a Direct Get; the server's own headers say where it lies (ADR-31)."""
    place = raw_headers.rfind(_SERVER_LINES)  # the server's stand after the writer's
    found = _PLACE.match(raw_headers, place) if place >= 0 else None
    if found:
        stream, subject, sequence, time = found.groups()
        return Message(stream.decode(), subject.decode("utf-8", "replace"), int(sequence), nanoseconds(time.decode()), raw_headers, data)
    return _from_headers(data, raw_headers)


def _from_headers(data: bytes, raw_headers: bytes) -> Message:
    """The same where the headers stand in another order."""
    headers = parse_headers(raw_headers)
    try:
        return Message(
            headers["Nats-Stream"],
            headers["Nats-Subject"],
            int(headers["Nats-Sequence"]),
            nanoseconds(headers["Nats-Time-Stamp"]),
            raw_headers,
            data,
        )
    except (KeyError, ValueError) as error:
        raise ContinuityLost(f"The server's answer to a Direct Get lacks {error}; nothing can be said about where it lies.") from error


def nanoseconds(text: str) -> int:
    """An RFC 3339 time of the server as nanoseconds since 1970. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if not found:
        moment = datetime.fromisoformat(text)
        return int((moment - _EPOCH) / timedelta(microseconds=1)) * 1000
    seconds, decimals = found.groups()
    return _whole_seconds(seconds) * 1_000_000_000 + int(f"{decimals or '0':0<9}")


@lru_cache(maxsize=4096)
def _whole_seconds(text: str) -> int:
    """Seconds since 1970; events that are read together are often of the same second."""
    whole = datetime.fromisoformat(text).replace(tzinfo=UTC) - _EPOCH
    return whole.days * 86_400 + whole.seconds
