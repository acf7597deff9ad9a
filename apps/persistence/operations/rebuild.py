"""This module is the rebuild of a projection in stages that can be seen: fill, catch up, compare, switch; the build before is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from ..encoding import Value
from ..projections import (
    Comparison,
    ProjectionDefinition,
    ProjectionRecord,
    begin_build,
    check_fields,
    compare_builds,
    drop_build,
    keep_comparison,
    read_record,
)
from ..projections import switch as switch_readers
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate
from .declared import applied_in_words, count_events, find_rebuildable, position_of, superfluous_builds, words_of
from .filling import fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """Fills a new build beside the one that serves, compares the two, and switches readers when nothing unexpected differs."""

    title: ClassVar[str] = "Rebuild a projection"
    permission: ClassVar[str] = "operations.rebuild"

    projection: str = field(metadata={"help": "The name of the projection, such as order-summary.", "choices": projections})
    switch: Literal["when-equal", "by-hand"] = field(
        default="when-equal", metadata={"help": "Whether readers are switched at the end if nothing unexpected differs, or by a person."}
    )
    expected_differences: tuple[str, ...] = field(
        default=(), metadata={"help": "Fields that may differ, one per line, such as total_cents or lines.*.price. All else must be equal."}
    )

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be filled, compared and switched. Raises InvalidInput for a projection that cannot be built beside itself."""
        definition, record = await find_rebuildable(store, registry, self.projection)
        fields = check_fields(self.expected_differences)
        events = await count_events(store, definition, record)
        rate, source = await measured_rate(store.connection, "rebuild", self.target)
        after = "the same, until a person switches" if self.switch == "by-hand" else "the new one, if nothing unexpected differs"
        return Plan(
            summary=f"Rebuild {self.projection} beside build {record.serving}",
            saw={"serving": record.serving, "version": definition.version},
            changes=(
                Change(what="Build that is filled", now="none", after=f"build {record.last_build + 1}, from every event"),
                Change(what="Build that serves", now=str(record.serving), after=after),
                Change(what="Events to apply", now="0", after=f"{events:,}"),
            ),
            counts=((definition.stream, events),),
            notes=tuple(_notes(record, fields)),
            undo=f"Before the switch: cancel, and drop the new build. After it: build {record.serving} is kept and fed; roll back to it.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Every stage in turn. Goes on with the build and the stage at which an interrupted attempt stopped."""
        definition, record = await find_rebuildable(store, registry, self.projection)
        total = await count_events(store, definition, record)
        given = progress.checkpoint or {
            "from": record.serving,
            "build": await begin_build(store, definition, progress.run_id),
            "events": total,
        }
        before, number = cast(int, given["from"]), cast(int, given["build"])
        applied = (await position_of(store, definition, number)).applied
        await progress.report(applied, max(applied, total), checkpoint=given, force=True)
        if record.serving != number:
            await fill(store, definition, number, progress, total=total)
            comparison = await self._compare(store, definition, record.serving, number, progress)
            is_switched = await self._switch(store, definition, before, comparison, progress)
            if not is_switched:
                return await _waiting(store, definition, comparison, progress.seconds)
        await _drop_others(store, registry.projections[definition.name], keep=(number, before), progress=progress)
        return await _finished(store, definition, number, before, progress, progress.seconds)

    def leaves(self, why: str) -> str:
        """The stage decides; readers are never between two builds."""
        return "The build that serves goes on. The new one stays as it is: " + (
            "resuming goes on where it stopped." if why == "pause" else "drop it, or the next rebuild does."
        )

    async def _compare(self, store: Store, definition: ProjectionDefinition, one: int, other: int, progress: Progress) -> Comparison:
        applied = (await position_of(store, definition, other)).applied

        async def on_look(words: str) -> None:
            await progress.report(applied, applied)

        progress.log(f"Compare: every model of build {one} with that of build {other}")
        fields = check_fields(self.expected_differences)
        comparison = await compare_builds(store, definition, one=one, other=other, fields=fields, on_look=on_look)
        await keep_comparison(store.connection, definition.name, comparison)
        progress.log(describe(comparison))
        return comparison

    async def _switch(
        self, store: Store, definition: ProjectionDefinition, before: int, comparison: Comparison, progress: Progress
    ) -> bool:
        if self.switch == "by-hand" or not comparison.is_equal:
            progress.log(f"Switch: left to a person; build {comparison.one} serves on")
            return False
        await switch_readers(store.connection, definition.name, from_build=before, to_build=comparison.other)
        progress.log(f"Switch: readers use build {comparison.other} from now on")
        return True


def describe(comparison: Comparison) -> str:
    """A comparison in one sentence."""
    parts = [f"{comparison.equal:,} models are equal", f"{comparison.different:,} differ"]
    if comparison.fields:
        parts.append(f"{comparison.expected:,} differ only as expected ({', '.join(comparison.fields)})")
    parts.append(f"{comparison.only_in_one:,} are only in build {comparison.one}")
    parts.append(f"{comparison.only_in_other:,} only in build {comparison.other}")
    if comparison.moved:
        parts.append(f"{comparison.moved:,} could not be compared, as one build lacks events that the other has")
    return f"{', '.join(parts)}."


def _notes(record: ProjectionRecord, fields: tuple[str, ...]) -> list[str]:
    others = [build for build in record.builds if build.number != record.serving and build.completed]
    notes = [
        f"Build {record.serving} goes on serving readers, and being fed; readers never see a build that is not complete.",
        "Nothing is sent anywhere: projections only write their own read models.",
    ]
    if fields:
        notes.append(f"Differences in {', '.join(fields)} are expected and do not keep it from switching.")
    if others:
        notes.append(f"Once the new build serves, build {words_of(others)} is dropped and build {record.serving} is kept for the way back.")
    if record.skips:
        notes.append(f"{len(record.skips):,} events that were left out by an operator are left out again.")
    if record.parked:
        notes.append(f"{len(record.parked):,} parked events are left out again; decide on them first if the new build shall have them.")
    if record.failure:
        notes.append(f"The projection is stopped at sequence {record.failure.sequence:,}; the rebuild will meet that event again.")
    return notes


async def _drop_others(store: Store, definition: ProjectionDefinition, *, keep: tuple[int, int], progress: Progress) -> None:
    record = await read_record(store.connection, definition.name)
    for build in superfluous_builds(record, *keep):
        await drop_build(store.connection, definition, build.number)
        progress.log(f"Drop: build {build.number} is gone")


async def _waiting(store: Store, definition: ProjectionDefinition, comparison: Comparison, seconds: float) -> Outcome:
    applied = (await position_of(store, definition, comparison.other)).applied
    found = "nothing differs" if comparison.is_equal else f"{comparison.differences:,} models differ"
    return Outcome(
        sentence=(
            f"Applied {applied:,} events; build {comparison.other} of {definition.name} is ready and fed, {found}; "
            f"build {comparison.one} serves until a person switches."
        ),
        figures={"events": applied, "seconds": seconds, **_figures(comparison)},
    )


async def _finished(
    store: Store, definition: ProjectionDefinition, number: int, before: int, progress: Progress, seconds: float
) -> Outcome:
    position = await position_of(store, definition, number)
    record = await read_record(store.connection, definition.name)
    comparison = record.build(number).comparison
    await progress.report(position.applied, position.applied, sequence=position.sequence, force=True)
    found = f"{comparison.equal + comparison.expected:,} models compared; " if comparison else ""
    counted = cast(int, (progress.checkpoint or {}).get("events", position.applied))
    words = applied_in_words(position.applied, counted)
    return Outcome(
        sentence=f"{words}; {found}build {number} of {definition.name} serves, build {before} is kept.",
        figures={"events": position.applied, "seconds": seconds, **(_figures(comparison) if comparison else {"build": number})},
    )


def _figures(comparison: Comparison) -> dict[str, Value]:
    return {
        "build": comparison.other,
        "equal": comparison.equal,
        "expected": comparison.expected,
        "different": comparison.different,
        "moved": comparison.moved,
        "only_before": comparison.only_in_one,
        "only_after": comparison.only_in_other,
    }
