"""This module is starting models: with which models a build begins where the stream begins behind an archive.

They are those that a projection had after the last event that was archived: filled like a build, into `cim-{name}-start-{root}-1`, by the
run that archives, before the new generation serves. A build takes them over with the sequence of the last opening event as its
position, so it applies exactly what came after.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, cast

from ..encoding import Cid, decode, encode
from ..errors import InvalidEvent, ProjectionFailed, StreamNotFound
from ..events import OPENING, Event, read_opening
from ..store import Connection, Store, find_layout, get_last, kv_get, kv_put, list_streams, open_reader, to_entry
from .definition import Model, ProjectionDefinition, bucket_of
from .durable import Durable
from .models import ModelBucket, place_of, read_position

COMPLETE_KEY = "_complete"
_BUILD = 1
_PART_MODELS = 500
_PART_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Where a generation begins behind an archive: `sequence` is that of its last opening event, `archive` the root of the archive."""

    sequence: int
    archive: Cid
    file: str


def needs_start(definition: ProjectionDefinition) -> bool:
    """Whether builds of a projection begin with starting models where its stream begins behind an archive."""
    return not definition.from_openings and definition.target is None


def start_of(definition: ProjectionDefinition, archive: Cid) -> ProjectionDefinition:
    """The projection that makes the starting models of another one, without its limit."""
    return replace(
        definition, name=f"{definition.name}-start-{archive.raw[4:12].hex()}", starts=definition.starts or definition.name, rate_limit=None
    )


async def find_beginning(store: Store, definition: ProjectionDefinition) -> Beginning | None:
    """Where the stream of a placed definition begins behind an archive; None where it begins with its first events."""
    layout = find_layout(store.layouts, definition.stream)
    if layout is None and store.declared.stream == definition.stream:
        layout = store.declared  # a restored archive, which may itself begin behind one
    elif layout is None or not layout.is_chained or layout.generation == 1:
        return None
    if layout.kind != "versioned":
        return None
    message = await get_last(store.connection, layout.stream, layout.pattern_of(event=OPENING), leader=True)
    if message is None:
        return None
    try:
        opening = read_opening(Event.from_block(message.data))
    except InvalidEvent as error:
        raise ProjectionFailed(definition.name, sequence=message.sequence, reason=str(error)) from error
    return Beginning(sequence=message.sequence, archive=opening.root, file=opening.file)


async def is_start_complete(connection: Connection, definition: ProjectionDefinition, archive: Cid) -> bool:
    """Whether the starting models behind this archive were all made."""
    try:
        return await kv_get(connection, bucket_of(start_of(definition, archive).name, _BUILD), COMPLETE_KEY, leader=True) is not None
    except StreamNotFound:
        return False


async def start_version(connection: Connection, definition: ProjectionDefinition, archive: Cid) -> int:
    """Which version of the projection made the starting models behind this archive; its own where there is not one model."""
    position = await read_position(connection, place_of(start_of(definition, archive), _BUILD), leader=True)
    return position.version or definition.version


async def complete_start(connection: Connection, definition: ProjectionDefinition, archive: Cid) -> None:
    """Note that all starting models were made; what was needed for making them goes."""
    start = start_of(definition, archive)
    await kv_put(connection, bucket_of(start.name, _BUILD), COMPLETE_KEY, encode({"projection": definition.name, "archive": archive}))
    await Durable.of_build(connection, start, _BUILD).delete()


async def drop_start(connection: Connection, definition: ProjectionDefinition, archive: Cid) -> None:
    """Delete the starting models behind an archive; harmless where there are none. `definition` is placed where they were made of."""
    start = start_of(definition, archive)
    try:
        await Durable.of_build(connection, start, _BUILD).delete()
        bucket = f"KV_{bucket_of(start.name, _BUILD)}"
        await connection.api(f"STREAM.DELETE.{bucket}", stream=bucket)
    except StreamNotFound:
        return


