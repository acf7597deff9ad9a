"""This module is pausing a projection and letting it go on; a failed one is tried again at the event where it stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..projections import Wanted, pause, read_record, resume
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
        now = f"stopped at sequence {record.failure.sequence:,}" if record.failure else record.wanted.value
        notes = (f"It tries the event at sequence {record.failure.sequence:,} again.",) if record.failure else ()
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
