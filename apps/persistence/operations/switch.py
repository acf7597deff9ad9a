"""This module is having readers use another build of a projection: forward to a new one, or the way back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..projections import Build, ProjectionDefinition, ProjectionRecord, read_record, switch
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from .declared import find_projection, lag_of
from .rebuild import describe


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Has readers use another build that is complete and fed, in one step; the way back is the same."""

    title: ClassVar[str] = "Switch readers to another build"
    permission: ClassVar[str] = "operations.switch"

    projection: str = field(metadata={"help": "The name of the projection.", "choices": projections})
    build: int = field(metadata={"help": "The number of the build that readers use from then on.", "least": 1})
    serving: int = field(
        metadata={"help": "The number of the build that serves now; the switch is refused if it is another by then.", "least": 1}
    )

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What readers would see. Raises InvalidInput where the build is not ready, or not of this version of the code."""
        definition, record = await find_projection(store, registry, self.projection)
        build = _check(definition, record, self)
        lag = await lag_of(store, definition, self.build)
        return Plan(
            summary=f"{'Roll back' if build.left else 'Switch'} {self.projection} to build {self.build}",
            saw={"serving": record.serving},
            changes=(
                Change(what="Build that serves", now=str(record.serving), after=str(self.build)),
                Change(what="Events that readers wait for", now=f"{await lag_of(store, definition, record.serving):,}", after=f"{lag:,}"),
            ),
            notes=(
                _comparison(build, record.serving),
                f"Build {record.serving} is kept and fed on; nothing is copied, and no reader waits.",
            ),
            undo=f"Switch back to build {record.serving}, which is fed on until it is dropped.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """One compare-and-swap. Done already where an interrupted attempt came so far."""
        definition, record = await find_projection(store, registry, self.projection)
        if not (record.serving == self.build and progress.checkpoint):
            _check(definition, record, self)
            await progress.report(0, 1, checkpoint={"from": self.serving}, force=True)
            await switch(store.connection, self.projection, from_build=self.serving, to_build=self.build)
        after = await read_record(store.connection, self.projection)
        await progress.report(1, 1, force=True)
        return Outcome(sentence=f"Readers of {self.projection} use build {after.serving}; build {self.serving} is kept.")


def _check(definition: ProjectionDefinition, record: ProjectionRecord, asked: Switch) -> Build:
    build = record.build(asked.build)
    if asked.build == record.serving:
        raise InvalidInput(f"Build {asked.build} of {record.name} serves already.")
    if asked.serving != record.serving:
        raise InvalidInput(f"Build {record.serving} of {record.name} serves now, not {asked.serving}; look again and decide anew.")
    if build.completed is None or build.failure is not None:
        why = f"stopped at sequence {build.failure.sequence:,}" if build.failure else "has not reached the newest event yet"
        raise InvalidInput(f"Build {asked.build} of {record.name} {why}, so readers cannot use it.")
    if build.generation != definition.generation:
        raise InvalidInput(
            f"Build {asked.build} of {record.name} was made from generation {build.generation} of its stream, and generation "
            f"{definition.generation} serves; switch the stream back instead, and the projection follows."
        )
    if build.version != definition.version:
        raise InvalidInput(
            f"Build {asked.build} of {record.name} was made by version {build.version} of the code and is not fed by version "
            f"{definition.version}: a worker would build anew and switch again. Run version {build.version} of the code instead."
        )
    return build


def _comparison(build: Build, serving: int) -> str:
    known = build.comparison
    if known is None or known.one != serving:
        return f"It was never compared with build {serving}; compare first to know what readers will see differently."
    return f"Compared with build {serving} at {known.at:%Y-%m-%d %H:%M:%S} UTC: {describe(known)}"
