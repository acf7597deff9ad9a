"""This module is the part of a replay that goes into the models that serve: a range of events, some types, some aggregates.

Only where `apply` is idempotent; for anything else the plan is refused and points to a rebuild.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from ..encoding import Value
from ..errors import InvalidInput, ProjectionFailed
from ..events import now
from ..projections import (
    Overtaken,
    ProjectionDefinition,
    ProjectionRecord,
    Reapplied,
    Selection,
    find_overtaken,
    reapply,
    select_patterns,
)
from ..store import Store, count_messages
from ..store.positions import parse_position, sequence_at
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate
from .declared import position_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a person asked for: places in the stream, event types, aggregates; empty for no limit."""

    start: str
    end: str
    event_types: tuple[str, ...]
    aggregates: tuple[str, ...]

    @property
    def is_limited(self) -> bool:
        """Whether it is less than everything."""
        return bool(self.start or self.end or self.event_types or self.aggregates)


async def plan_part(store: Store, definition: ProjectionDefinition, record: ProjectionRecord, part: Part) -> Plan:
    """Which events would be applied again, and what that may set back. Raises InvalidInput where the projection does not allow it."""
    selection = await _select(store, definition, record, part)
    events = await count_messages(store.connection, definition.stream, selection.patterns, first=selection.first, last=selection.last)
    position = await position_of(store, definition, record.serving)
    overtaken = await find_overtaken(store, definition, record.serving, selection)
    rate, source = await measured_rate(store.connection, "replay", f"projection/{definition.name}")
    span = f"sequence {selection.first:,} to {selection.last:,}"
    return Plan(
        summary=f"Replay {events:,} events into {definition.name}, {span}",
        saw={"serving": record.serving, "version": definition.version},
        changes=(
            Change(what="Events applied again", now="0", after=f"{events:,}"),
            Change(what="Position", now=f"{position.sequence:,}", after=f"{position.sequence:,}"),
            Change(what="Build that serves", now=str(record.serving), after=str(record.serving)),
        ),
        counts=tuple([(pattern, await _count(store, definition, selection, pattern)) for pattern in selection.patterns]),
        notes=tuple(_notes(definition, record, overtaken)),
        undo="It cannot be taken back; a rebuild makes the models anew from every event.",
        seconds=events / rate if rate else None,
        rate_source=source,
    )


async def replay_part(store: Store, definition: ProjectionDefinition, record: ProjectionRecord, part: Part, progress: Progress) -> Outcome:
    """Apply them again, in order. Goes on after the last batch that an interrupted attempt reported."""
    given = progress.checkpoint or {"build": record.serving, "sequence": 0, "events": 0, "changed": 0}
    build = cast(int, given["build"])
    if build != record.serving:
        raise InvalidInput(f"Build {record.serving} of {definition.name} serves now, not {build}; plan the replay again.")
    before = Reapplied(events=cast(int, given["events"]), changed=cast(int, given["changed"]), sequence=cast(int, given["sequence"]))
    whole = await _select(store, definition, record, part)
    selection = replace(whole, first=max(whole.first, before.sequence + 1))
    rest = await count_messages(store.connection, definition.stream, selection.patterns, first=selection.first, last=selection.last)
    total = before.events + rest

    async def on_batch(at: Reapplied) -> None:
        events, changed = before.events + at.events, before.changed + at.changed
        checkpoint: dict[str, Value] = {"build": record.serving, "sequence": at.sequence, "events": events, "changed": changed}
        await progress.report(events, total, checkpoint=checkpoint, sequence=at.sequence)

    try:
        done = await reapply(
            store, definition, record.serving, selection, left_out=record.left_out(definition.generation), on_batch=on_batch
        )
    except ProjectionFailed as error:
        progress.log(str(error))
        raise
    events, changed = before.events + done.events, before.changed + done.changed
    await progress.report(events, events, force=True)
    span = f"sequence {whole.first:,} to {whole.last:,}"
    return Outcome(
        sentence=f"Applied {events:,} events of {definition.name} again, {span}; models changed {changed:,} times.",
        figures={"events": events, "changed": changed, "seconds": progress.seconds},
    )


async def _select(store: Store, definition: ProjectionDefinition, record: ProjectionRecord, part: Part) -> Selection:
    """The events of a part that the serving build has applied. Raises InvalidInput."""
    if not definition.is_idempotent:
        raise InvalidInput(
            f"Applying events twice would change the models of {definition.name}, so a part of the stream cannot be replayed into them. "
            "Rebuild it instead: that fills new models from every event, compares, and switches."
        )
    position = (await position_of(store, definition, record.serving)).sequence
    stream = definition.stream
    first = await sequence_at(store.connection, stream, part.start) if part.start else 1
    asked = await _last_sequence(store, stream, part.end) if part.end else position
    last = min(asked, position)
    if first > last:
        raise InvalidInput(f"No event lies between {first:,} and {last:,}; {definition.name} has applied events to sequence {position:,}.")
    patterns = select_patterns(store, definition, aggregates=part.aggregates, event_types=part.event_types)
    return Selection(first=first, last=last, patterns=patterns)


async def _last_sequence(store: Store, stream: str, text: str) -> int:
    """The sequence that an end names: itself, or that of the last event stored before a time."""
    place = await sequence_at(store.connection, stream, text)
    return place if isinstance(parse_position(text, now()), int) else place - 1


def _notes(definition: ProjectionDefinition, record: ProjectionRecord, overtaken: Overtaken) -> list[str]:
    notes = [
        "Nothing is sent anywhere; who watches the read models sees every model that changes written once more.",
        "New events wait while it runs, and are applied after it. Builds that are kept stay as they are.",
    ]
    if overtaken.models:
        scope = "" if overtaken.is_all else f"among the first {overtaken.looked_at:,} events, "
        notes.append(
            f"{scope}{overtaken.models:,} of {overtaken.touched:,} models were changed later by events that this replay leaves out. "
            "Unless `apply` keeps what is newer, these models go back to what the replayed events say."
        )
    left_out = len(record.left_out(definition.generation))
    if left_out:
        notes.append(f"{left_out:,} events that were left out or parked by an operator are left out again.")
    return notes


async def _count(store: Store, definition: ProjectionDefinition, selection: Selection, pattern: str) -> int:
    return await count_messages(store.connection, definition.stream, (pattern,), first=selection.first, last=selection.last)
