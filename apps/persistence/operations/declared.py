"""This module is looking up the projection that an operation names, and its builds."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import EventNotFound, InvalidInput, StreamNotFound
from ..projections import Build, Position, ProjectionDefinition, ProjectionRecord, bucket_of, find_record, place_of, placed, read_position
from ..registry import Registry
from ..store import Store, find_consumer, get_message


async def find_projection(store: Store, registry: Registry, name: str) -> tuple[ProjectionDefinition, ProjectionRecord]:
    """A projection on the generation of its stream that serves, and its record.

    Raises InvalidInput where no domain declares it, or it never ran.
    """
    definition = registry.projections.get(name)
    if definition is None:
        known = ", ".join(sorted(registry.projections))
        raise InvalidInput(f"There is no projection {name[:80]!r}; there are {known}.")
    record = await find_record(store.connection, name, leader=True)
    if record is None:
        raise InvalidInput(f"{name} has never run; start a worker, and it will begin at the first event by itself.")
    return placed(store.connection, definition), record


async def find_rebuildable(store: Store, registry: Registry, name: str) -> tuple[ProjectionDefinition, ProjectionRecord]:
    """The same, for a projection that can be built beside itself. Raises InvalidInput also where it cannot, or a worker is just at it."""
    definition, record = await find_projection(store, registry, name)
    if definition.target is not None:
        raise InvalidInput(f"{name} writes into a stream of its own and cannot be built beside itself; raise its version instead.")
    if definition.version > record.serving_build.version:
        raise InvalidInput(
            f"{name} is served by version {record.serving_build.version} and the code is version {definition.version}: a worker builds "
            "that beside it and switches by itself. Wait for it, or retry it if it stopped."
        )
    if definition.generation != record.serving_build.generation:
        raise InvalidInput(
            f"{name} is served from generation {record.serving_build.generation} of its stream, and generation {definition.generation} "
            "serves now: a worker builds it anew beside it and switches by itself. Wait for it."
        )
    return definition, record


async def position_of(store: Store, definition: ProjectionDefinition, build: int) -> Position:
    """How far a build is; the beginning where it was never begun."""
    try:
        return await read_position(store.connection, place_of(definition, build))
    except StreamNotFound:
        return Position()


async def lag_of(store: Store, definition: ProjectionDefinition, build: int) -> int:
    """How many events a build has still to apply."""
    consumer = await find_consumer(store.connection, definition.stream, bucket_of(definition.name, build))
    return consumer.lag if consumer else 0


async def count_events(store: Store, definition: ProjectionDefinition, record: ProjectionRecord) -> int:
    """How many events the projection takes: those that the serving build applied, and those before it."""
    position = await position_of(store, definition, record.serving)
    return position.applied + await lag_of(store, definition, record.serving)


def applied_in_words(applied: int, counted: int) -> str:
    """How many events a new build applied, and why that is not what was counted when the run began."""
    if applied > counted:
        return f"Applied {applied:,} events, {applied - counted:,} of them stored since it began"
    if applied < counted:
        return f"Applied {applied:,} of {counted:,} events; the others are left out, or gone from the stream"
    return f"Applied {applied:,} events"


async def describe_event(store: Store, definition: ProjectionDefinition, sequence: int) -> str:
    """The event's subject."""
    try:
        return (await get_message(store.connection, definition.stream, sequence)).subject
    except EventNotFound:
        return f"{definition.stream} sequence {sequence:,}, which is gone"


def superfluous_builds(record: ProjectionRecord, *keep: int) -> tuple[Build, ...]:
    """The builds that go once another serves: all but that and those to keep, and never the last that readers could be switched back to."""
    others = [build for build in record.builds if build.number != record.serving]
    way_back = [build for build in others if build.completed is not None and build.failure is None]
    is_kept = any(build.number in keep for build in way_back)
    kept = {*keep, *(() if is_kept else [build.number for build in way_back[-1:]])}
    return tuple(build for build in others if build.number not in kept)


def words_of(builds: Sequence[Build]) -> str:
    """Builds by number, as in `1, 2 and 4`."""
    numbers = [str(build.number) for build in builds]
    return " and ".join([", ".join(numbers[:-1]), numbers[-1]]) if len(numbers) > 1 else "".join(numbers)
