"""This module is applying events again to models that have them already: a part of the stream, into the build that readers use.

Only for projections whose `apply` is idempotent. `_position` stays where it is; each batch is written with it, all or nothing, so that a
feed and a replay can never overwrite each other. Feeds rest meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..errors import InvalidInput, RevisionConflict
from ..events import AggregateRef
from ..store import Message, Store, open_reader, read_batch
from ..subjects import check_token, intersect, overlaps
from .control import HOLD_SECONDS, hold_feeds, release_feeds
from .definition import ProjectionDefinition
from .folding import Touched, fold, touch
from .models import ModelBucket, changed_last_by, fetch_now
from .pace import Pace
from .runner import MAX_OVERHEAD, EventRefused

BATCH_EVENTS = 500
LOOKED_AT = 500
_TRIES = 20
_PAUSE_SECONDS = 0.1

OnBatch = Callable[["Reapplied"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events: from `first` to `last`, both included, whose subjects match one of `patterns`."""

    first: int
    last: int
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reapplied:
    """How far it is: events applied again, models that changed by it, and the last sequence."""

    events: int = 0
    changed: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """Of the models that some selected events touch (`is_all`: all of them), how many were changed later by events left out."""

    looked_at: int
    is_all: bool
    touched: int
    models: int


def select_patterns(
    store: Store, definition: ProjectionDefinition, *, aggregates: Sequence[str], event_types: Sequence[str]
) -> tuple[str, ...]:
    """The subjects of the events that the projection takes, of these aggregates (`sales.order.7f3c`), types of them (`sales.order`) and
    event types; all where none is named. Raises InvalidInput where that is nothing at all, or the same twice.
    """
    if not aggregates and not event_types:
        return definition.subjects or (">",)
    described = store.on_stream(definition.stream)
    if described is None:
        raise InvalidInput(f"No layout describes {definition.stream}, so its events cannot be told apart by aggregate or type.")
    asked = [
        described.layout.pattern_of(context=context, aggregate=aggregate, entity=entity, event=event)
        for context, aggregate, entity in ([_read_aggregate(text) for text in aggregates] or [("*", "*", "*")])
        for event in ([check_token(name, "an event type") for name in event_types] or ["*"])
    ]
    found = [met for pattern in asked for subject in (definition.subjects or (">",)) if (met := intersect(pattern, subject))]
    twice = next(((a, b) for place, a in enumerate(found) for b in found[:place] if overlaps(a, b)), None)
    if twice:
        raise InvalidInput(f"{twice[0]} and {twice[1]} name some events twice; name each aggregate or event type once.")
    if not found:
        raise InvalidInput(f"{definition.name} takes no such events; it takes {', '.join(definition.subjects)}.")
    return tuple(found)


async def find_overtaken(store: Store, definition: ProjectionDefinition, build: int, selection: Selection) -> Overtaken:
    """Which of the models that the first selected events touch were changed last by an event outside of the selection. Reads only."""
    messages: list[Message] = []
    for pattern in selection.patterns:
        batch = await read_batch(store.connection, definition.stream, from_sequence=selection.first, limit=LOOKED_AT, pattern=pattern)
        messages += [message for message in batch.messages if message.sequence <= selection.last]
    messages.sort(key=lambda message: message.sequence)
    touched = Touched()
    touch(touched, store, definition, messages[:LOOKED_AT])
    stored = await fetch_now(ModelBucket(store.connection, definition, build), touched.keys)
    changed_by = [changed_last_by(data) for data in stored.values() if data is not None]
    selected = {message.sequence for message, _, _ in touched.events}
    whole = len(messages) == len(touched.events)
    later = [sequence for sequence in changed_by if sequence > selection.last or (whole and sequence not in selected)]
    return Overtaken(looked_at=len(touched.events), is_all=whole and len(messages) < LOOKED_AT, touched=len(stored), models=len(later))


def _read_aggregate(text: str) -> tuple[str, str, str]:
    """Context, type and id; `*` for the id where a whole type is named. Raises InvalidInput."""
    if text.count(".") == 1:
        context, aggregate = text.split(".")
        return check_token(context, "a context"), check_token(aggregate, "an aggregate type"), "*"
    ref = AggregateRef.parse(text)
    return ref.context, ref.type, ref.id


async def reapply(
    store: Store, definition: ProjectionDefinition, build: int, selection: Selection, *, left_out: frozenset[int], on_batch: OnBatch
) -> Reapplied:
    """Apply the selected events that the build has applied before once more, in order.

    Raises EventRefused at one that cannot be applied, with those before it stored. What `on_batch` raises ends it; go on with a selection
    that begins after the sequence it was told last.
    """
    pace = Pace(definition.rate_limit)
    done = Reapplied()
    held_at = 0.0
    try:
        async with open_reader(
            store.connection,
            definition.stream,
            from_sequence=selection.first,
            to_sequence=selection.last,
            patterns=selection.patterns,
            batch_size=BATCH_EVENTS,
        ) as reader:
            async for messages in reader:
                if time.monotonic() - held_at > HOLD_SECONDS / 3:
                    await hold_feeds(store.connection, definition.name)
                    held_at = time.monotonic()
                done = await _apply_all(store, definition, build, [m for m in messages if m.sequence not in left_out], done)
                await on_batch(done)
                await pace.wait(len(messages))
    finally:
        await release_feeds(store.connection, definition.name)
    return done


async def _apply_all(store: Store, definition: ProjectionDefinition, build: int, messages: list[Message], done: Reapplied) -> Reapplied:
    """Apply these, in as many batches as they need. Who writes at the same moment goes first, and the batch is tried again."""
    tries = 0
    while messages:
        try:
            taken, changed = await _apply_batch(store, definition, build, messages)
        except RevisionConflict:
            tries += 1
            if tries > _TRIES:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        done = Reapplied(events=done.events + taken, changed=done.changed + changed, sequence=messages[taken - 1].sequence)
        messages = messages[taken:]
    return done


async def _apply_batch(store: Store, definition: ProjectionDefinition, build: int, messages: list[Message]) -> tuple[int, int]:
    models = ModelBucket(store.connection, definition, build)
    position = await models.open()
    touched = Touched()
    touch(touched, store, definition, messages)
    stored = await models.fetch(touched.keys)
    folded = fold(definition, touched, stored, max_bytes=store.connection.server.max_payload - MAX_OVERHEAD)
    if folded.changes:
        await models.commit(folded.changes, sequence=position.sequence, applied=0)
    if folded.stumble is not None:
        raise EventRefused(definition.name, folded.stumble)
    return folded.applied, len(folded.changes)
