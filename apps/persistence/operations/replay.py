"""This module is the replay of a projection: the whole stream beside the models that serve, or a part of it into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

from ..projections import (
    ProjectionRecord,
    begin_build,
    drop_build,
    read_record,
    switch,
)
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.parameters import Place
from ..work.rates import measured_rate
from .declared import applied_in_words, count_events, find_rebuildable, position_of, superfluous_builds
from .filling import fill
from .replay_part import Part, plan_part, replay_part

FROM_THE_START = Place("")
TO_THE_END = Place("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Applies events again: all of them into new models that readers are then switched to, or some into the models that serve."""

    title: ClassVar[str] = "Replay a projection"
    permission: ClassVar[str] = "operations.replay"

    projection: str = field(metadata={"help": "The name of the projection, such as order-summary.", "choices": projections})
    start: Place = field(default=FROM_THE_START, metadata={"help": "From where events are applied again; empty: from the first."})
    end: Place = field(
        default=TO_THE_END, metadata={"help": "The last sequence, or the time before which events were stored; empty: to the newest."}
    )
    event_types: tuple[str, ...] = field(default=(), metadata={"help": "Only these event types, one per line, such as discount_applied."})
    aggregates: tuple[str, ...] = field(
        default=(), metadata={"help": "Only these aggregates or types of them, one per line, such as sales.order.7f3c or sales.order."}
    )

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    @property
    def part(self) -> Part | None:
        """Which part of the stream, or None for all of it."""
        part = Part(start=self.start, end=self.end, event_types=self.event_types, aggregates=self.aggregates)
        return part if part.is_limited else None

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be applied and switched. Raises InvalidInput for a projection that cannot be replayed, or not in part."""
        definition, record = await find_rebuildable(store, registry, self.projection)
        if self.part is not None:
            return await plan_part(store, definition, record, self.part)
        events = await count_events(store, definition, record)
        rate, source = await measured_rate(store.connection, "replay", self.target)
        return Plan(
            summary=f"Replay {self.projection} from the first event",
            saw={"serving": record.serving, "version": definition.version},
            changes=(
                Change(what="Build that serves", now=str(record.serving), after="a new one, from the first event"),
                Change(what="Code version", now=str(record.serving_build.version), after=str(definition.version)),
                Change(what="Events to apply", now="0", after=f"{events:,}"),
            ),
            counts=((definition.stream, events),),
            notes=tuple(_notes(record)),
            undo=f"Before the switch: cancel, and nothing has changed. After it: {_way_back(record)}",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Apply, and for a whole replay switch and drop what is older than the build before. Goes on where an attempt was interrupted."""
        definition, record = await find_rebuildable(store, registry, self.projection)
        if self.part is not None:
            return await replay_part(store, definition, record, self.part, progress)
        total = await count_events(store, definition, record)
        given = progress.checkpoint or {
            "from": record.serving,
            "build": await begin_build(store, definition, progress.run_id),
            "events": total,
        }
        before, number = cast(int, given["from"]), cast(int, given["build"])
        if record.serving != number:
            applied = (await position_of(store, definition, number)).applied
            await progress.report(applied, max(applied, total), checkpoint=given, force=True)
            await fill(store, definition, number, progress, total=total)
            await switch(store.connection, definition.name, from_build=before, to_build=number)
            progress.log(f"readers use build {number} from now on")
        now = await read_record(store.connection, definition.name)
        for build in superfluous_builds(now, before, number):
            await drop_build(store.connection, registry.projections[definition.name], build.number)
        position = await position_of(store, definition, number)
        await progress.report(position.applied, position.applied, sequence=position.sequence, force=True)
        words = applied_in_words(position.applied, cast(int, given.get("events", total)))
        return Outcome(
            sentence=f"{words}; build {number} of {definition.name} serves, build {before} is kept.",
            figures={"events": position.applied, "seconds": progress.seconds, "build": number},
        )

    def leaves(self, why: str) -> str:
        """What was applied so far."""
        if self.part is not None:
            return "Models are as after the events applied so far; nothing is half applied, and the projection goes on."
        return "The build that serves goes on. " + (
            "Resuming goes on with the new one where it stopped."
            if why == "pause"
            else "The new one is not fed any more; drop it, or the next replay does."
        )


def _way_back(record: ProjectionRecord) -> str:
    if record.failure:
        return f"build {record.serving} is kept, but it has stopped; readers can be switched back to it once it was retried."
    return f"switch back to build {record.serving}, which is kept."


def _notes(record: ProjectionRecord) -> list[str]:
    notes = [
        f"Build {record.serving} goes on serving readers, and being fed, until the new one has caught up.",
        "Readers are switched whatever differs; a rebuild compares the two first.",
        "Nothing is sent anywhere: projections only write their own read models.",
    ]
    left_out = len(record.left_out(record.serving_build.generation))
    if left_out:
        notes.append(f"{left_out:,} events that were left out or parked by an operator are left out again.")
    if record.failure:
        notes.append(f"The projection is stopped at sequence {record.failure.sequence:,}; the replay will meet that event again.")
    return notes
