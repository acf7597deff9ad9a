"""This module is the replay of a projection: its models built anew from the first event beside those that serve, then switched."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar, cast

from ..encoding import Value
from ..errors import InvalidInput, ProjectionFailed, StreamNotFound
from ..projections import (
    Orders,
    ProjectionDefinition,
    ProjectionRecord,
    bucket_of,
    build_beside,
    drop_build,
    find_record,
    place_of,
    placed,
    read_position,
    read_record,
    switch,
)
from ..projections import Progress as RunnerProgress
from ..registry import Registry
from ..store import Store, find_consumer
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Builds a projection's read models anew from the first event and switches readers to them when they have caught up."""

    title: ClassVar[str] = "Replay a projection"
    permission: ClassVar[str] = "operations.replay"

    projection: str = field(metadata={"help": "The name of the projection, such as order-summary.", "choices": projections})

    @property
    def target(self) -> str:
        """One replay at a time for each projection."""
        return f"projection/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be applied and switched. Raises InvalidInput for a projection that no domain declares, or that never ran."""
        definition, record = await _find(store, registry, self.projection)
        events = await _count_events(store, definition, record)
        rate, source = await measured_rate(store.connection, "replay", self.target)
        skipped = len(record.skips)
        notes = [
            f"Build {record.serving} goes on serving readers, and being fed, until the new one has caught up.",
            "Nothing is sent anywhere: projections only write their own read models.",
        ]
        if skipped:
            notes.append(f"{skipped} events that were left out by an operator are left out again.")
        if record.failure:
            notes.append(f"The projection is stopped at sequence {record.failure.sequence:,}; the replay will meet that event again.")
        return Plan(
            summary=f"Replay {self.projection} from the first event",
            saw={"serving": record.serving, "version": definition.version},
            changes=(
                Change(what="Build that serves", now=str(record.serving), after="a new one, from the first event"),
                Change(what="Code version", now=str(record.serving_build.version), after=str(definition.version)),
                Change(what="Events to apply", now="0", after=f"{events:,}"),
            ),
            counts=((definition.stream, events),),
            notes=tuple(notes),
            undo="Before the switch: cancel, and nothing has changed. After it: the build before is kept and fed until the next replay.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Fill, catch up, switch, and drop what is older than the build before. Goes on where an interrupted attempt stopped."""
        definition, record = await _find(store, registry, self.projection)
        before = int(cast(int, (progress.checkpoint or {}).get("from", record.serving)))
        started = time.monotonic()
        if record.serving == before:
            total = await _count_events(store, definition, record)
            checkpoint: dict[str, Value] = {"from": before}
            await progress.report(0, total, checkpoint=checkpoint, force=True)
            await self._fill(store, definition, progress, total, checkpoint)
        record = await read_record(store.connection, definition.name)
        await _drop_older(store, definition, record, keep=before)
        position = await read_position(store.connection, place_of(definition, record.serving))
        await progress.report(position.applied, position.applied, sequence=position.sequence, force=True)
        return Outcome(
            sentence=f"Applied {position.applied:,} events; build {record.serving} of {definition.name} serves, build {before} is kept.",
            figures={"events": position.applied, "seconds": time.monotonic() - started, "build": record.serving},
        )

    async def _fill(
        self, store: Store, definition: ProjectionDefinition, progress: Progress, total: int, checkpoint: dict[str, Value]
    ) -> None:
        async def on_progress(at: RunnerProgress) -> None:
            whole = max(total, at.position.applied + at.pending)
            await progress.report(at.position.applied, whole, checkpoint=checkpoint, sequence=at.position.sequence)

        try:
            rebuilt = await build_beside(store, definition, Orders(on_progress=on_progress))
        except ProjectionFailed as error:
            progress.log(str(error))
            raise
        progress.log(f"build {rebuilt.build} has applied {rebuilt.applied:,} events, to sequence {rebuilt.sequence:,}")
        await progress.report(rebuilt.applied, max(total, rebuilt.applied), sequence=rebuilt.sequence, force=True)
        await switch(store.connection, definition.name, from_build=cast(int, checkpoint["from"]), to_build=rebuilt.build)
        progress.log(f"readers use build {rebuilt.build} from now on")


async def _find(store: Store, registry: Registry, name: str) -> tuple[ProjectionDefinition, ProjectionRecord]:
    definition = registry.projections.get(name)
    if definition is None:
        known = ", ".join(sorted(registry.projections))
        raise InvalidInput(f"There is no projection {name!r}; there are {known}.")
    if definition.target is not None:
        raise InvalidInput(f"{name} writes into a stream of its own and cannot be replayed beside itself; raise its version instead.")
    record = await find_record(store.connection, name)
    if record is None:
        raise InvalidInput(f"{name} has never run; start a worker, and it will begin at the first event by itself.")
    return placed(store.connection, definition), record


async def _count_events(store: Store, definition: ProjectionDefinition, record: ProjectionRecord) -> int:
    """How many events the projection takes: those that the serving build applied, and those before it."""
    try:
        position = await read_position(store.connection, place_of(definition, record.serving))
    except StreamNotFound:
        return 0
    consumer = await find_consumer(store.connection, definition.stream, bucket_of(definition.name, record.serving))
    return position.applied + (consumer.lag if consumer else 0)


async def _drop_older(store: Store, definition: ProjectionDefinition, record: ProjectionRecord, *, keep: int) -> None:
    for build in record.builds:
        if build.number not in (record.serving, keep):
            await drop_build(store.connection, definition, build.number)
