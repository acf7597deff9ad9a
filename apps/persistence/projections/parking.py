"""This module is parking: an event that a projection cannot apply is set aside with a note, and decided on later.

A parked event is left out by every build, in rebuilds too, until it is applied or left out for good. Each build keeps with its position
which events it passed over, so that applying one later counts exactly once in each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import InvalidInput, KeyNotFound, RevisionConflict, StreamNotFound
from ..events import now
from ..store import Connection, Message, Store, get_message
from .control import change_record, hold_feeds, read_record, release_feeds, without_failure
from .definition import ProjectionDefinition
from .folding import Folded, Touched, fold, touch
from .models import ModelBucket, changed_last_by, fetch_now, place_of, read_position
from .record import Parked, ProjectionRecord, Skip
from .runner import MAX_OVERHEAD, EventRefused

_TRIES = 20
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LateModel:
    """A model that a parked event changes: its stored bytes now and after it, None where there is none."""

    key: str
    before: bytes | None
    after: bytes | None

    @property
    def changed_by(self) -> int:
        """The event that changed it last, 0 where there is none or it does not say."""
        return changed_last_by(self.before) if self.before else 0


async def park_failed(connection: Connection, name: str, *, sequence: int, note: str, by: str) -> ProjectionRecord:
    """Set aside the event at which the projection stopped, and go on after it. Raises InvalidInput if it did not stop there."""

    def park(record: ProjectionRecord) -> ProjectionRecord:
        build = record.stopped_at(sequence)
        if build is None or build.failure is None:
            raise InvalidInput(f"{name} is not stopped at sequence {sequence:,}, so that event cannot be parked.")
        if not note.strip():
            raise InvalidInput(f"Say why the event at sequence {sequence:,} is parked; the note stays with the projection.")
        failure = build.failure
        parked = Parked(
            sequence=sequence,
            subject=failure.subject,
            event_type=failure.event_type,
            aggregate=failure.aggregate,
            reason=failure.reason,
            note=note.strip(),
            by=by,
            at=now(),
            generation=build.generation,
        )
        return replace(without_failure(record), parked=(*record.parked, parked))

    return await change_record(connection, name, park)


async def dismiss_parked(connection: Connection, name: str, *, sequence: int, note: str, by: str) -> ProjectionRecord:
    """Leave a parked event out for good. Raises KeyNotFound where it is not parked."""

    def dismiss(record: ProjectionRecord) -> ProjectionRecord:
        parked = find_parked(record, sequence)
        if not note.strip():
            raise InvalidInput(f"Say why the event at sequence {sequence:,} is left out for good; the note stays with the projection.")
        left_out = Skip(sequence=sequence, note=note.strip(), by=by, at=now(), generation=parked.generation)
        return replace(_without(record, sequence, parked.generation), skips=(*record.skips, left_out))

    return await change_record(connection, name, dismiss)


def find_parked(record: ProjectionRecord, sequence: int) -> Parked:
    """The parked event at `sequence`. Raises KeyNotFound."""
    for parked in record.parked:
        if parked.sequence == sequence:
            return parked
    raise KeyNotFound(f"No event is parked at sequence {sequence:,} of {record.name}; look at its page of parked events.")


def find_here(record: ProjectionRecord, definition: ProjectionDefinition, sequence: int) -> Parked:
    """The parked event at `sequence` of the generation that the definition reads. Raises KeyNotFound, and InvalidInput for another's."""
    for parked in record.parked:
        if (parked.sequence, parked.generation) == (sequence, definition.generation):
            return parked
    parked = find_parked(record, sequence)
    raise InvalidInput(
        f"Sequence {sequence:,} was parked of generation {parked.generation} of the stream, and generation {definition.generation} serves. "
        "What became of it there is parked, or applied, on its own; dismiss this one."
    )


async def look_at_parked(store: Store, definition: ProjectionDefinition, sequence: int) -> tuple[LateModel, ...]:
    """The models of the serving build that a parked event would change if it were applied now. Reads only.

    Raises EventRefused where it still cannot be applied, EventNotFound where it is gone.
    """
    touched = _touch(store, definition, await get_message(store.connection, definition.stream, sequence))
    record = await read_record(store.connection, definition.name)
    stored = await fetch_now(ModelBucket(store.connection, definition, record.serving), touched.keys)
    folded = _fold(store, definition, touched, stored)
    return tuple(LateModel(key=key, before=stored[key], after=data) for key, data in folded.changes.items())


async def apply_parked(store: Store, definition: ProjectionDefinition, sequence: int) -> tuple[int, ...]:
    """Apply a parked event now, after later ones, in every build that passed over it, and return their numbers.

    Each counts it exactly once, also when this is called again after any interruption. Raises EventRefused where it still cannot be
    applied; it then stays parked.
    """
    message = await get_message(store.connection, definition.stream, sequence)
    _touch(store, definition, message)
    await hold_feeds(store.connection, definition.name)
    try:
        done = await _apply_to_all(store, definition, message)
        await change_record(store.connection, definition.name, lambda record: _without(record, sequence, definition.generation))
    finally:
        await release_feeds(store.connection, definition.name)
    return tuple(sorted({*done, *await _apply_to_all(store, definition, message)}))


async def _apply_to_all(store: Store, definition: ProjectionDefinition, message: Message) -> list[int]:
    record = await read_record(store.connection, definition.name)
    builds = [build.number for build in record.builds if build.generation == definition.generation]
    return [number for number in builds if await _apply_to(store, definition, number, message)]


async def _apply_to(store: Store, definition: ProjectionDefinition, build: int, message: Message) -> bool:
    """Apply the event in one build if that passed over it. Who writes at the same moment goes first, and this is tried again."""
    for _ in range(_TRIES):
        try:
            position = await read_position(store.connection, place_of(definition, build), leader=True)
        except StreamNotFound:
            return False
        if message.sequence not in position.left_out:
            return False
        try:
            await _commit(store, definition, build, message)
        except RevisionConflict:
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return True
    raise RevisionConflict(place_of(definition, build).position, expected=None)


async def _commit(store: Store, definition: ProjectionDefinition, build: int, message: Message) -> None:
    models = ModelBucket(store.connection, definition, build)
    position = await models.open()
    touched = _touch(store, definition, message)
    stored = await models.fetch(touched.keys)
    folded = _fold(store, definition, touched, stored)
    left_out = [sequence for sequence in position.left_out if sequence != message.sequence]
    await models.commit(folded.changes, sequence=position.sequence, applied=1, left_out=left_out)


def _fold(store: Store, definition: ProjectionDefinition, touched: Touched, stored: Mapping[str, bytes | None]) -> Folded:
    folded = fold(definition, touched, stored, max_bytes=store.connection.server.max_payload - MAX_OVERHEAD)
    if folded.stumble is not None:
        raise EventRefused(definition.name, folded.stumble)
    return folded


def _touch(store: Store, definition: ProjectionDefinition, message: Message) -> Touched:
    touched = Touched()
    touch(touched, store, definition, [message])
    if touched.stumble is not None:
        raise EventRefused(definition.name, touched.stumble)
    return touched


def _without(record: ProjectionRecord, sequence: int, generation: int) -> ProjectionRecord:
    kept = tuple(parked for parked in record.parked if (parked.sequence, parked.generation) != (sequence, generation))
    return replace(record, parked=kept)
