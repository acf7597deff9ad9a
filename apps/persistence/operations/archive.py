"""This module is archiving a closed range of an event stream: verified, then written to a file that carries the proof of what it holds.

If that is wanted, a new generation of the stream then begins behind the range (see behind_archive.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

from ..encoding import Cid, Value, cid_of
from ..errors import InvalidInput
from ..events import format_time, now
from ..evolution import Archived
from ..registry import Registry
from ..store import Store, StreamInfo, chained_generations, drop_chunks, find_layout, get_stream, open_writer
from ..store.positions import last_sequence_at
from ..transfer import (
    ARCHIVE_SUFFIX,
    FILES_BUCKET,
    ArchiveManifest,
    FileKind,
    Format,
    Made,
    Place,
    Selection,
    Shape,
    archive_preamble,
    free_name,
    heads_in_blocks,
    new_nuid,
    write_events,
)
from ..work import parameters
from ..work.operation import Change, Outcome, Plan, Progress, Sample
from ..work.rates import measured_rate
from .archive_plan import Range, try_range, with_new_generation
from .archive_proof import proof_of, tally_of, verified
from .behind_archive import Behind, check_can_begin, declared_layout, met_again, open_behind, starting_projections

_PHASES = 3


async def _chained_streams(store: Store, registry: Registry) -> Sequence[str]:
    return list(dict.fromkeys(layout.stream for layout in chained_generations(store.connection, registry.layouts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Verifies a stream's events from the first to a place, and writes them to a file with the proof of what they are."""

    title: ClassVar[str] = "Archive a range of a stream"
    permission: ClassVar[str] = "operations.archive"

    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream, in whichever generation.", "choices": _chained_streams})
    last: parameters.Place = field(metadata={"help": "Up to here, this event included: a sequence, a time or an age such as 90 days ago."})
    new_generation: bool = field(
        default=False, metadata={"help": "Then go on in a new generation of the stream, without these events; the old one is kept, closed."}
    )

    @property
    def target(self) -> str:
        """One archive at a time of each stream."""
        return f"archive/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be written. Raises StreamNotFound, and InvalidInput for a stream without chains or a range without events."""
        chained, info, last = await self._range(store, registry)
        rate, source = await measured_rate(store.connection, "archive", self.target)
        events = last - info.first_sequence + 1
        found = Plan(
            summary=f"Archive {self.stream} {info.first_sequence:,} – {last:,}",
            saw={"created": str(info.created), "last sequence that is archived": last},
            changes=(
                Change(what="File", now="none", after=await free_name(store.connection, self._name(info, last))),
                Change(what="Events in it", now="none", after=f"{events:,}, as they are stored"),
            ),
            counts=((f"{self.stream}, read {_PHASES} times", events),),
            notes=(
                "First every event of the range is verified; where one is not intact, nothing is written.",
                f"The file names generation {chained.layout.generation}, both sequences, each aggregate's head, and a digest of all.",
            ),
            seconds=events / rate if rate else None,
            rate_source=source,
        )
        if self.new_generation:
            layout = await check_can_begin(store, registry, self.stream, last=last)
            again = await met_again(store, registry, layout, chained.layout.generation, after=last)
            found = replace(found, notes=(*found.notes, *again))
            return await with_new_generation(store, registry, found, layout, Range(info=info, last=last))
        return replace(
            found,
            changes=(*found.changes, Change(what=self.stream, now=f"{info.messages:,} events", after=f"{info.messages:,} events")),
            notes=(*found.notes, "The stream keeps its events: they are archived beside it, and nothing is taken out of it."),
            undo="Delete the file.",
        )

    async def dry_run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Read the range and fold every aggregate in it: what would leave, and what would stand in the way of a new generation."""
        chained, info, last = await self._range(store, registry)
        return await try_range(chained, registry, progress, Range(info=info, last=last), is_leaving=self.new_generation)

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Write the file and, where it is wanted, open a new generation behind what is in it. Goes on after any interruption."""
        kept = progress.checkpoint or {}
        figures = cast("dict[str, Value]", kept["written"]) if "written" in kept else await self._write(store, registry, progress)
        words = await self._leave_behind(store, registry, progress, figures) if self.new_generation else ""
        events, name, root = cast(int, figures["events"]), str(figures["file"]), str(figures["root"])
        sentence = f"Archived {events:,} events of {self.stream}, all of them intact, to {name}, root {root}."
        size = cast(int, figures["bytes"])
        return Outcome(
            sentence=f"{sentence} {words}".strip(),
            figures={**figures, "seconds": progress.seconds},
            samples=(Sample(what=name, after=f"{size:,} bytes", note="download", link=f"/files/{name}/download"),),
        )

    async def _leave_behind(self, store: Store, registry: Registry, progress: Progress, written: Mapping[str, Value]) -> str:
        first, last, events = (cast(int, written[name]) for name in ("first", "last", "events"))
        layout = declared_layout(registry, self.stream)
        behind = Behind(
            layout=layout,
            number=cast(int, written["generation"]),
            first=first,
            archived=Archived(last=last, events=events, root=Cid.parse(str(written["root"])), file=str(written["file"])),
            done=_PHASES * events,
        )
        words = await open_behind(store, registry, progress, behind)
        return f"{words} {cast(int, written['aggregates']):,} aggregates begin there with one event each, which names this archive."

    async def _write(self, store: Store, registry: Registry, progress: Progress) -> dict[str, Value]:
        """Verify, take down the heads, write. Once the writing has begun, an interrupted run goes on behind the last chunk."""
        chained, info, last = await self._range(store, registry)
        begun = progress.checkpoint or {}
        if "offset" not in begun:
            begun = await self._begin(chained, info, last, progress, whole=self._whole(registry, last - info.first_sequence + 1))
        first, last, total = cast(int, begun["first"]), cast(int, begun["last"]), cast(int, begun["total"])
        whole = self._whole(registry, total)
        writer = await open_writer(store.connection, FILES_BUCKET, str(begun["nuid"]))

        async def on_place(place: Place) -> None:
            reached = {"sequence": place.sequence, "events": place.events, "offset": place.offset}
            await progress.report((_PHASES - 1) * total + place.events, whole, checkpoint={**begun, **reached}, sequence=place.sequence)

        place = await write_events(
            chained,
            Selection(stream=self.stream, first=first, last=last, pattern=">"),
            writer,
            on_place,
            shape=Shape(format=Format.CAR),
            begin=Place(sequence=cast(int, begun["sequence"]), events=cast(int, begun["events"]), offset=cast(int, begun["offset"])),
        )
        made = Made(
            kind=FileKind.ARCHIVE,
            source=f"{self.stream} {first:,} – {last:,}",
            by=progress.requested_by,
            run=progress.run_id,
            events=place.events,
        )
        stored = await writer.finish(str(begun["name"]), made.metadata())
        figures: dict[str, Value] = {
            "events": place.events,
            "aggregates": begun["aggregates"],
            "generation": chained.layout.generation,
            "first": first,
            "last": last,
            "file": stored.name,
            "bytes": stored.size,
            "sha256": stored.digest,
            "root": begun["root"],
        }
        await progress.report(_PHASES * total, whole, checkpoint={"written": figures}, sequence=last, force=True)
        return figures

    def _whole(self, registry: Registry, total: int) -> int:
        """How many events are read in all, with those of a new generation as far as that is known."""
        if not self.new_generation:
            return _PHASES * total
        return (_PHASES + 1 + len(starting_projections(registry, declared_layout(registry, self.stream)))) * total

    def leaves(self, why: str) -> str:
        """What is left of an archive that is not finished."""
        if not self.new_generation:
            return "Nothing is to be seen of the file before it is whole; the stream is only read."
        if why == "pause":
            return "The file is kept once it is whole, and so is what the new generation holds so far; the stream goes on as it is."
        return "The file is kept once it is whole; what the new generation held is removed, and the stream goes on as it is."

    async def _range(self, store: Store, registry: Registry) -> tuple[Store, StreamInfo, int]:
        """The store of the stream's layout, the stream, and the last sequence that is meant."""
        layout = find_layout((layout for layout in registry.layouts if layout.is_chained), self.stream)
        if layout is None:
            known = ", ".join(await _chained_streams(store, registry))
            raise InvalidInput(
                f"{self.stream[:80]} holds no chains that this console knows of; those with chains are {known}. Back it up instead."
            )
        info = await get_stream(store.connection, self.stream)
        last = min(await last_sequence_at(store.connection, self.stream, self.last), info.last_sequence)
        if not info.messages or last < info.first_sequence:
            raise InvalidInput(f"{self.stream} holds no event up to {self.last[:60]}; there is nothing to archive.")
        return store.on(layout), info, last

    async def _begin(self, chained: Store, info: StreamInfo, last: int, progress: Progress, *, whole: int) -> dict[str, Value]:
        """Verify, take down what the range holds, and write the file up to its first event."""
        if isinstance(nuid := (progress.checkpoint or {}).get("nuid"), str):
            await drop_chunks(chained.connection, FILES_BUCKET, nuid)
        first, nuid, connection = info.first_sequence, new_nuid(), chained.connection
        total = last - first + 1
        await progress.report(0, whole, checkpoint={"nuid": nuid}, force=True)
        verdict = await verified(chained, first, last, progress, whole=whole)

        async def on_batch(events: int) -> None:
            await progress.report(total + events, whole)

        tally = await tally_of(chained, first, last, on_batch)
        heads = heads_in_blocks(tally.heads)
        layout = chained.layout
        manifest = ArchiveManifest(
            stream=self.stream,
            declared=layout.name,
            generation=layout.generation,
            root=layout.root,
            context=layout.context,
            created=format_time(info.created) if info.created else "",
            first=first,
            last=last,
            events=tally.events,
            aggregates=len(tally.heads),
            digest=tally.digest,
            heads=tuple(cid_of(block) for block in heads),
            verified=proof_of(verdict),
            at=format_time(now()),
            by=progress.requested_by,
            run=progress.run_id,
        )
        writer = await open_writer(connection, FILES_BUCKET, nuid)
        await writer.write(archive_preamble(manifest, heads))
        begun: dict[str, Value] = {
            "nuid": nuid,
            "name": await free_name(connection, self._name(info, last)),
            "first": first,
            "last": last,
            "total": total,
            "aggregates": len(tally.heads),
            "root": str(cid_of(manifest.to_block())),
            "sequence": 0,
            "events": 0,
            "offset": writer.size,
        }
        await progress.report((_PHASES - 1) * total, whole, checkpoint=begun, force=True)
        return begun

    def _name(self, info: StreamInfo, last: int) -> str:
        return f"{self.stream}-{info.first_sequence}-{last}{ARCHIVE_SUFFIX}"
