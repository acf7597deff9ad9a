"""This module is rebuilding beside: a new build is filled from the first event while the old one serves, then readers are switched.

Nothing is ever replayed into models that readers see. After a switch both builds are fed on, so going back is never stale; a build ends
when it is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import InvalidInput, KeyNotFound, PlanStale, ProjectionFailed, StreamNotFound
from ..events import now
from ..store import Connection, Store, find_consumer, get_stream
from .control import change_record, ensure_record, read_record, record_failure
from .definition import ProjectionDefinition, bucket_of
from .durable import Durable
from .models import place_of
from .placing import at_generation, placed
from .record import Build, ProjectionRecord
from .runner import Orders, run_projection

_CLOSE_TO_THE_HEAD = 1_000
_MAX_ROUNDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A build that has reached the head: its number, and how many events it applied in all."""

    build: int
    applied: int
    sequence: int


async def build_beside(store: Store, definition: ProjectionDefinition, orders: Orders | None = None) -> Rebuilt:
    """Fill a new build from the first event to the head, or go on with one that was begun and not completed.

    May be called again after any interruption. Raises as `fill_build`.
    """
    return await fill_build(store, definition, await begin_build(store, definition), orders)


async def begin_build(store: Store, definition: ProjectionDefinition, owner: str = "") -> int:
    """The number of the build that `owner` has begun beside the one that serves and not completed; a new one where there is none.

    What another run left half filled is never gone on with: nobody knows by which code it was filled.
    """
    definition = placed(store.connection, definition)
    record = await ensure_record(store.connection, definition)
    begun = record.begun_by(owner, version=definition.version, generation=definition.generation)
    if begun is not None and begun.failure is None:
        return begun.number

    def begin(record: ProjectionRecord) -> ProjectionRecord:
        number = record.last_build + 1
        build = Build(number=number, version=definition.version, started=now(), generation=definition.generation, owner=owner)
        return record.with_build(build)

    return (await change_record(store.connection, definition.name, begin)).last_build


async def fill_build(store: Store, definition: ProjectionDefinition, number: int, orders: Orders | None = None) -> Rebuilt:
    """Bring build `number` from where it is to the head; then it is complete, and workers feed it on.

    Raises as `run_projection`; an event that cannot be applied is noted on the build, and the build that serves is not touched. If
    `orders.should_stop` says so it returns early: `completed` of the build is then None.
    """
    definition = placed(store.connection, definition)
    record = await ensure_record(store.connection, definition)
    given = orders or Orders()
    given = replace(given, skip=given.skip | record.left_out(definition.generation))
    for _ in range(_MAX_ROUNDS):
        head = (await get_stream(store.connection, definition.stream)).last_sequence
        try:
            position = await run_projection(store, definition, number, replace(given, until=head))
        except ProjectionFailed as error:
            await record_failure(store, definition.name, number, error)
            raise
        consumer = await find_consumer(store.connection, definition.stream, bucket_of(definition.name, number))
        if given.should_stop():
            break
        if consumer is None or consumer.lag <= _CLOSE_TO_THE_HEAD:
            await _complete(store.connection, definition.name, number)
            break
    return Rebuilt(build=number, applied=position.applied, sequence=position.sequence)


async def switch(connection: Connection, name: str, *, from_build: int, to_build: int) -> ProjectionRecord:
    """Have readers use `to_build`; also the way back. Raises PlanStale if `from_build` does not serve, InvalidInput if it is not ready."""

    def change(record: ProjectionRecord) -> ProjectionRecord:
        if record.serving != from_build:
            raise PlanStale(f"Build {record.serving} of {name} serves now, not {from_build}; look again and decide anew.")
        build = record.build(to_build)
        if build.completed is None or build.failure is not None:
            raise InvalidInput(f"Build {to_build} of {name} {'failed' if build.failure else 'has not reached the newest event yet'}.")
        left = record.serving_build
        left = replace(left, completed=left.completed or now(), left=now())
        return replace(record.with_build(left), serving=to_build, switched_at=now())

    return await change_record(connection, name, change)


async def drop_build(connection: Connection, definition: ProjectionDefinition, number: int) -> None:
    """Delete a build that does not serve: its models, its position and its consumer. Raises InvalidInput for the one that serves."""

    def change(record: ProjectionRecord) -> ProjectionRecord:
        if record.serving == number:
            raise InvalidInput(f"Build {number} of {definition.name} serves readers; switch to another before it is dropped.")
        return replace(record, builds=tuple(build for build in record.builds if build.number != number))

    before = await read_record(connection, definition.name)
    await change_record(connection, definition.name, change)
    definition = at_generation(connection, definition, before.build(number).generation)
    await Durable.of_build(connection, definition, number).delete()
    place = place_of(definition, number)
    try:
        if definition.target is None:
            await connection.api(f"STREAM.DELETE.{place.stream}", stream=place.stream)
        else:
            await connection.api(f"STREAM.PURGE.{place.stream}", {"filter": place.position}, stream=place.stream)
    except (StreamNotFound, KeyNotFound):
        return


async def _complete(connection: Connection, name: str, number: int) -> None:
    def change(record: ProjectionRecord) -> ProjectionRecord:
        build = record.build(number)
        return record.with_build(replace(build, completed=build.completed or now()))

    await change_record(connection, name, change)
