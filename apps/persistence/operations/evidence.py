"""This module is taking evidence away: events with the proof that the signed log covers them, in a file that is checked anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import EncodingError, InvalidEvent, InvalidInput
from ..events import Event
from ..log.trust import Trust
from ..registry import Registry
from ..store import CONSOLE, Message, Store, find_layout, open_reader, open_writer
from ..store.positions import last_sequence_at, sequence_at
from ..transfer import FILES_BUCKET, FileKind, Made, Selection, estimate, free_name, new_nuid, select
from ..transfer.evidence import MAX_EVENTS, Chosen, Covered, Evidence, covering, make_evidence
from ..transfer.evidence_verifier import REFUSED, verify
from ..transfer.older_checkpoint import find_older
from ..work import parameters
from ..work.operation import Change, Outcome, Plan, Progress, Sample
from .counting import counted
from .evidence_trail import TRAIL_EVENTS, read_concerning
from .evidence_view import Makers, makers_of
from .views import every_view


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeEvidence:
    """Writes the events of an aggregate, a range or a query to a file with the proof that the signed log covers each of them."""

    title: ClassVar[str] = "Take evidence"
    permission: ClassVar[str] = "operations.evidence"

    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream whose log proves it."})
    aggregate: str = field(default="", metadata={"help": "Only this aggregate, as context.type.id; empty for all."})
    subject: str = field(default="", metadata={"help": "Only subjects that match this pattern, such as cim.events.sales.>; empty for all."})
    event_type: str = field(default="", metadata={"help": "Only events of this type, such as order_placed; empty for all."})
    view: str = field(
        default="", metadata={"help": "Only events that made the models of this materialized view; empty for all.", "choices": every_view}
    )
    first: parameters.Place = field(default=parameters.Place("1"), metadata={"help": "From here on: a sequence, a time or an age."})
    last: parameters.Place | None = field(
        default=None, metadata={"help": "Up to here; empty for the last event that the checkpoint covers."}
    )
    since: str = field(
        default="",
        metadata={
            "help": "A checkpoint that the reader kept, its text or its number of events: the file proves that the log goes on from it.",
            "lines": True,
        },
    )
    trail: bool = field(
        default=True,
        metadata={"help": "Add what operators did to these events, from the signed log of CIM-CONSOLE, the newest 20,000 events of it."},
    )

    @property
    def target(self) -> str:
        """One at a time of each stream."""
        return f"evidence/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be written. Raises InvalidInput where the log is not signed, and where nothing or too much is selected."""
        covered = await covering(store.connection, self.stream, registry.trust)
        selection = await self._select(store, covered.size)
        events = await estimate(store.connection, selection)
        if not events:
            raise InvalidInput(
                f"No event in {self.stream} matches {selection.pattern[:80]} up to sequence {selection.last:,}; there is nothing to prove."
            )
        if self.view:
            await makers_of(store, registry, self.stream, self.view)
        is_filtered = bool(selection.patterns or self.event_type or self.view)
        if events > MAX_EVENTS and not is_filtered:
            raise InvalidInput(
                f"Evidence is made of at most {MAX_EVENTS:,} events, and these are {events:,}; choose a range or an aggregate."
            )
        await find_older(store.connection, covered.keys, self.stream, self.since, newest=covered.signed.checkpoint)
        at_most = ", at most" if is_filtered else ""
        return Plan(
            summary=f"Take evidence of {self._words(selection)}",
            saw={"log": covered.origin},
            changes=(Change(what="File", now="none", after=await free_name(store.connection, self._name(selection))),),
            counts=((f"{self.stream}{at_most}", events),),
            notes=(
                f"The checkpoint is that of {covered.size:,} leaves of {covered.origin}, known to {_witnesses(covered)}.",
                *(f"Not in the file: {one}" for one in await self._without(store, registry.trust)),
                "The file holds the content of its events, two verifiers and the keys. Give the keys to its reader by another way, too.",
            ),
            undo="Delete the file.",
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read, prove, write. An interrupted run begins again."""
        covered = await covering(store.connection, self.stream, registry.trust)
        selection = await self._select(store, covered.size)
        makers = await makers_of(store, registry, self.stream, self.view) if self.view else None
        messages = await self._read(store, selection, makers, progress)
        evidence = await self._make(store, registry, progress, selection, messages)
        verdict = await asyncio.to_thread(_verdict, evidence.data, [key.vkey for key in covered.keys.vkeys])
        words, by = self._words(selection), progress.requested_by
        made = Made(kind=FileKind.EVIDENCE, source=words, by=by, run=progress.run_id, events=evidence.events)
        writer = await open_writer(store.connection, FILES_BUCKET, new_nuid())
        await writer.write(evidence.data)
        stored = await writer.finish(await free_name(store.connection, self._name(selection)), made.metadata())
        wrote = f"Wrote evidence of {len(messages):,} events to {stored.name}, {stored.size:,} bytes, root {evidence.root}."
        return Outcome(
            sentence=f"{wrote} {verdict}",
            figures={
                "events": len(messages),
                "trail": evidence.events - len(messages),
                "file": stored.name,
                "bytes": stored.size,
                "root": str(evidence.root),
                "log": evidence.origin,
            },
            samples=(Sample(what=stored.name, after=f"{stored.size:,} bytes", note="download", link=f"/files/{stored.name}/download"),),
        )

    async def _make(self, store: Store, registry: Registry, progress: Progress, selection: Selection, messages: list[Message]) -> Evidence:
        layout = find_layout(registry.layouts, self.stream)
        anew = layout is not None and layout.generation > 1
        chosen = [Chosen(stream=self.stream, messages=messages, since=self.since, begins_anew=anew)]
        without = await self._without(store, registry.trust)
        if self.trail and not without:
            trail, without = await self._read_trail(store, registry.trust)
            chosen += trail
        by, reason = progress.requested_by, progress.reason
        words, trust = self._words(selection), registry.trust
        return await make_evidence(store.connection, chosen, by=by, reason=reason, about=words, without=without, trust=trust)

    async def _read(self, store: Store, selection: Selection, makers: Makers | None, progress: Progress) -> list[Message]:
        found: list[Message] = []
        async with open_reader(
            store.connection, self.stream, from_sequence=selection.first, to_sequence=selection.last, patterns=selection.patterns
        ) as reader:
            async for messages in reader:
                found += [one for one in messages if self._admits(one) and (makers is None or makers.admit(store, one))]
                await progress.report(len(found), len(found), sequence=messages[-1].sequence)
                if len(found) > MAX_EVENTS:
                    raise InvalidInput(
                        f"Evidence is made of at most {MAX_EVENTS:,} events, and there are more; choose a range or an aggregate."
                    )
        if not found:
            raise InvalidInput(f"No event in {self._words(selection)} was found; there is nothing to prove.")
        return found

    def _admits(self, message: Message) -> bool:
        """Whether an event is of the type asked for."""
        if not self.event_type:
            return True
        try:
            return Event.from_block(message.data).type == self.event_type
        except (EncodingError, InvalidEvent):
            return False

    async def _without(self, store: Store, trust: Trust) -> tuple[str, ...]:
        """Why there is no operator trail in the file, where that was asked for."""
        if not self.trail or self.stream == CONSOLE.stream:
            return ()
        try:
            await covering(store.connection, CONSOLE.stream, trust)
        except InvalidInput as error:
            return (f"the operator trail: {error}",)
        return ()

    async def _read_trail(self, store: Store, trust: Trust) -> tuple[list[Chosen], tuple[str, ...]]:
        """The operator trail of what was selected, as far as it is signed, and what of it is not in the file.

        Nothing where operators did nothing to it.
        """
        if self.stream == CONSOLE.stream:
            return [], ()
        covered = await covering(store.connection, CONSOLE.stream, trust)
        messages, older = await read_concerning(store, self.stream, self.aggregate, last=covered.size, at_most=TRAIL_EVENTS)
        if not messages:
            return [], ()
        left_out = f"{counted(older, 'event')} of the operator trail before sequence {messages[0].sequence:,} of {CONSOLE.stream}"
        without = (f"{left_out}; it holds the newest {len(messages):,}",) if older else ()
        return [Chosen(stream=CONSOLE.stream, messages=messages)], without

    async def _select(self, store: Store, size: int) -> Selection:
        first = await sequence_at(store.connection, self.stream, self.first)
        last = await last_sequence_at(store.connection, self.stream, self.last) if self.last else size
        return await select(store, self.stream, first=first, last=last, subject=self.subject, aggregate=self.aggregate)

    def _words(self, selection: Selection) -> str:
        view = f"what made {self.view}" if self.view else ""
        return ", ".join(filter(None, [selection.words, self.event_type, view]))

    def _name(self, selection: Selection) -> str:
        what = self.aggregate or f"{self.stream}-{selection.first}-{selection.last}"
        return f"{what}.evidence.car"


def _witnesses(covered: Covered) -> str:
    count = len(covered.keys.witnesses)
    return f"{count:,} witness{'' if count == 1 else 'es'}"


def _verdict(data: bytes, vkeys: Sequence[str]) -> str:
    """What the verifier says of a file that was just made: evidence of a broken history does not hold, and is evidence all the same."""
    try:
        verify(data, vkeys)
    except REFUSED as error:
        return f"The verifier says of it: not intact: {error}."
    return "The verifier finds it intact."
