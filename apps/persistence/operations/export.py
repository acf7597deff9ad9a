"""This module is exporting events: of a range, an aggregate or a query, to a file that people can take away and bring in elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

from ..encoding import Value
from ..errors import InvalidInput
from ..events import format_time, now
from ..registry import Registry
from ..store import Store, get_stream, open_writer
from ..store.positions import last_sequence_at, sequence_at
from ..transfer import FILES_BUCKET, FileKind, Format, Made, Place, Selection, Shape, estimate, free_name, new_nuid, select, write_events
from ..work import parameters
from ..work.choices import connections
from ..work.elsewhere import HOME, reach
from ..work.operation import Change, Outcome, Plan, Progress, Sample
from ..work.rates import measured_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Writes the events of a range, an aggregate or a query to a file, as JSON Lines or as a CAR; the file can be brought in elsewhere."""

    title: ClassVar[str] = "Export events"
    permission: ClassVar[str] = "operations.export"

    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream that is read."})
    aggregate: str = field(default="", metadata={"help": "Only this aggregate, as context.type.id; empty for all."})
    subject: str = field(default="", metadata={"help": "Only subjects that match this pattern, such as cim.events.sales.>; empty for all."})
    first: parameters.Place = field(default=parameters.Place("1"), metadata={"help": "From here on: a sequence, a time or an age."})
    last: parameters.Place | None = field(default=None, metadata={"help": "Up to here; empty for the newest event when the run begins."})
    format: Format = field(
        default=Format.JSON_LINES,
        metadata={"help": "jsonl: a line of JSON for each event. car: the stored blocks, as IPLD tools read them."},
    )
    connection: str = field(default=HOME, metadata={"help": "The connection that is read.", "choices": connections})

    @property
    def target(self) -> str:
        """One export at a time of each stream."""
        return f"export/{self.connection}/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be written. Raises StreamNotFound, and InvalidInput where nothing is selected."""
        async with reach(store, registry, self.connection) as source:
            selection = await self._select(source)
            self._check(source)
            events = await estimate(source.connection, selection)
            created = str((await get_stream(source.connection, self.stream)).created)
        if not events:
            raise InvalidInput(f"No event in {self.stream} matches {selection.pattern[:80]}; there is nothing to export.")
        rate, rate_source = await measured_rate(store.connection, "export", self.target)
        return Plan(
            summary=f"Export {selection.words}",
            saw={"created": created},
            changes=(Change(what="File", now="none", after=await free_name(store.connection, self._name(selection))),),
            counts=((f"{self.stream}, at most" if selection.patterns else self.stream, events),),
            notes=("The stream is only read. The file holds the whole content of its events, and is kept until somebody deletes it.",),
            undo="Delete the file.",
            seconds=events / rate if rate else None,
            rate_source=rate_source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read and write; an interrupted run goes on behind the last chunk it stored."""
        async with reach(store, registry, self.connection) as source:
            begun = progress.checkpoint or await self._begin(store, source)
            selection = Selection(
                stream=self.stream, first=cast(int, begun["first"]), last=cast(int, begun["last"]), pattern=str(begun["pattern"])
            )
            total = cast(int, begun["total"])
            await progress.report(cast(int, begun["events"]), total, checkpoint=begun, force=True)

            async def on_place(place: Place) -> None:
                reached = {"sequence": place.sequence, "events": place.events, "offset": place.offset}
                await progress.report(place.events, total, checkpoint={**begun, **reached}, sequence=place.sequence)

            writer = await open_writer(store.connection, FILES_BUCKET, str(begun["nuid"]))
            begin = Place(sequence=cast(int, begun["sequence"]), events=cast(int, begun["events"]), offset=cast(int, begun["offset"]))
            shape = Shape(format=self.format, manifest=self._manifest(selection, begun))
            place = await write_events(source, selection, writer, on_place, shape=shape, begin=begin)
        made = Made(kind=FileKind.EXPORT, source=selection.words, by=progress.requested_by, run=progress.run_id, events=place.events)
        stored = await writer.finish(str(begun["name"]), made.metadata())
        await progress.report(place.events, place.events, sequence=selection.last, force=True)
        return Outcome(
            sentence=f"Wrote {place.events:,} events to {stored.name}, {stored.size:,} bytes, SHA-256 {stored.digest}.",
            figures={
                "events": place.events,
                "seconds": progress.seconds,
                "file": stored.name,
                "bytes": stored.size,
                "sha256": stored.digest,
            },
            samples=(Sample(what=stored.name, after=f"{stored.size:,} bytes", note="download", link=f"/files/{stored.name}/download"),),
        )

    def leaves(self, why: str) -> str:
        """What is left of a file that is not finished."""
        return "Nothing is to be seen of the file before it is whole; what is written of it is used again when the run goes on."

    async def _select(self, source: Store) -> Selection:
        first = await sequence_at(source.connection, self.stream, self.first)
        last = await last_sequence_at(source.connection, self.stream, self.last) if self.last else 0
        return await select(source, self.stream, first=first, last=last, subject=self.subject, aggregate=self.aggregate)

    def _check(self, source: Store) -> None:
        known = source.on_stream(self.stream)
        if self.format is Format.CAR and known is not None and not known.layout.is_chained:
            raise InvalidInput(f"{self.stream} holds no blocks, so it cannot be written as a CAR; choose jsonl.")

    async def _begin(self, store: Store, source: Store) -> dict[str, Value]:
        """What every attempt of this run keeps to."""
        selection = await self._select(source)
        return {
            "first": selection.first,
            "last": selection.last,
            "pattern": selection.pattern,
            "total": await estimate(source.connection, selection),
            "name": await free_name(store.connection, self._name(selection)),
            "nuid": new_nuid(),
            "at": format_time(now()),
            "sequence": 0,
            "events": 0,
            "offset": 0,
        }

    def _name(self, selection: Selection) -> str:
        what = self.aggregate or f"{self.stream}-{selection.first}-{selection.last}"
        return f"{what}.{self.format.value}"

    def _manifest(self, selection: Selection, begun: dict[str, Value]) -> dict[str, Value]:
        return {
            "kind": FileKind.EXPORT.value,
            "stream": self.stream,
            "first": selection.first,
            "last": selection.last,
            "pattern": selection.pattern,
            "at": begun["at"],
        }
