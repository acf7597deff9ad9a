"""This module is what the server knows of projections at this moment, gathered in few requests: record, consumers, position, next event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import StreamNotFound
from ..store import Connection, ConsumerInfo, get_next, list_consumers
from .control import list_records
from .definition import ProjectionDefinition, bucket_of
from .models import Position, place_of, read_position
from .placing import at_generation, placed
from .record import Build, ProjectionRecord

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """One build: the stream that it reads, its position, and its durable consumer (None before it was first run)."""

    build: int
    stream: str
    position: Position
    consumer: ConsumerInfo | None

    @property
    def lag(self) -> int | None:
        """Events that this build has still to apply; what the consumer was given and has not acknowledged counts."""
        return self.consumer.lag if self.consumer else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One projection. `record` and `serving` are None where it never ran; `next_event_at` is when the event that comes next was stored.

    `fed` is the build that workers feed: the one that serves, or the one that is to replace it. The definition is on the stream that
    `measured` reads.
    """

    definition: ProjectionDefinition
    record: ProjectionRecord | None = None
    serving: BuildFacts | None = None
    beside: BuildFacts | None = None
    fed: Build | None = None
    next_sequence: int | None = None
    next_event_at: datetime | None = None

    @property
    def closed(self) -> str:
        """The stream that the serving build reads, where that is a closed generation and its replacement is being filled; else empty."""
        return self.serving.stream if self.serving and self.measured is not self.serving else ""

    @property
    def measured(self) -> BuildFacts | None:
        """The build whose lag and rates tell how the projection goes: that which replaces the serving one, where its stream is closed."""
        if self.record is None or self.fed is None or self.beside is None or self.beside.consumer is None:
            return self.serving
        is_replaced = self.fed.generation != self.record.serving_build.generation and self.fed.number == self.beside.build
        return self.beside if is_replaced else self.serving


async def gather_facts(connection: Connection, definitions: Sequence[ProjectionDefinition], *, with_next: bool = True) -> list[Facts]:
    """The facts of each projection, in the order given. `with_next` also looks up the next event of those that lag.

    Raises Unavailable, and EncodingError where a stored position cannot be read.
    """
    records = {record.name: record for record in await list_records(connection)}
    consumers = await _consumers(connection, _streams(connection, definitions, records))
    slots = asyncio.Semaphore(_AT_ONCE)

    async def gather(definition: ProjectionDefinition) -> Facts:
        async with slots:
            return await _facts(connection, definition, records.get(definition.name), consumers, with_next=with_next)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(gather(definition)) for definition in definitions]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures  # callers act on one error, and the first ended the others
    return [task.result() for task in tasks]


async def _facts(
    connection: Connection,
    definition: ProjectionDefinition,
    record: ProjectionRecord | None,
    consumers: Mapping[tuple[str, str], ConsumerInfo],
    *,
    with_next: bool,
) -> Facts:
    if record is None:
        return Facts(definition=definition)
    serving = await _build(connection, definition, record.serving_build, consumers)
    rebuilding = record.rebuilding
    beside = await _build(connection, definition, rebuilding, consumers) if rebuilding else None
    fed = record.fed(version=definition.version, generation=placed(connection, definition).generation)
    facts = Facts(definition=definition, record=record, serving=serving, beside=beside, fed=fed)
    measured = facts.measured or serving
    definition = at_generation(connection, definition, record.build(measured.build).generation)
    sequence, stored_at = None, None
    if with_next and measured.lag:
        sequence, stored_at = await _next_event(connection, definition, measured.position.sequence)
    return replace(facts, definition=definition, next_sequence=sequence, next_event_at=stored_at)


async def _build(
    connection: Connection, definition: ProjectionDefinition, build: Build, consumers: Mapping[tuple[str, str], ConsumerInfo]
) -> BuildFacts:
    number, definition = build.number, at_generation(connection, definition, build.generation)
    try:
        position = await read_position(connection, place_of(definition, number))
    except StreamNotFound:
        position = Position()
    consumer = consumers.get((definition.stream, bucket_of(definition.name, number)))
    return BuildFacts(build=number, stream=definition.stream, position=position, consumer=consumer)


async def _next_event(connection: Connection, definition: ProjectionDefinition, position: int) -> tuple[int, datetime] | tuple[None, None]:
    """The sequence and time of the first event after `position` that the projection takes."""
    found = [
        message
        for pattern in definition.subjects
        if (message := await get_next(connection, definition.stream, from_sequence=position + 1, pattern=pattern))
    ]
    first = min(found, key=lambda message: message.sequence, default=None)
    return (first.sequence, first.time) if first else (None, None)


def _streams(connection: Connection, definitions: Sequence[ProjectionDefinition], records: Mapping[str, ProjectionRecord]) -> set[str]:
    """Every stream that a build of one of them reads."""
    builds = [(one, build) for one in definitions if one.name in records for build in records[one.name].builds]
    return {at_generation(connection, one, build.generation).stream for one, build in builds}


async def _consumers(connection: Connection, streams: Iterable[str]) -> dict[tuple[str, str], ConsumerInfo]:
    found: dict[tuple[str, str], ConsumerInfo] = {}
    for stream in sorted(streams):
        try:
            found.update({(stream, consumer.name): consumer for consumer in await list_consumers(connection, stream)})
        except StreamNotFound:
            continue
    return found
