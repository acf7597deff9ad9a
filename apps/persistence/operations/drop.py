"""This module is dropping a build of a projection that no reader uses: its models, its position and its consumer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput, StreamNotFound
from ..projections import ProjectionDefinition, ProjectionRecord, bucket_of, drop_build
from ..registry import Registry
from ..store import Store, get_stream
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from .declared import find_projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Deletes a build that does not serve; events are not touched, so it can always be built anew."""

    title: ClassVar[str] = "Drop a build"
    permission: ClassVar[str] = "operations.drop"

    projection: str = field(metadata={"help": "The name of the projection.", "choices": projections})
    build: int = field(metadata={"help": "The number of the build that is deleted.", "least": 1})

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be deleted. Raises InvalidInput for the build that serves, or one that a worker is filling by itself."""
        definition, record = await find_projection(store, registry, self.projection)
        _check(definition, record, self.build)
        bucket = bucket_of(self.projection, self.build)
        models, size = await _measure(store, bucket)
        kept = [build for build in record.builds if build.completed and build.number not in (self.build, record.serving)]
        return Plan(
            summary=f"Drop build {self.build} of {self.projection}",
            saw={"serving": record.serving},
            changes=(
                Change(what="Builds", now=f"{len(record.builds)}", after=f"{len(record.builds) - 1}"),
                Change(what="Stored models", now=f"{models:,}, {size:,} bytes", after="none"),
                Change(what="Consumer", now=bucket, after="none"),
            ),
            notes=(
                f"Build {record.serving} serves on; no reader uses build {self.build}.",
                "No other build is kept then, so the way back is a rebuild." if not kept else "Another build is kept for the way back.",
                "Who reads the bucket by its name, past the projection, loses it.",
            ),
            undo="It cannot be taken back; a rebuild makes an equal build from the events.",
            confirm_with=bucket,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Take it out of the record, then delete what it stored. Goes on where an interrupted attempt stopped."""
        definition, record = await find_projection(store, registry, self.projection)
        if self.build in [build.number for build in record.builds]:
            _check(definition, record, self.build)
        await progress.report(0, 1, checkpoint={"build": self.build}, force=True)
        await drop_build(store.connection, registry.projections[self.projection], self.build)
        await progress.report(1, 1, force=True)
        return Outcome(sentence=f"Build {self.build} of {self.projection} is gone; build {record.serving} serves.")


def _check(definition: ProjectionDefinition, record: ProjectionRecord, number: int) -> None:
    build = record.build(number)
    if number == record.serving:
        raise InvalidInput(f"Build {number} of {record.name} serves readers; switch to another before it is dropped.")
    is_filled_by_workers = not build.owner and build.completed is None and build.failure is None
    if is_filled_by_workers and definition.version > record.serving_build.version:
        raise InvalidInput(f"A worker is filling build {number} of {record.name} for version {definition.version}; let it finish.")


async def _measure(store: Store, bucket: str) -> tuple[int, int]:
    """Models, and bytes on the server; 0 where it stored nothing yet."""
    try:
        stream = await get_stream(store.connection, f"KV_{bucket}")
    except StreamNotFound:
        return 0, 0
    return max(0, stream.messages - 1), stream.bytes
