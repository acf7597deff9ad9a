"""This module is taking evidence away: events with the proof that the signed log covers them, in a file that is checked anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import InvalidInput
from ..registry import Registry
from ..store import Message, Store, find_layout, open_reader, open_writer
from ..store.positions import last_sequence_at, sequence_at
from ..transfer import FILES_BUCKET, FileKind, Made, Selection, estimate, free_name, new_nuid, select
from ..transfer.evidence import MAX_EVENTS, covering, make_evidence
from ..work import parameters
from ..work.operation import Change, Outcome, Plan, Progress, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeEvidence:
    """Writes the events of an aggregate, a range or a query to a file with the proof that the signed log covers each of them."""

    title: ClassVar[str] = "Take evidence"
    permission: ClassVar[str] = "operations.evidence"

    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream whose log proves it."})
    aggregate: str = field(default="", metadata={"help": "Only this aggregate, as context.type.id; empty for all."})
    subject: str = field(default="", metadata={"help": "Only subjects that match this pattern, such as cim.events.sales.>; empty for all."})
    first: parameters.Place = field(default=parameters.Place("1"), metadata={"help": "From here on: a sequence, a time or an age."})
    last: parameters.Place | None = field(
        default=None, metadata={"help": "Up to here; empty for the last event that the checkpoint covers."}
    )

    @property
    def target(self) -> str:
        """One at a time of each stream."""
        return f"evidence/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be written. Raises InvalidInput where the log is not signed, and where nothing or too much is selected."""
        covered = await covering(store.connection, self.stream)
        selection = await self._select(store, covered.size)
        events = await estimate(store.connection, selection)
        if not events:
            raise InvalidInput(
                f"No event in {self.stream} matches {selection.pattern[:80]} up to sequence {selection.last:,}; there is nothing to prove."
            )
        if events > MAX_EVENTS and not selection.patterns:
            raise InvalidInput(
                f"Evidence is made of at most {MAX_EVENTS:,} events, and these are {events:,}; choose a range or an aggregate."
            )
        witnesses = f"{len(covered.keys.witnesses):,} witness{'' if len(covered.keys.witnesses) == 1 else 'es'}"
        return Plan(
            summary=f"Take evidence of {selection.words}",
            saw={"log": covered.origin},
            changes=(Change(what="File", now="none", after=await free_name(store.connection, self._name(selection))),),
            counts=((f"{self.stream}, at most" if selection.patterns else self.stream, events),),
            notes=(
                f"The checkpoint is that of {covered.size:,} leaves of {covered.origin}, known to {witnesses}.",
                "The file holds the content of its events, the verifier and the keys. Give the keys to its reader by another way, too.",
            ),
            undo="Delete the file.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read, prove, write. An interrupted run begins again."""
        covered = await covering(store.connection, self.stream)
        selection = await self._select(store, covered.size)
        messages = await self._read(store, selection, progress)
        layout = find_layout(registry.layouts, self.stream)
        evidence = await make_evidence(
            store.connection,
            self.stream,
            messages,
            by=progress.requested_by,
            reason=progress.reason,
            begins_anew=layout is not None and layout.generation > 1,
        )
        made = Made(kind=FileKind.EVIDENCE, source=selection.words, by=progress.requested_by, run=progress.run_id, events=evidence.events)
        writer = await open_writer(store.connection, FILES_BUCKET, new_nuid())
        await writer.write(evidence.data)
        stored = await writer.finish(await free_name(store.connection, self._name(selection)), made.metadata())
        return Outcome(
            sentence=f"Wrote evidence of {evidence.events:,} events to {stored.name}, {stored.size:,} bytes, root {evidence.root}.",
            figures={
                "events": evidence.events,
                "file": stored.name,
                "bytes": stored.size,
                "root": str(evidence.root),
                "log": evidence.origin,
            },
            samples=(Sample(what=stored.name, after=f"{stored.size:,} bytes", note="download", link=f"/files/{stored.name}/download"),),
        )

    async def _read(self, store: Store, selection: Selection, progress: Progress) -> list[Message]:
        found: list[Message] = []
        async with open_reader(
            store.connection, self.stream, from_sequence=selection.first, to_sequence=selection.last, patterns=selection.patterns
        ) as reader:
            async for messages in reader:
                found += messages
                await progress.report(len(found), len(found), sequence=messages[-1].sequence)
                if len(found) > MAX_EVENTS:
                    raise InvalidInput(
                        f"Evidence is made of at most {MAX_EVENTS:,} events, and there are more; choose a range or an aggregate."
                    )
        return found

    async def _select(self, store: Store, size: int) -> Selection:
        first = await sequence_at(store.connection, self.stream, self.first)
        last = await last_sequence_at(store.connection, self.stream, self.last) if self.last else size
        return await select(store, self.stream, first=first, last=last, subject=self.subject, aggregate=self.aggregate)

    def _name(self, selection: Selection) -> str:
        what = self.aggregate or f"{self.stream}-{selection.first}-{selection.last}"
        return f"{what}.evidence.car"
