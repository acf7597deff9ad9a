"""This module is leaving out a parked event for good: a person's decision, kept with the projection and its note."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..projections import dismiss_parked, find_parked
from ..registry import Registry
from ..store import Store
from ..work.choices import projections
from ..work.operation import Change, Outcome, Plan, Progress
from .declared import find_projection


@dataclass(frozen=True, slots=True, kw_only=True)
class DismissParked:
    """Leaves out a parked event for good, with a note that says why; it is listed with the events left out."""

    title: ClassVar[str] = "Dismiss a parked event"
    permission: ClassVar[str] = "operations.dismiss_parked"

    projection: str = field(metadata={"help": "The name of the projection.", "choices": projections})
    sequence: int = field(metadata={"help": "The sequence of the parked event.", "least": 1})
    note: str = field(
        metadata={"help": "Why its read models are right, or good enough, without this event. It stays with the projection.", "lines": True}
    )

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What is left out. Raises KeyNotFound where the event is not parked."""
        _, record = await find_projection(store, registry, self.projection)
        parked = find_parked(record, self.sequence)
        return Plan(
            summary=f"Dismiss sequence {self.sequence:,} of {self.projection}",
            saw={"parked at": str(parked.at)},
            changes=(
                Change(what="Parked events", now=f"{len(record.parked):,}", after=f"{len(record.parked) - 1:,}"),
                Change(what="Events left out", now=f"{len(record.skips):,}", after=f"{len(record.skips) + 1:,}"),
            ),
            counts=((parked.subject or f"sequence {self.sequence:,}", 1),),
            notes=(
                f"It could not be applied because: {parked.reason}",
                f"{parked.by} parked it with the note: {parked.note}",
                "The event itself stays in the stream; only this projection leaves it out, now and in every rebuild.",
                f"The note: {self.note}",
            ),
            undo="It is kept with the projection and cannot be taken back; the event can still be read.",
            confirm_with=self.projection,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write it into the projection's record."""
        _, record = await find_projection(store, registry, self.projection)
        if self.sequence not in [skip.sequence for skip in record.skips]:
            await dismiss_parked(store.connection, self.projection, sequence=self.sequence, note=self.note, by=progress.requested_by)
        return Outcome(sentence=f"{self.projection} leaves out sequence {self.sequence:,} for good.")
