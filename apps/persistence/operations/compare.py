"""This module is comparing a build of a projection with the one that serves, before readers are switched to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..projections import ProjectionRecord, check_fields, compare_builds, keep_comparison
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from .declared import find_projection, lag_of
from .rebuild import describe


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Reads every model of a build and of the one that serves, and says which are equal, which differ, and which only one of them has."""

    title: ClassVar[str] = "Compare two builds"
    permission: ClassVar[str] = "operations.compare"

    projection: str = field(metadata={"help": "The name of the projection.", "choices": projections})
    build: int = field(metadata={"help": "The number of the build that is compared with the one that serves.", "least": 1})
    expected_differences: tuple[str, ...] = field(
        default=(), metadata={"help": "Fields that may differ, one per line, such as total_cents or lines.*.price."}
    )

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be read. Raises InvalidInput where there is no such build, or it serves."""
        definition, record = await find_projection(store, registry, self.projection)
        fields = check_fields(self.expected_differences)
        _check(record, self.build, has_buckets=definition.target is None)
        known = record.build(self.build).comparison
        lag = await lag_of(store, definition, self.build)
        return Plan(
            summary=f"Compare build {self.build} of {self.projection} with build {record.serving}",
            saw={"serving": record.serving},
            changes=(
                Change(
                    what="Last comparison", now=f"at {known.at:%Y-%m-%d %H:%M} UTC" if known else "none", after="as of the end of the run"
                ),
            ),
            notes=(
                "Reads only; the result is kept with the build.",
                "Where models change faster than they can be read, both builds rest for a moment at the same event.",
                f"Build {self.build} has {lag:,} events still to apply; what these change cannot be compared before.",
                *([f"Differences in {', '.join(fields)} count as expected."] if fields else []),
            ),
            undo="Nothing is changed, so there is nothing to undo.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read, compare, keep the result. An interrupted comparison begins again."""
        definition, record = await find_projection(store, registry, self.projection)
        _check(record, self.build, has_buckets=definition.target is None)

        async def on_look(words: str) -> None:
            await progress.report(0, 1)

        fields = check_fields(self.expected_differences)
        comparison = await compare_builds(store, definition, one=record.serving, other=self.build, fields=fields, on_look=on_look)
        await keep_comparison(store.connection, self.projection, comparison)
        await progress.report(1, 1, force=True)
        return Outcome(
            sentence=f"Build {self.build} against build {record.serving} of {self.projection}: {describe(comparison)}",
            figures={"equal": comparison.equal, "expected": comparison.expected, "different": comparison.differences},
        )


def _check(record: ProjectionRecord, build: int, *, has_buckets: bool) -> None:
    if not has_buckets:
        raise InvalidInput(f"{record.name} writes into a stream of its own, so it has no builds to compare.")
    if build == record.serving:
        raise InvalidInput(f"Build {build} of {record.name} serves; name the build that is to be compared with it.")
    if record.build(build).generation != record.serving_build.generation:
        raise InvalidInput(f"Build {build} of {record.name} was made from another generation of its stream, so the two cannot be compared.")
