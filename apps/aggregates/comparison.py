"""This module is two versions of an aggregate compared: the fields that differ, which event changed each last, and all events between."""

from __future__ import annotations

from dataclasses import dataclass

from apps.display.differences import Lines, compare, text_of
from apps.persistence.events import AggregateDefinition, AggregateRef
from apps.persistence.snapshots import Blame, Kept, blame, state_at
from apps.persistence.store import Store, messages_of

from .address import Pair
from .state import CannotFold, events_to_read, folded
from .timeline import EventRow, Marks, rows_of
from .window import Slot

BLAMED_AT_ONCE = 1_000
LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One place that differs, and the event that changed it last."""

    by: Blame

    @property
    def place(self) -> str:
        return self.by.change.place

    @property
    def kind(self) -> str:
        return str(self.by.change.kind)

    @property
    def before(self) -> str:
        return "" if self.kind == "added" else text_of(self.by.change.before)

    @property
    def after(self) -> str:
        return "" if self.kind == "removed" else text_of(self.by.change.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`rows` are the newest events between, `left_out` how many more there are. `to_read` is above 0 where it was too long to do unasked.

    `reason` says why there are no fields to compare.
    """

    pair: Pair
    fields: tuple[Field, ...] = ()
    lines: Lines | None = None
    rows: tuple[EventRow, ...] = ()
    left_out: int = 0
    to_read: int = 0
    reason: str = ""


async def compare_versions(
    store: Store, definition: AggregateDefinition | None, ref: AggregateRef, pair: Pair, kept: Kept, *, may_take_long: bool
) -> Comparison:
    """Compare two versions that both exist. What cannot be folded is told, not raised; the events between are listed all the same."""
    rows = await _rows(store, definition, ref, pair)
    left_out = max(0, pair.newer - pair.older - len(rows))
    if pair.older == pair.newer:
        return Comparison(pair=pair, rows=rows, reason="Both are the same version; choose another one to compare it with.")
    if definition is None:
        undeclared = f"No domain package declares {ref.context}.{ref.type}; add the one that does to CIM_DOMAINS."
        return Comparison(pair=pair, rows=rows, left_out=left_out, reason=undeclared)
    to_read = max(events_to_read(definition, kept, pair.older), pair.newer - pair.older)
    if to_read > BLAMED_AT_ONCE and not may_take_long:
        return Comparison(pair=pair, rows=rows, left_out=left_out, to_read=to_read)
    try:
        before = await folded(definition, state_at(store, definition, ref, version=pair.older))
        after = await folded(definition, state_at(store, definition, ref, version=pair.newer))
        blamed = await folded(definition, blame(store, definition, ref, from_version=pair.older, to_version=pair.newer))
    except CannotFold as error:
        return Comparison(pair=pair, rows=rows, left_out=left_out, reason=str(error))
    fields = tuple(Field(by=one) for one in blamed)
    return Comparison(pair=pair, fields=fields, lines=compare(before.state, after.state), rows=rows, left_out=left_out)


async def _rows(store: Store, definition: AggregateDefinition | None, ref: AggregateRef, pair: Pair) -> tuple[EventRow, ...]:
    first = max(pair.older + 1, pair.newer - LISTED + 1)
    messages = await messages_of(store, ref, from_version=first, to_version=pair.newer) if first <= pair.newer else []
    slots = [Slot(version=version, message=message) for message in messages if (version := _version(store, message.subject))]
    marks = Marks(definition=definition, findings={}, snapshots=(), selected=0, is_chained=True)
    return tuple(entry for entry in rows_of(store, slots, marks) if isinstance(entry, EventRow))


def _version(store: Store, subject: str) -> int:
    parts = store.layout.parse(subject)
    return (parts.version or 0) if parts else 0