async def drop_unused_starts(connection: Connection, definition: ProjectionDefinition, used: Collection[Cid]) -> list[str]:
    """Delete the starting models of a projection behind all archives but these; which buckets they were in."""
    prefix = f"KV_{bucket_of(f'{definition.name}-start', 0)[:-1]}"
    kept = {f"KV_{bucket_of(start_of(definition, archive).name, _BUILD)}" for archive in used}
    names = [one.name for one in await list_streams(connection) if re.fullmatch(rf"{re.escape(prefix)}[0-9a-f]{{16}}-{_BUILD}", one.name)]
    unused = [name for name in names if name not in kept]
    for name in unused:
        await connection.api(f"STREAM.DELETE.{name}", stream=name)
    return unused


async def begin_with_start(store: Store, definition: ProjectionDefinition, models: ModelBucket, *, skip: frozenset[int]) -> None:
    """Take the starting models over into a build that has applied nothing yet, where its stream begins behind an archive.

    Cut off anywhere, it is done again as a whole. Raises ProjectionFailed where there are none that this version can use; an operator may
    skip the last opening event, and then the build begins without what was archived.
    """
    beginning = await find_beginning(store, definition) if needs_start(definition) else None
    if beginning is None:
        return
    if beginning.sequence in skip:
        await models.commit({}, sequence=beginning.sequence, applied=0, left_out=[beginning.sequence])
        return
    named = replace(definition, name=definition.starts or definition.name)
    start = start_of(named, beginning.archive)
    await _check(store.connection, named, beginning)
    position = await read_position(store.connection, place_of(start, _BUILD), leader=True)
    bucket = bucket_of(start.name, _BUILD)
    async with open_reader(store.connection, f"KV_{bucket}") as reader:
        async for messages in reader:
            entries = [to_entry(bucket, message) for message in messages]
            kept = {entry.key: entry.value for entry in entries if entry.operation == "put" and not entry.key.startswith("_")}
            for part in _in_parts({key: _moved(definition, key, data, beginning) for key, data in kept.items()}):
                await models.commit(part, sequence=0, applied=0)
    await models.commit({}, sequence=beginning.sequence, applied=position.applied)


async def _check(connection: Connection, named: ProjectionDefinition, beginning: Beginning) -> None:
    """Raises ProjectionFailed where the starting models are not there, or are of a version from which no transforms lead here."""
    wanted = f"skip this event with a note to begin without what was archived in {beginning.file}"
    if not await is_start_complete(connection, named, beginning.archive):
        raise ProjectionFailed(
            named.name,
            sequence=beginning.sequence,
            reason=f"its stream begins behind an archive, and it has no models to begin with. Make them (start-models), or {wanted}.",
        )
    version = await start_version(connection, named, beginning.archive)
    missing = [step for step in range(version, named.version) if step not in named.transforms]
    if version > named.version or missing:
        raise ProjectionFailed(
            named.name,
            sequence=beginning.sequence,
            reason=f"its starting models were made by version {version}, and no transforms lead from there to version {named.version}. "
            f"Declare them, make the models anew (start-models), or {wanted}.",
        )


def _moved(definition: ProjectionDefinition, key: str, data: bytes, beginning: Beginning) -> bytes:
    """A starting model as this version has it, last changed by the opening of the generation."""
    stored = cast("dict[str, dict[str, Any]]", decode(data))
    model: Model = stored["model"]
    for step in range(cast(int, stored["metadata"]["schema_version"]), definition.version):
        model = definition.transforms[step](key, model)
    metadata = {**stored["metadata"], "schema_version": definition.version, "last_event_position": beginning.sequence}
    return encode({"metadata": metadata, "model": model})


def _in_parts(models: dict[str, bytes]) -> list[dict[str, bytes | None]]:
    """At most so many models, and bytes, as fit in one batch."""
    parts: list[dict[str, bytes | None]] = []
    size = 0
    for key, data in models.items():
        if not parts or size + len(data) > _PART_BYTES or len(parts[-1]) == _PART_MODELS:
            parts.append({})
            size = 0
        parts[-1][key] = data
        size += len(data)
    return parts
