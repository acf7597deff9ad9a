"""This module is what was accepted of each watched thing, and how it differs: one key each in the bucket `cim-drift`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from ..chain.limits import DRIFT_BUCKET, drift_key
from ..encoding import encode
from ..errors import InvalidInput, StreamNotFound
from ..events import format_time, now, parse_time
from ..store import Connection, KvEntry, ensure_bucket, kv_all, kv_delete, kv_get, kv_put, of_type, parse_record
from .facts import EXISTS, RECORD, Facts

LOOK_KEY = "look"
EXPLAINED_KEPT = 10
AT_FIRST = "the first look"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that is not as it was accepted, since when it was seen.

    `is_alarm` is False only for the moment in which a run that may be its cause is not finished; `is_noted` is whether it stands in the
    operator trail.
    """

    field: str
    before: Any
    after: Any
    since: datetime
    is_alarm: bool = True
    is_noted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A change that a recorded run made, and that was accepted for that reason."""

    field: str
    before: Any
    after: Any
    run: str
    operation: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRecord:
    """One watched thing: `what` is stream/NAME, server/NAME or schedule/NAME. `revision` is that of its key, 0 where it is not kept yet."""

    what: str
    accepted: Facts
    accepted_at: datetime
    accepted_by: str = AT_FIRST
    differences: tuple[Difference, ...] = ()
    explained: tuple[Explained, ...] = ()
    revision: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        return self.what.partition("/")[2]

    @property
    def is_stream(self) -> bool:
        return self.what.startswith("stream/")

    @property
    def is_schedule(self) -> bool:
        return self.what.startswith("schedule/")

    @property
    def is_lost_schedule(self) -> bool:
        """Whether this is a schedule that is gone, and nobody known removed it."""
        return self.is_schedule and any(one.field == EXISTS and one.after is False for one in self.alarms)

    @property
    def alarms(self) -> tuple[Difference, ...]:
        """The differences that nobody has accepted and no run explains."""
        return tuple(one for one in self.differences if one.is_alarm)

    def find(self, field: str) -> Difference | None:
        return next((one for one in self.differences if one.field == field), None)

    def with_explained(self, some: Iterable[Explained]) -> DriftRecord:
        """These changes accepted, and kept among the newest that were explained."""
        found = tuple(some)
        changed = {one.field: one.after for one in found}
        return replace(self, accepted=_without_none({**self.accepted, **changed}), explained=(*found, *self.explained)[:EXPLAINED_KEPT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A key that holds no record, as somebody changed it: the watch takes anew what is accepted of `what`, and has an alarm about that."""

    key: str
    what: str
    reason: str
    at: datetime
    revision: int

    @property
    def difference(self) -> Difference:
        """The alarm about it."""
        return Difference(field=RECORD, before="as the watch wrote it", after=f"something else: {self.reason}", since=self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Every record by what it is of, in order; the keys that hold none; when a worker looked last, None where none ever did."""

    by_what: dict[str, DriftRecord]
    unreadable: dict[str, Unreadable]
    looked_at: datetime | None


def accept(record: DriftRecord, fields: Iterable[str], *, by: str) -> DriftRecord:
    """The record with what these fields are now as accepted."""
    wanted = set(fields)
    changed = {one.field: one.after for one in record.differences if one.field in wanted and one.field != RECORD}
    left = tuple(one for one in record.differences if one.field not in wanted)
    return replace(record, accepted=_without_none({**record.accepted, **changed}), accepted_at=now(), accepted_by=by, differences=left)


async def ensure_drift(connection: Connection) -> None:
    """Create the bucket where it is missing."""
    await ensure_bucket(connection, DRIFT_BUCKET)


async def read_record(connection: Connection, what: str) -> DriftRecord | None:
    """The record of one stream or server, from the leader; None where it is not watched. Raises InvalidInput where it cannot be read."""
    try:
        entry = await kv_get(connection, DRIFT_BUCKET, drift_key(what), leader=True)
    except StreamNotFound:
        return None
    return _read(entry) if entry else None


async def read_records(connection: Connection) -> Records:
    """Everything that is kept; nothing where no worker has looked."""
    try:
        entries = await kv_all(connection, DRIFT_BUCKET)
    except StreamNotFound:
        return Records(by_what={}, unreadable={}, looked_at=None)
    looks = [entry.time for entry in entries if entry.key == LOOK_KEY]
    records, unreadable = [], {}
    for entry in entries:
        try:
            if entry.key != LOOK_KEY:
                records.append(_read(entry))
        except InvalidInput as error:
            unreadable[entry.key] = Unreadable(
                key=entry.key, what=entry.key.replace(".", "/", 1), reason=str(error), at=entry.time, revision=entry.revision
            )
    by_what = {record.what: record for record in sorted(records, key=lambda one: one.what)}
    return Records(by_what=by_what, unreadable=unreadable, looked_at=looks[0] if looks else None)


async def write_record(connection: Connection, record: DriftRecord) -> DriftRecord:
    """Keep it if nobody changed it since it was read, and return it with its revision. Raises RevisionConflict."""
    written = await kv_put(connection, DRIFT_BUCKET, drift_key(record.what), _to_block(record), expected_revision=record.revision or None)
    return replace(record, revision=written)


async def drop_record(connection: Connection, what: str) -> None:
    """Watch it no more."""
    await kv_delete(connection, DRIFT_BUCKET, drift_key(what))


async def write_look(connection: Connection) -> None:
    """Note that a worker has looked at everything."""
    await kv_put(connection, DRIFT_BUCKET, LOOK_KEY, encode({"at": format_time(now())}))


def _without_none(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}


def _to_block(record: DriftRecord) -> bytes:
    value: dict[str, Any] = asdict(record) | {"accepted": dict(record.accepted), "accepted_at": format_time(record.accepted_at)}
    del value["revision"]
    value["differences"] = [{**one, "since": format_time(one["since"])} for one in value["differences"]]
    value["explained"] = [{**one, "at": format_time(one["at"])} for one in value["explained"]]
    return encode(value)


def _read(entry: KvEntry) -> DriftRecord:
    def parse(value: Any) -> DriftRecord:
        if drift_key(value["what"]) != entry.key:
            raise ValueError(f"it is the record of {value['what']}")
        return DriftRecord(
            what=value["what"],
            accepted=of_type(value["accepted"], dict),
            accepted_at=parse_time(value["accepted_at"]),
            accepted_by=of_type(value["accepted_by"], str),
            differences=tuple(_difference(one) for one in value["differences"]),
            explained=tuple(_explained(one) for one in value["explained"]),
            revision=entry.revision,
        )

    return parse_record(entry, parse, remedy=_remedy(entry.key))


def _difference(value: Any) -> Difference:
    found = Difference(**{**value, "since": parse_time(value["since"])})
    of_type(found.field, str), of_type(found.is_alarm, bool), of_type(found.is_noted, bool)
    return found


def _explained(value: Any) -> Explained:
    found = Explained(**{**value, "at": parse_time(value["at"])})
    for text in (found.field, found.run, found.operation, found.by):
        of_type(text, str)
    return found


def _remedy(key: str) -> str:
    if key.startswith(("stream.", "server.")):
        return "The watch takes what is now instead; look whether that is right, and accept it then."
    return f"Nothing is watched under this key; delete it: nats kv del {DRIFT_BUCKET} {key}"
