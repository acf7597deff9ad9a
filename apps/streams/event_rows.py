"""This module is the rows of a stream's events, newest first, with what is missing between them named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.display.figures import cut
from apps.persistence.store import Message, Store, StreamInfo, chained_generations
from apps.persistence.subjects import overlaps

from .marks import ChainMark, layout_for, layouts_of

SHOWN_IN_COLUMN = 30
SHOWN_OF_SUBJECT = 46


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event in a list. `type` is its subject and `aggregate` None where no layout says more."""

    sequence: int
    time: datetime
    type: str
    aggregate: tuple[str, str, str] | None
    version: int | None
    subject: str
    size: int
    mark: ChainMark | None = None

    @property
    def aggregate_name(self) -> str:
        """The aggregate as one word."""
        return ".".join(self.aggregate or ())

    @property
    def aggregate_short(self) -> str:
        """As much of it as a column holds."""
        return cut(self.aggregate_name, SHOWN_IN_COLUMN)

    @property
    def subject_short(self) -> str:
        """As much of the subject as a column holds."""
        return cut(self.subject, SHOWN_OF_SUBJECT)

    @property
    def time_part(self) -> str:
        """What of the time is shown: its clock alone where it is of today."""
        return "time" if self.time.date() == datetime.now(UTC).date() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRow:
    """Sequences that are no longer there, both included, and why, as far as can be told; `run` removed them on purpose."""

    first: int
    last: int
    reason: str
    is_expected: bool
    run: str = ""

    @property
    def count(self) -> int:
        """How many are missing."""
        return self.last - self.first + 1


def to_row(store: Store, message: Message, mark: ChainMark | None = None) -> EventRow:
    """The row of a message."""
    layout = layout_for(store, message.stream, message.subject)
    parts = layout.parse(message.subject) if layout else None
    return EventRow(
        sequence=message.sequence,
        time=message.time,
        type=f"{parts.aggregate}.{parts.event}" if parts and parts.event else message.subject,
        aggregate=(parts.context, parts.aggregate, parts.entity) if parts else None,
        version=parts.version if parts else None,
        subject=message.subject,
        size=len(message.data),
        mark=mark,
    )


def rows_of(
    store: Store, messages: Sequence[Message], gaps: Iterable[GapRow], marks: Mapping[int, ChainMark]
) -> tuple[EventRow | GapRow, ...]:
    """Events and gaps together, the highest sequence first."""
    rows: dict[int, EventRow | GapRow] = {message.sequence: to_row(store, message, marks.get(message.sequence)) for message in messages}
    rows |= {gap.first: gap for gap in gaps}
    return tuple(rows[sequence] for sequence in sorted(rows, reverse=True))


def is_plain(store: Store, stream: StreamInfo) -> bool:
    """Whether no layout could say anything of its events."""
    if stream.mirror or stream.sources or layouts_of(store.layouts, stream.name):
        return False
    roots = [layout.subjects for layout in chained_generations(store.connection, store.layouts)]
    return not any(overlaps(root, subject) for root in roots for subject in stream.subjects)


def why_missing(stream: StreamInfo) -> tuple[str, bool]:
    """Why sequences may be missing here, and whether that is in order."""
    config = stream.config
    if stream.retention in ("workqueue", "interest"):
        return "acknowledged, and so removed", True
    if config.get("max_msgs_per_subject", -1) > 0:
        return "replaced by newer ones of the same subject, or deleted", True
    if stream.mirror or stream.sources:
        return "never copied, deleted or expired", True
    if config.get("deny_delete") and config.get("deny_purge") and not config.get("max_age"):
        return "although this stream forbids deleting; verify it", False
    return "deleted, purged or expired", True
