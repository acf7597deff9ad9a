"""This module is the control of projections: reading their records, and changing them without ever overwriting another's change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from ..errors import InvalidInput, KeyNotFound, ProjectionFailed, RevisionConflict, StreamNotFound
from ..events import now
from ..store import Connection, Store, ensure_bucket, kv_all, kv_get, kv_put
from .definition import ProjectionDefinition, bucket_of
from .record import Build, Failure, ProjectionRecord, Skip, Wanted, to_bytes, to_record
from .runner import EventRefused

RECORDS_BUCKET = "cim-projections"
HOLD_SECONDS = 15.0
_HISTORY = 10
_TRIES = 20

Change = Callable[[ProjectionRecord], ProjectionRecord]


async def ensure_record(connection: Connection, definition: ProjectionDefinition) -> ProjectionRecord:
    """The record of a projection; where there is none, one whose first build serves."""
    await ensure_bucket(connection, RECORDS_BUCKET, history=_HISTORY)
    while True:
        found = await find_record(connection, definition.name, leader=True)
        if found is not None:
            return found
        moment = now()
        first = Build(number=1, version=definition.version, started=moment, generation=definition.generation)
        record = ProjectionRecord(name=definition.name, created=moment, serving=1, builds=(first,), last_build=1)
        try:
            revision = await kv_put(connection, RECORDS_BUCKET, record.name, to_bytes(record), expected_revision=0)
        except RevisionConflict:
            continue
        return replace(record, revision=revision)


async def find_record(connection: Connection, name: str, *, leader: bool = False) -> ProjectionRecord | None:
    """The record of a projection, or None where no worker ever ran it."""
    try:
        entry = await kv_get(connection, RECORDS_BUCKET, name, leader=leader)
    except StreamNotFound:
        return None
    return to_record(entry) if entry else None


async def read_record(connection: Connection, name: str) -> ProjectionRecord:
    """The newest record of a projection, from the leader. Raises KeyNotFound where no worker ever ran it."""
    record = await find_record(connection, name, leader=True)
    if record is None:
        raise KeyNotFound(f"No worker has ever run a projection {name}; check its name, and that a worker runs.")
    return record


async def list_records(connection: Connection) -> list[ProjectionRecord]:
    """All records, by name."""
    try:
        entries = await kv_all(connection, RECORDS_BUCKET)
    except StreamNotFound:
        return []
    return sorted((to_record(entry) for entry in entries), key=lambda record: record.name)


async def change_record(connection: Connection, name: str, change: Change) -> ProjectionRecord:
    """Replace the record by `change(record)`, again on the newest one if somebody was faster. What `change` raises ends it.

    Raises KeyNotFound, and RevisionConflict where others are faster every time.
    """
    for _ in range(_TRIES):
        before = await read_record(connection, name)
        after = change(before)
        if after == before:
            return before
        try:
            revision = await kv_put(connection, RECORDS_BUCKET, name, to_bytes(after), expected_revision=before.revision)
        except RevisionConflict:
            continue
        return replace(after, revision=revision)
    raise RevisionConflict(name, expected=None)


async def serving_bucket(connection: Connection, name: str) -> str:
    """The bucket that readers of projection `name` use now; that of its first build where no worker ever ran it."""
    record = await find_record(connection, name)
    return bucket_of(name, record.serving if record else 1)


async def pause(connection: Connection, name: str) -> ProjectionRecord:
    """Let the projection rest after the batch it is at; it keeps its place."""
    return await change_record(connection, name, lambda record: replace(record, wanted=Wanted.PAUSED))


async def resume(connection: Connection, name: str) -> ProjectionRecord:
    """Let the projection run; what failed is tried again."""
    return await change_record(connection, name, lambda record: replace(without_failure(record), wanted=Wanted.RUNNING))


async def retry(connection: Connection, name: str) -> ProjectionRecord:
    """Have every build that stopped try its event again; whether the projection is paused stays as it is."""
    return await change_record(connection, name, without_failure)


async def hold_feeds(connection: Connection, name: str) -> ProjectionRecord:
    """Have workers feed none of the projection's builds for HOLD_SECONDS from now on; hold again before they are over, or release.

    Who is killed meanwhile leaves nothing behind: the hold ends by itself.
    """
    return await change_record(connection, name, lambda record: replace(record, held_until=now() + timedelta(seconds=HOLD_SECONDS)))


async def release_feeds(connection: Connection, name: str) -> ProjectionRecord:
    """Have workers feed the projection's builds again."""
    return await change_record(connection, name, lambda record: replace(record, held_until=None))


async def skip_failed(connection: Connection, name: str, *, sequence: int, note: str, by: str) -> ProjectionRecord:
    """Leave out the event at which a build stopped, and go on after it. Raises InvalidInput if none stopped there."""

    def skip(record: ProjectionRecord) -> ProjectionRecord:
        build = record.stopped_at(sequence)
        if build is None:
            raise InvalidInput(f"{name} is not stopped at sequence {sequence:,}, so that event cannot be left out.")
        if not note.strip():
            raise InvalidInput(f"Say why the event at sequence {sequence:,} is left out; the note stays with the projection.")
        left_out = Skip(sequence=sequence, note=note.strip(), by=by, at=now(), generation=build.generation)
        return replace(without_failure(record), skips=(*record.skips, left_out))

    return await change_record(connection, name, skip)


async def record_failure(store: Store, name: str, number: int, error: ProjectionFailed) -> ProjectionRecord:
    """Note on a build the event at which it stopped."""
    subject = error.message.subject if isinstance(error, EventRefused) else ""
    described = store.on_stream(error.message.stream) if isinstance(error, EventRefused) else None
    parts = described.layout.parse(subject) if described else None

    def fail(record: ProjectionRecord) -> ProjectionRecord:
        build = record.build(number)
        before = build.last_failure
        again = before if before and before.sequence == error.sequence else None
        failure = Failure(
            sequence=error.sequence,
            subject=subject,
            event_type=(parts.event or "") if parts else "",
            aggregate=f"{parts.context}.{parts.aggregate}.{parts.entity}" if parts else "",
            reason=error.reason,
            since=again.since if again else now(),
            attempts=again.attempts + 1 if again else 1,
        )
        return record.with_build(replace(build, failure=failure, last_failure=failure))

    return await change_record(store.connection, name, fail)


def without_failure(record: ProjectionRecord) -> ProjectionRecord:
    """The record in which no build has stopped."""
    return replace(record, builds=tuple(replace(build, failure=None) for build in record.builds))
