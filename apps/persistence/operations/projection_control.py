"""This module is pausing a projection, letting it go on, and having one that failed try its event again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..projections import Wanted, pause, read_record, resume, retry
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Lets a projection rest after the batch it is at; it keeps its place, and events wait for it."""

    title: ClassVar[str] = "Pause a projection"
    permission: ClassVar[str] = "operations.pause"

    projection: str = field(metadata={"help": "The name of the projection.", "choices": projections})

    @property
    def target(self) -> str:
        """The projection's control, so that it can be paused while it is replayed."""
        return f"control/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would change. Raises KeyNotFound for a projection that never ran."""
        record = await read_record(store.connection, self.projection)
        return Plan(
            summary=f"Pause {self.projection}",
            saw={},
            changes=(Change(what="State", now=record.wanted.value, after=Wanted.PAUSED.value),),
            notes=("Readers keep what there is; it grows older until the projection goes on.",),
            undo="Resume it; it goes on at the event where it stopped.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write it into the projection's record; its worker follows within a moment."""
        await pause(store.connection, self.projection)
        return Outcome(sentence=f"{self.projection} rests; events wait for it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Lets a paused projection go on, and has a failed one try again the event at which it stopped."""

    title: ClassVar[str] = "Resume a projection"
    permission: ClassVar[str] = "operations.resume"

    projection: str = field(metadata={"help": "The name of the projection.", "choices": projections})

    @property
    def target(self) -> str:
        """The projection's control."""
        return f"control/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would change. Raises KeyNotFound for a projection that never ran."""
        record = await read_record(store.connection, self.projection)
        failure = next((build.failure for build in reversed(record.builds) if build.failure), None)
        now = f"stopped at sequence {failure.sequence:,}" if failure else record.wanted.value
        notes = (f"It tries the event at sequence {failure.sequence:,} again.",) if failure else ()
        return Plan(
            summary=f"Resume {self.projection}",
            saw={},
            changes=(Change(what="State", now=now, after=Wanted.RUNNING.value),),
            notes=notes,
            undo="Pause it.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write it into the projection's record; its worker follows within a moment."""
        await resume(store.connection, self.projection)
        return Outcome(sentence=f"{self.projection} goes on.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Has a projection try again the event at which it stopped, after its cause was mended."""

    title: ClassVar[str] = "Retry the event at which a projection stopped"
    permission: ClassVar[str] = "operations.retry"

    projection: str = field(metadata={"help": "The name of the projection that stopped.", "choices": projections})

    @property
    def target(self) -> str:
        """The projection's control."""
        return f"control/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """Which event is tried. Raises InvalidInput where nothing stopped, KeyNotFound for a projection that never ran."""
        record = await read_record(store.connection, self.projection)
        stopped = [(build.number, build.failure) for build in record.builds if build.failure]
        if not stopped:
            raise InvalidInput(f"{self.projection} has not stopped at any event; there is nothing to retry.")
        notes = [f"Build {number} stopped because: {failure.reason}" for number, failure in stopped]
        if record.wanted is Wanted.PAUSED:
            notes.append("The projection is paused as well; it tries once it is resumed.")
        return Plan(
            summary=f"Retry sequence {stopped[0][1].sequence:,} in {self.projection}",
            saw={"stopped at": stopped[0][1].sequence},
            changes=tuple(
                [
                    Change(
                        what=f"Build {number}",
                        now=f"stopped at sequence {failure.sequence:,}, tried {failure.attempts} times",
                        after="tries it again",
                    )
                    for number, failure in stopped
                ]
            ),
            notes=(*notes, "Nothing is left out: if it fails again, it stops at the same event with the reason of then."),
            undo="There is nothing to undo: the event is applied in its place, or it stops there again.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Clear the failure; the worker that feeds the projection tries within a moment."""
        await retry(store.connection, self.projection)
        return Outcome(sentence=f"{self.projection} tries again the event at which it stopped.")
