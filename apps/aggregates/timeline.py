"""This module is an aggregate's history as rows: what each event did, whether its chain holds there, and what lies between the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import ClassVar

from apps.display.differences import text_of
from apps.display.figures import ago
from apps.persistence.chain import Cause, Finding
from apps.persistence.encoding import cid_of
from apps.persistence.errors import EncodingError, InvalidEvent, PayloadUnreadable
from apps.persistence.events import AggregateDefinition, Event, Opening, is_opening, read_opening
from apps.persistence.store import Message, Store, decode_event

from .window import Slot

IDLE = timedelta(hours=1)
_SUMMARY_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An event as the newest schema reads it, or the reason why it cannot be read. `schema` is the one it was stored in.

    `is_closed`: its payload is encrypted and does not open here; the event itself is as it should be.
    """

    event: Event | None
    schema: int = 0
    problem: str = ""
    is_closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event. `state` is "linked", a cause of a finding, "unknown" or "not_chained"; `group` its place in a run of one correlation.

    `sealed` is "encrypted" or "redacted" where its payload cannot be opened. `opening`: it opens the aggregate from an archive.
    """

    kind: ClassVar[str] = "event"
    version: int
    sequence: int
    type: str
    summary: str
    actor: str
    time: datetime
    cid: str
    state: str
    problem: str
    correlation: str
    sealed: str
    is_upcast: bool
    is_selected: bool
    has_snapshot: bool
    opening: Opening | None = None
    group: str = ""
    group_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A long time in which nothing happened."""

    kind: ClassVar[str] = "pause"
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Versions that are not stored."""

    kind: ClassVar[str] = "hole"
    first: int
    last: int


Entry = EventRow | Pause | Hole


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is known beside the events: findings by sequence, versions with a snapshot, which is selected, whether it is redacted."""

    definition: AggregateDefinition | None
    findings: dict[int, Finding]
    snapshots: Collection[int]
    selected: int
    is_chained: bool
    is_redacted: bool = False


def rows_of(store: Store, slots: Sequence[Slot], marks: Marks) -> tuple[Entry, ...]:
    """The rows for `slots` (oldest first), newest first, with pauses and holes between them."""
    rows = [_row(store, slot, marks) for slot in slots]
    return tuple(_with_what_lies_between(_grouped(rows)))


def read_event(store: Store, message: Message) -> Reading:
    """Decode and upcast a stored message; what goes wrong is told, not raised, as one bad event must not hide the others."""
    try:
        stored = decode_event(store, message).event
    except (EncodingError, InvalidEvent) as error:
        return Reading(event=None, problem=str(error.__cause__ or error))
    try:
        return Reading(event=store.upcasters.upcast(stored), schema=stored.schema)
    except InvalidEvent as error:
        return Reading(event=stored, schema=stored.schema, problem=str(error), is_closed=isinstance(error, PayloadUnreadable))


def name_error(error: Exception) -> str:
    """An error of a domain's own code in one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _row(store: Store, slot: Slot, marks: Marks) -> EventRow:
    message, reading = slot.message, read_event(store, slot.message)
    event, parts = reading.event, store.layout.parse(slot.message.subject)
    finding = marks.findings.get(message.sequence)
    state = str(finding.cause) if finding else "linked"
    return EventRow(
        version=slot.version,
        sequence=message.sequence,
        type=event.type if event else (parts and parts.event) or "event",
        summary="" if reading.is_closed else _summary(marks.definition, event),
        actor=event.actor if event else "",
        time=event.time if event else message.time,
        cid=str(cid_of(message.data)),
        state=state if marks.is_chained else "not_chained",
        problem=reading.problem if marks.is_chained and not reading.is_closed else "",
        correlation=event.correlation if event else "",
        sealed=("redacted" if marks.is_redacted else "encrypted") if reading.is_closed else "",
        is_upcast=bool(event and event.schema != reading.schema),
        is_selected=slot.version == marks.selected,
        has_snapshot=slot.version in marks.snapshots,
        opening=opening_of(event),
    )


def _summary(definition: AggregateDefinition | None, event: Event | None) -> str:
    """The definition's own words, else the first plain fields of the payload."""
    if event is None or is_opening(event):
        return ""
    if definition is not None and definition.summarise is not None:
        try:
            return definition.summarise(event)
        except Exception as error:  # a domain's code, which may raise anything
            return f"(its summary failed: {name_error(error)})"
    plain = [(name, value) for name, value in event.payload.items() if not isinstance(value, dict | list)]
    return ", ".join(f"{name} {text_of(value)}" for name, value in plain[:_SUMMARY_FIELDS])


def opening_of(event: Event | None) -> Opening | None:
    """What an opening event stands for; None where it does not rightly say."""
    if event is None or not is_opening(event):
        return None
    with suppress(InvalidEvent):
        return read_opening(event)
    return None


def _grouped(rows: Sequence[EventRow]) -> list[EventRow]:
    """Mark runs of neighbours with one correlation: "first" is the newest, as it stands on top."""
    marked: list[EventRow] = []
    for correlation, run in groupby(rows, key=lambda row: row.correlation or row.sequence):
        members = list(run)
        if len(members) == 1 or not isinstance(correlation, str):
            marked.extend(members)
            continue
        places = ["last", *["inner"] * (len(members) - 2), "first"]
        marked.extend(replace(row, group=place, group_size=len(members)) for row, place in zip(members, places, strict=True))
    return marked


def _with_what_lies_between(rows: Sequence[EventRow]) -> Iterator[Entry]:
    for at in range(len(rows) - 1, -1, -1):
        row = rows[at]
        yield row
        if at == 0:
            return
        earlier = rows[at - 1]
        if row.version > earlier.version + 1:
            yield Hole(first=earlier.version + 1, last=row.version - 1)
        if row.time - earlier.time >= IDLE:
            yield Pause(words=f"{ago(earlier.time, row.time).removesuffix(' ago')} later")


def by_sequence(findings: Sequence[Finding]) -> dict[int, Finding]:
    """The first finding about each message; of a missing version there is none."""
    found: dict[int, Finding] = {}
    for finding in findings:
        if finding.sequence is not None and finding.cause is not Cause.MISSING:
            found.setdefault(finding.sequence, finding)
    return found
