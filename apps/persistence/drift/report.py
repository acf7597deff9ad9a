"""This module is what the watch has found, as a page shows it: alarms first, what was explained, and whether anybody looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..chain.limits import drift_key
from ..events import now, parse_time
from ..store import Store
from .facts import CREATED, EXISTS
from .record import Difference, DriftRecord, Explained, Unreadable, read_records
from .words import title_of, value_words

STALE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftAlarm:
    """One field that is not as it was accepted, in words; it can be accepted once the watch has a record of what it is about."""

    what: str
    name: str
    field: str
    title: str
    before: str
    after: str
    since: datetime
    is_acceptable: bool = True
    is_lost_schedule: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftChange:
    """One change that a recorded run explains, in words."""

    name: str
    title: str
    before: str
    after: str
    run: str
    operation: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """Everything that is watched, as a worker saw it at `looked_at`; None where no worker ever looked.

    `unreadable` is what lies in the place of a record since then.
    """

    records: tuple[DriftRecord, ...]
    looked_at: datetime | None
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def alarms(self) -> list[DriftAlarm]:
        """The newest first."""
        found = [_alarm(record.what, one) for record in self.records for one in record.alarms]
        found += [_alarm(one.what, one.difference, is_acceptable=False) for one in self.unreadable]
        return sorted(found, key=lambda alarm: alarm.since, reverse=True)

    @property
    def changes(self) -> list[DriftChange]:
        """What runs of the console changed, the newest first."""
        found = [_change(record, one) for record in self.records for one in record.explained]
        return sorted(found, key=lambda change: change.at, reverse=True)

    @property
    def streams(self) -> list[DriftRecord]:
        return [record for record in self.records if record.is_stream]

    @property
    def servers(self) -> list[DriftRecord]:
        return [record for record in self.records if not record.is_stream and not record.is_schedule]

    @property
    def lost_schedules(self) -> list[DriftRecord]:
        """Schedules that are gone, and nobody known removed them."""
        return [record for record in self.records if record.is_lost_schedule]

    @property
    def is_stale(self) -> bool:
        """Whether no worker has looked for a minute."""
        return self.looked_at is None or (now() - self.looked_at).total_seconds() > STALE_SECONDS

    def of(self, stream: str) -> DriftReport:
        """The part that is about one stream."""
        what = f"stream/{stream}"
        return DriftReport(
            records=tuple(one for one in self.records if one.what == what),
            looked_at=self.looked_at,
            unreadable=tuple(one for one in self.unreadable if one.key == drift_key(what)),
        )


async def read_drift(store: Store) -> DriftReport:
    """What the watch has found. Raises Unavailable."""
    found = await read_records(store.connection)
    return DriftReport(records=tuple(found.by_what.values()), looked_at=found.looked_at, unreadable=tuple(found.unreadable.values()))


async def removed_since(store: Store, stream: str) -> datetime | None:
    """Since when a watched stream is gone or another of its name, which no run explains; None where it is the one of before."""
    record = (await read_records(store.connection)).by_what.get(f"stream/{stream}")
    return min((one.since for one in record.alarms if one.field in (EXISTS, CREATED)), default=None) if record else None


def _words(field: str, value: Any) -> str:
    """A value as the pages show it: a time as they show times."""
    return (
        f"{parse_time(value):%-d %b %Y %H:%M:%S} UTC"
        if field == CREATED and isinstance(value, str) and value
        else value_words(field, value)
    )


def _alarm(what: str, one: Difference, *, is_acceptable: bool = True) -> DriftAlarm:
    kind, _, name = what.partition("/")
    return DriftAlarm(
        what=what,
        name=f"schedule {name}" if kind == "schedule" else name or what,
        field=one.field,
        title=title_of(one.field),
        before=_words(one.field, one.before),
        after=_words(one.field, one.after),
        since=one.since,
        is_acceptable=is_acceptable,
        is_lost_schedule=kind == "schedule" and one.field == EXISTS and one.after is False,
    )


def _change(record: DriftRecord, one: Explained) -> DriftChange:
    return DriftChange(
        name=f"schedule {record.name}" if record.is_schedule else record.name,
        title=title_of(one.field),
        before=_words(one.field, one.before),
        after=_words(one.field, one.after),
        run=one.run,
        operation=one.operation,
        by=one.by,
        at=one.at,
    )
