"""This module is what the watch has found, as a page shows it: alarms first, what was explained, and whether anybody looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..events import now
from ..store import Store
from .record import Difference, DriftRecord, Explained, read_records
from .words import title_of, value_words

STALE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftAlarm:
    """One field that is not as it was accepted, in words."""

    what: str
    name: str
    field: str
    title: str
    before: str
    after: str
    since: datetime


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
    """Everything that is watched, as a worker saw it at `looked_at`; None where no worker ever looked."""

    records: tuple[DriftRecord, ...]
    looked_at: datetime | None

    @property
    def alarms(self) -> list[DriftAlarm]:
        """The newest first."""
        found = [_alarm(record, one) for record in self.records for one in record.alarms]
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
        return [record for record in self.records if not record.is_stream]

    @property
    def is_stale(self) -> bool:
        """Whether no worker has looked for a minute."""
        return self.looked_at is None or (now() - self.looked_at).total_seconds() > STALE_SECONDS

    def of(self, stream: str) -> DriftReport:
        """The part that is about one stream."""
        return DriftReport(records=tuple(one for one in self.records if one.what == f"stream/{stream}"), looked_at=self.looked_at)


async def read_drift(store: Store) -> DriftReport:
    """What the watch has found. Raises Unavailable."""
    records, looked_at = await read_records(store.connection)
    return DriftReport(records=tuple(records.values()), looked_at=looked_at)


def _alarm(record: DriftRecord, one: Difference) -> DriftAlarm:
    return DriftAlarm(
        what=record.what,
        name=record.name,
        field=one.field,
        title=title_of(one.field),
        before=value_words(one.field, one.before),
        after=value_words(one.field, one.after),
        since=one.since,
    )


def _change(record: DriftRecord, one: Explained) -> DriftChange:
    return DriftChange(
        name=record.name,
        title=title_of(one.field),
        before=value_words(one.field, one.before),
        after=value_words(one.field, one.after),
        run=one.run,
        operation=one.operation,
        by=one.by,
        at=one.at,
    )
