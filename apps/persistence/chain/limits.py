"""This module is which limits a stream has had, as recorded: what the drift watch accepted of it, and what the operators' trail says.

Of several that a stream had honestly, the tightest counts. One that was lowered past the console counts only once somebody accepted it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from blake3 import blake3

from ..errors import InvalidInput, StreamNotFound
from ..events import AggregateRef, parse_time
from ..store import CONSOLE, Connection, Store, StreamInfo, kv_get, load, of_type, parse_record
from ..subjects import is_token
from .removals import RESTORED_FROM, stream_key

LIMITS = {"max_age": "limit of age", "max_msgs": "limit of messages", "max_bytes": "limit of bytes"}
"""Those that can take the beginning of a stream whose subjects never repeat."""
DRIFT_BUCKET = "cim-drift"
DRIFT_TYPE, CREATED = "drift", "created"
_AGE = re.compile(r"(?:(\d+) days?, )?(\d+):(\d+):(\d+)(?:\.(\d{6}))?", re.ASCII)
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_=-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit that a stream has or had, an age in nanoseconds. Was it lowered past the console, `before` is what it was, 0 for none."""

    name: str
    value: int
    is_now: bool = False
    lowered_at: datetime | None = None
    before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The tightest of each that was set honestly, and those that were lowered further and that nobody accepted."""

    honest: tuple[Limit, ...]
    lowered: tuple[Limit, ...]


def drift_key(what: str) -> str:
    """The key of a watched thing in DRIFT_BUCKET; `what` is stream/NAME, server/NAME or schedule/NAME."""
    kind, _, name = what.partition("/")
    return f"{kind}.{_NOT_IN_KEYS.sub('-', name)}"


def drift_ref(what: str) -> AggregateRef:
    """The aggregate of a watched thing in CIM-CONSOLE; a name that cannot stand in a subject is there by its hash."""
    name = what.replace("/", "-", 1)
    return AggregateRef("console", DRIFT_TYPE, name if is_token(name) else f"hash-{blake3(what.encode()).hexdigest()[:32]}")


async def limits_of(store: Store, info: StreamInfo) -> Limits:
    """All that is recorded of the limits of a stream, and what they are now. Raises Unavailable."""
    found = _Found(info)
    await found.read_trail(store)
    await found.read_accepted(store.connection)
    found.add_now()
    return found.limits()


def limit_words(name: str, value: int) -> str:
    """A limit as a person reads it."""
    if value <= 0:
        return "none"
    return str(timedelta(microseconds=value // 1000)) if name == "max_age" else f"{value:,}{' bytes' if name == 'max_bytes' else ''}"


class _Found:
    """What has been read of the limits of one stream so far."""

    def __init__(self, info: StreamInfo) -> None:
        self._info = info
        self._is_restored = RESTORED_FROM in (info.config.get("metadata") or {})
        self._honest: dict[str, int] = {}
        self._lowered: list[Limit] = []

    async def read_trail(self, store: Store) -> None:
        """What the watch and those who accepted said; what it said of an earlier stream of that name does not count."""
        try:
            trail = await load(store.on(CONSOLE), drift_ref(f"stream/{self._info.name}"))
        except StreamNotFound:
            return
        anew: Any = None
        for stored in trail.events:
            said: Any = stored.event.payload
            name, since = said["field"], said.get("since")
            if name == CREATED and stored.event.type == "drifted" and not self._is_restored:
                self._honest.clear()
                self._lowered.clear()
                anew = since
            elif name in LIMITS and stored.event.type == "drifted":
                before = 0 if since == anew else read_words(name, said["before"])
                self._drift(Limit(name=name, value=read_words(name, said["after"]), before=before, lowered_at=parse_time(since)))
            elif name in LIMITS and stored.event.type in ("accepted", "explained"):
                self._accept(name, read_words(name, said["after"]))

    async def read_accepted(self, connection: Connection) -> None:
        """What the watch holds the stream against, and what it has seen but perhaps not said yet; nothing where that cannot be read."""
        try:
            entry = await kv_get(connection, DRIFT_BUCKET, drift_key(f"stream/{self._info.name}"))
            accepted, lowered = parse_record(entry, _accepted_of) if entry else ({}, [])
        except (StreamNotFound, InvalidInput):  # the watch says so
            return
        if accepted.get(CREATED) != stream_key(self._info) and not self._is_restored:
            return
        for name in LIMITS:
            self._add(name, accepted.get(name) or 0)
        for limit in lowered:
            self._drift(limit)

    def add_now(self) -> None:
        """The limits that it has, unless they are among the lowered ones."""
        for name in LIMITS:
            value = int(self._info.config.get(name) or 0)
            if not any((one.name, one.value) == (name, value) for one in self._lowered):
                self._add(name, value)

    def limits(self) -> Limits:
        honest = [
            Limit(name=name, value=value, is_now=value == self._info.config.get(name)) for name, value in sorted(self._honest.items())
        ]
        lowered = {(one.name, one.value): one for one in self._lowered if _is_tighter(one.value, self._honest.get(one.name, 0))}
        return Limits(honest=tuple(honest), lowered=tuple(lowered.values()))

    def _drift(self, changed: Limit) -> None:
        self._add(changed.name, changed.before)
        if _is_tighter(changed.value, changed.before):
            self._lowered.append(changed)

    def _accept(self, name: str, value: int) -> None:
        self._add(name, value)
        self._lowered = [one for one in self._lowered if (one.name, one.value) != (name, value)]

    def _add(self, name: str, value: int) -> None:
        if value > 0:
            self._honest[name] = min(value, self._honest.get(name, value))


def _accepted_of(record: Any) -> tuple[Mapping[str, Any], list[Limit]]:
    """What a record of the watch says was accepted, and the limits that are an alarm."""
    accepted = of_type(record["accepted"], dict)
    for name in LIMITS:
        of_type(accepted.get(name) or 0, int)
    alarms = [one for one in record["differences"] if one["field"] in LIMITS and one["is_alarm"]]
    return accepted, [
        Limit(
            name=one["field"],
            value=of_type(one["after"] or 0, int),
            before=of_type(one["before"] or 0, int),
            lowered_at=parse_time(one["since"]),
        )
        for one in alarms
    ]


def _is_tighter(one: int, other: int) -> bool:
    return one > 0 and (other <= 0 or one < other)


def read_words(name: str, words: str) -> int:
    """The value that the watch put into words; 0 for none, or what cannot be read."""
    if name != "max_age":
        digits = words.replace(",", "")
        return int(digits) if digits.isascii() and digits.isdigit() else 0
    found = _AGE.fullmatch(words)
    if found is None:
        return 0
    days, hours, minutes, seconds, micros = (int(part or 0) for part in found.groups())
    return 1000 * (timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros) // timedelta(microseconds=1))
