"""This module is leaving out the event at which a projection stopped: a person's decision, kept with the projection and its note."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..projections import at_generation, read_record, skip_failed
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from .declared import describe_event, find_projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Leaves out the event that a projection cannot apply, with a note that says why, and lets the projection go on after it."""

    title: ClassVar[str] = "Skip an event with a note"
    permission: ClassVar[str] = "operations.skip"

    projection: str = field(metadata={"help": "The name of the projection that stopped.", "choices": projections})
    sequence: int = field(metadata={"help": "The sequence at which it stopped.", "least": 1})
    note: str = field(
        metadata={"help": "Why its read models are right, or good enough, without this event. It stays with the projection.", "lines": True}
    )

    @property
    def target(self) -> str:
        """The projection's control."""
        return f"control/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What is left out. Raises InvalidInput where the projection did not stop at this event, or never ran."""
        _, record = await find_projection(store, registry, self.projection)
        build = record.stopped_at(self.sequence)
        if build is None or build.failure is None:
            raise InvalidInput(f"{self.projection} is not stopped at sequence {self.sequence:,}, so that event cannot be left out.")
        definition = at_generation(store.connection, registry.projections[self.projection], build.generation)
        return Plan(
            summary=f"Skip sequence {self.sequence:,} in {self.projection}",
            saw={"stopped at": self.sequence},
            changes=(
                Change(what="State", now=f"stopped at sequence {self.sequence:,}", after="running, after that event"),
                Change(what="Events left out", now=f"{len(record.skips):,}", after=f"{len(record.skips) + 1:,}"),
            ),
            counts=((await describe_event(store, definition, self.sequence), 1),),
            notes=(
                f"It stopped because: {build.failure.reason}",
                "The event itself stays in the stream; only this projection leaves it out, now and in every replay.",
                f"The note: {self.note}",
            ),
            undo="A skip is kept with the projection and cannot be taken back; the event can still be read.",
            confirm_with=self.projection,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write it into the projection's record; its worker goes on within a moment."""
        record = await read_record(store.connection, self.projection)
        if record.stopped_at(self.sequence) or self.sequence not in [skip.sequence for skip in record.skips]:
            await skip_failed(store.connection, self.projection, sequence=self.sequence, note=self.note, by=progress.requested_by)
        return Outcome(sentence=f"{self.projection} goes on after sequence {self.sequence:,}, which it leaves out.", figures={"events": 1})
