"""This module is leaving out the event at which a router stands still: a person's decision, kept with the router and its note."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from ..errors import InvalidInput, NotFound, RevisionConflict
from ..events import now
from ..registry import Registry
from ..routing.record import LeftOut, RouterRecord, read_router, write_router
from ..store import Store
from ..work.choices import routers
from ..work.operation import Change, Outcome, Plan, Progress

TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipRouted:
    """Leaves out the event that a router cannot route, with a note that says why, and lets the router go on after it."""

    title: ClassVar[str] = "Skip an event of a router"
    permission: ClassVar[str] = "operations.skip_routed"

    router: str = field(metadata={"help": "The name of the router that stands still.", "choices": routers})
    sequence: int = field(metadata={"help": "The sequence at which it stands.", "least": 1})
    note: str = field(metadata={"help": "Why the other side can do without this event. It stays with the router.", "lines": True})

    @property
    def target(self) -> str:
        """The router."""
        return f"router/{self.router}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What is left out. Raises NotFound for a router that nobody declares, InvalidInput where it does not stand at this event."""
        if self.router not in registry.routers:
            raise NotFound(f"There is no router {self.router[:80]!r}; there are {', '.join(sorted(registry.routers)) or 'none'}.")
        record = await read_router(store.connection, self.router)
        failure = self._failure(record)
        return Plan(
            summary=f"Skip sequence {self.sequence:,} of {record.stream} in {self.router}",
            saw={"stands at": self.sequence},
            changes=(
                Change(what="State", now=f"stands at sequence {self.sequence:,}", after="running, after that event"),
                Change(what="Events left out", now=f"{len(record.left_out):,}", after=f"{len(record.left_out) + 1:,}"),
            ),
            counts=((failure, 1),),
            notes=(
                f"It stands there because: {record.failure.reason}" if record.failure else "",
                "The event itself stays in the stream; only this router leaves it out, and nobody it leads to hears of it.",
                f"The note: {self.note}",
            ),
            undo="A skip is kept with the router and cannot be taken back; the event can still be read, and its handler told by hand.",
            confirm_with=self.router,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write it into the router's record; a worker goes on within seconds."""
        for attempt in range(1, TRIES + 1):
            record = await read_router(store.connection, self.router)
            if record.leaves_out(record.stream, self.sequence):
                break
            self._failure(record)
            left = LeftOut(stream=record.stream, sequence=self.sequence, note=self.note, by=progress.requested_by, at=now())
            try:
                await write_router(store.connection, replace(record, left_out=(*record.left_out, left)))
            except RevisionConflict:
                if attempt == TRIES:
                    raise
                continue
            break
        return Outcome(sentence=f"{self.router} goes on after sequence {self.sequence:,}, which it leaves out.", figures={"events": 1})

    def _failure(self, record: RouterRecord) -> str:
        """The subject of the event. Raises InvalidInput unless the router stands at it."""
        if record.failure is None or record.failure.sequence != self.sequence:
            raise InvalidInput(f"{self.router} does not stand at sequence {self.sequence:,}, so that event cannot be left out.")
        return record.failure.subject
