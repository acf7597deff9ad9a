"""This module is schedules: operations that only read, asked for by themselves again and again, each on behalf of the person who set it.

A schedule lies in the bucket `cim-schedules` under its name. What it asks for is a run like any other, by `schedule of {person}`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..encoding import Value, encode
from ..errors import InvalidInput, KeyNotFound, RevisionConflict, StreamNotFound
from ..events import format_time, now, parse_time
from ..store import Connection, KvEntry, ensure_bucket, kv_all, kv_delete, kv_get, kv_put, of_type, parse_record
from ..subjects import check_token

SCHEDULES_BUCKET = "cim-schedules"
LEAST_SECONDS, MOST_SECONDS = 10, 366 * 86_400
BY_DEFAULT = "the console"
"""Who set the schedules that a console begins with."""
_DEFAULTS = "_defaults"
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_SPAN = re.compile(r"(?:([1-9][0-9]{0,7}) ?)?(second|minute|hour|day)s?", re.ASCII)
_HOW_TO_WRITE = "write for example 10 minutes, 6 hours or 1 day"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is asked for, how often, and how it stands.

    `run` is the last one that it asked for, at `asked_at`; `is_asked` is False while that is not settled. `note` says why nothing was asked
    for when it was due last; `is_failing` tells whether that is a fault.
    """

    name: str
    operation: str
    parameters: dict[str, Value]
    every_seconds: int
    by: str
    set_at: datetime
    next_at: datetime
    run: str = ""
    asked_at: datetime | None = None
    is_asked: bool = True
    note: str = ""
    is_failing: bool = False
    revision: int = 0

    @property
    def actor(self) -> str:
        """Whose runs these are."""
        return f"schedule of {self.by}"

    @property
    def every(self) -> str:
        """How often, in words."""
        return words_of(self.every_seconds)

    @property
    def given(self) -> str:
        """The parameters as `set-schedule` takes them, a line for each."""
        return "\n".join(f"{name}={_text(value)}" for name, value in self.parameters.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """A schedule that a console begins with."""

    name: str
    operation: str
    parameters: dict[str, Value]
    every_seconds: int
    first_seconds: int


async def list_schedules(connection: Connection) -> list[Schedule]:
    """All that are set, by name."""
    try:
        entries = await kv_all(connection, SCHEDULES_BUCKET)
    except StreamNotFound:
        return []
    found = [schedule for entry in entries if entry.key != _DEFAULTS and (schedule := _find(entry)) is not None]
    return sorted(found, key=lambda schedule: schedule.name)


async def find_schedule(connection: Connection, name: str) -> Schedule | None:
    """One of them, or None."""
    try:
        entry = await kv_get(connection, SCHEDULES_BUCKET, check_token(name, "a schedule's name"), leader=True)
    except StreamNotFound:
        return None
    return _find(entry) if entry else None


async def put_schedule(connection: Connection, schedule: Schedule) -> Schedule:
    """Write it, if it is still as it was read. Raises RevisionConflict."""
    revision = await kv_put(connection, SCHEDULES_BUCKET, schedule.name, _to_block(schedule), expected_revision=schedule.revision)
    return replace(schedule, revision=revision)


async def set_schedule(connection: Connection, schedule: Schedule) -> None:
    """Write it in place of one of that name."""
    await ensure_bucket(connection, SCHEDULES_BUCKET)
    await kv_put(connection, SCHEDULES_BUCKET, schedule.name, _to_block(schedule))


async def remove_schedule(connection: Connection, name: str) -> Schedule:
    """Remove it, and say what it was. Raises KeyNotFound."""
    found = await find_schedule(connection, name)
    if found is None:
        raise KeyNotFound(f"There is no schedule {name[:80]!r}; it may have been removed already.")
    await kv_delete(connection, SCHEDULES_BUCKET, name)
    return found


async def set_defaults(connection: Connection, defaults: Iterable[Default]) -> None:
    """Set those that a console begins with: once, so that what operators remove stays removed."""
    await ensure_bucket(connection, SCHEDULES_BUCKET)
    if await kv_get(connection, SCHEDULES_BUCKET, _DEFAULTS, leader=True) is not None:
        return
    at = now()
    for default in defaults:
        schedule = Schedule(
            name=default.name,
            operation=default.operation,
            parameters=default.parameters,
            every_seconds=default.every_seconds,
            by=BY_DEFAULT,
            set_at=at,
            next_at=at + timedelta(seconds=default.first_seconds),
        )
        try:
            await put_schedule(connection, schedule)
        except RevisionConflict:
            continue  # one of that name was set, or removed, before
    await kv_put(connection, SCHEDULES_BUCKET, _DEFAULTS, encode({"at": format_time(at)}))


def seconds_of(text: str) -> int:
    """How long a person means by `10 minutes` or `day`. Raises InvalidInput."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidInput(f"every is {text[:60]!r}; {_HOW_TO_WRITE}.")
    seconds = int(found[1] or 1) * _UNITS[found[2]]
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise InvalidInput(f"every is {text[:60]!r}, and must be {words_of(LEAST_SECONDS)} to {words_of(MOST_SECONDS)}; {_HOW_TO_WRITE}.")
    return seconds


def words_of(seconds: int) -> str:
    """As in `10 minutes`: what `seconds_of` reads."""
    unit = next(unit for unit in ("day", "hour", "minute", "second") if seconds % _UNITS[unit] == 0)
    count = seconds // _UNITS[unit]
    return f"{count:,} {unit}{'' if count == 1 else 's'}"


def _text(value: Value) -> str:
    return ",".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _to_block(schedule: Schedule) -> bytes:
    return encode(
        {
            "name": schedule.name,
            "operation": schedule.operation,
            "parameters": schedule.parameters,
            "every_seconds": schedule.every_seconds,
            "by": schedule.by,
            "set_at": format_time(schedule.set_at),
            "next_at": format_time(schedule.next_at),
            "run": schedule.run,
            "asked_at": format_time(schedule.asked_at) if schedule.asked_at else None,
            "is_asked": schedule.is_asked,
            "note": schedule.note,
            "is_failing": schedule.is_failing,
        }
    )


def _find(entry: KvEntry) -> Schedule | None:
    """None where another program wrote something else there: it is no schedule, and keeps none from running."""
    try:
        return parse_record(entry, lambda value: _read(entry, value), remedy="It is no schedule, and nothing runs by it.")
    except InvalidInput as error:
        log.warning("%s", error)
        return None


def _read(entry: KvEntry, value: Any) -> Schedule:
    times = {name: parse_time(value[name]) for name in ("set_at", "next_at")}
    asked_at = parse_time(value["asked_at"]) if value["asked_at"] else None
    found = Schedule(**(value | times | {"asked_at": asked_at, "revision": entry.revision}))
    texts = (found.name, found.operation, found.by, found.run, found.note)
    for text in texts:
        of_type(text, str)
    of_type(found.parameters, dict)
    if found.name != entry.key:
        raise InvalidInput(f"it is named {found.name[:60]!r}")
    if type(found.every_seconds) is not int or not LEAST_SECONDS <= found.every_seconds <= MOST_SECONDS:
        raise InvalidInput(f"every_seconds is {str(found.every_seconds)[:60]}")
    return found
