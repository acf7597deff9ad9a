"""This module is parking the event at which a projection stopped: set aside with a note, to be decided on later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..projections import at_generation, park_failed, read_record
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from .declared import describe_event, find_projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Sets aside the event that a projection cannot apply, and lets it go on; the event waits on the projection's page of parked events."""

    title: ClassVar[str] = "Park an event"
    permission: ClassVar[str] = "operations.park"

    projection: str = field(metadata={"help": "The name of the projection that stopped.", "choices": projections})
    sequence: int = field(metadata={"help": "The sequence at which it stopped.", "least": 1})
    note: str = field(
        metadata={"help": "What has to be found out or mended before the event is applied or left out for good.", "lines": True}
    )

    @property
    def target(self) -> str:
        """The projection's control."""
        return f"control/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What is set aside. Raises InvalidInput where the projection did not stop at this event, or never ran."""
        _, record = await find_projection(store, registry, self.projection)
        build = record.stopped_at(self.sequence)
        if build is None or build.failure is None:
            raise InvalidInput(f"{self.projection} is not stopped at sequence {self.sequence:,}, so that event cannot be parked.")
        definition = at_generation(store.connection, registry.projections[self.projection], build.generation)
        return Plan(
            summary=f"Park sequence {self.sequence:,} of {self.projection}",
            saw={"stopped at": self.sequence},
            changes=(
                Change(what="State", now=f"stopped at sequence {self.sequence:,}", after="running, after that event"),
                Change(what="Parked events", now=f"{len(record.parked):,}", after=f"{len(record.parked) + 1:,}"),
            ),
            counts=((await describe_event(store, definition, self.sequence), 1),),
            notes=(
                f"It stopped because: {build.failure.reason}",
                "Later events of the same models are applied without this one until it is decided on; rebuilds leave it out too.",
                f"The note: {self.note}",
            ),
            undo="Apply it from the page of parked events; it then comes after what was applied meanwhile.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write it into the projection's record; its worker goes on within a moment."""
        record = await read_record(store.connection, self.projection)
        if record.stopped_at(self.sequence) or self.sequence not in [parked.sequence for parked in record.parked]:
            await park_failed(store.connection, self.projection, sequence=self.sequence, note=self.note, by=progress.requested_by)
        return Outcome(sentence=f"Sequence {self.sequence:,} of {self.projection} is parked; the projection goes on after it.")
