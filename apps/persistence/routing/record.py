"""This module is the record of a declared router: how far it is, what its routes took, and why it stands still, in the bucket `cim-routes`.

Position and figures are written together, so that the figures count each event once, whatever happens to the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..encoding import Value, encode
from ..errors import InvalidInput, StreamNotFound
from ..events import format_time, parse_time
from ..store import Connection, KvEntry, ensure_bucket, kv_all, kv_get, kv_put, of_type, parse_record
from .router import RouteStats

ROUTES_BUCKET = "cim-routes"
_PREFIX = "router"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterFailure:
    """The event that a router stands at, since when, how often it was tried, and what went wrong."""

    sequence: int
    subject: str
    reason: str
    since: datetime
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An event that a person chose to leave out."""

    stream: str
    sequence: int
    note: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterRecord:
    """One router as it was last written. `stream` is the one it reads now: a generation of the declared one. `passed` took no route."""

    name: str
    stream: str = ""
    position: int = 0
    passed: int = 0
    routes: Mapping[str, RouteStats] = field(default_factory=dict)
    failure: RouterFailure | None = None
    left_out: tuple[LeftOut, ...] = ()
    worker: str = ""
    written_at: datetime | None = None
    revision: int = 0

    def leaves_out(self, stream: str, sequence: int) -> bool:
        """Whether a person chose to leave this event out."""
        return any((one.stream, one.sequence) == (stream, sequence) for one in self.left_out)

    def failing_at(self, failure: RouterFailure) -> RouterRecord:
        """The record of one that could not go on; the same event again is one attempt more."""
        before = self.failure
        if before is not None and before.sequence == failure.sequence:
            failure = replace(failure, since=before.since, attempts=before.attempts + 1)
        return replace(self, failure=failure)


async def ensure_routes(connection: Connection) -> None:
    """Create the bucket where it is missing."""
    await ensure_bucket(connection, ROUTES_BUCKET, history=5)


async def read_router(connection: Connection, name: str) -> RouterRecord:
    """The record of one router; an empty one where it never ran. Raises InvalidInput where it cannot be read."""
    entry = await kv_get(connection, ROUTES_BUCKET, f"{_PREFIX}.{name}", leader=True)
    return _read(entry) if entry else RouterRecord(name=name)


async def list_routers(connection: Connection) -> dict[str, RouterRecord]:
    """Every record by the router's name, those of routers that nobody declares any more too; none before a worker ran."""
    try:
        entries = await kv_all(connection, ROUTES_BUCKET, prefix=_PREFIX)
    except StreamNotFound:
        return {}
    found = [_readable(entry) for entry in entries]
    return {record.name: record for record in found}


async def write_router(connection: Connection, record: RouterRecord) -> RouterRecord:
    """Write a record over the one that it was made from. Raises RevisionConflict where another worker wrote meanwhile."""
    value: dict[str, Value] = {
        "stream": record.stream,
        "position": record.position,
        "passed": record.passed,
        "routes": {name: _stats_value(stats) for name, stats in record.routes.items()},
        "failure": _failure_value(record.failure) if record.failure else None,
        "left_out": [_left_value(one) for one in record.left_out],
        "worker": record.worker,
    }
    revision = await kv_put(connection, ROUTES_BUCKET, f"{_PREFIX}.{record.name}", encode(value), expected_revision=record.revision)
    return replace(record, revision=revision)


def _stats_value(stats: RouteStats) -> dict[str, Value]:
    return {
        "hits": stats.hits,
        "failures": stats.failures,
        "seconds": stats.seconds,
        "last_at": format_time(stats.last_at) if stats.last_at else None,
    }


def _failure_value(failure: RouterFailure) -> dict[str, Value]:
    return {
        "sequence": failure.sequence,
        "subject": failure.subject,
        "reason": failure.reason,
        "since": format_time(failure.since),
        "attempts": failure.attempts,
    }


def _left_value(one: LeftOut) -> dict[str, Value]:
    return {"stream": one.stream, "sequence": one.sequence, "note": one.note, "by": one.by, "at": format_time(one.at)}


def _readable(entry: KvEntry) -> RouterRecord:
    """The record; where it cannot be read, one of a router that is held by that."""
    try:
        return _read(entry)
    except InvalidInput as error:
        failure = RouterFailure(sequence=0, subject="", reason=str(error), since=entry.time)
        return RouterRecord(name=entry.key.removeprefix(f"{_PREFIX}."), failure=failure, revision=entry.revision)


def _read(entry: KvEntry) -> RouterRecord:
    remedy = "The bucket keeps its revisions; put the last one back that can be read, as it says how far the router has passed events on."
    return parse_record(entry, lambda value: _to_router(entry, value), remedy=remedy)


def _to_router(entry: KvEntry, value: Any) -> RouterRecord:
    failure = value["failure"]
    return RouterRecord(
        name=entry.key.removeprefix(f"{_PREFIX}."),
        stream=of_type(value["stream"], str),
        position=of_type(value["position"], int),
        passed=of_type(value["passed"], int),
        routes={name: _stats(stats) for name, stats in value["routes"].items()},
        failure=RouterFailure(**{**failure, "since": parse_time(failure["since"])}) if failure else None,
        left_out=tuple(LeftOut(**{**one, "at": parse_time(one["at"])}) for one in value.get("left_out", ())),
        worker=value["worker"],
        written_at=entry.time,
        revision=entry.revision,
    )


def _stats(value: dict[str, Any]) -> RouteStats:
    return RouteStats(**{**value, "last_at": parse_time(value["last_at"]) if value["last_at"] else None})
