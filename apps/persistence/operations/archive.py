"""This module is archiving a closed range of an event stream: verified, then written to a file that carries the proof of what it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from ..chain import Progress as ChainProgress
from ..chain import Verdict, verify_stream
from ..encoding import Value, cid_of
from ..errors import InvalidInput
from ..events import format_time, now
from ..registry import Registry
from ..store import Store, StreamInfo, chained_generations, drop_chunks, find_layout, get_stream, open_reader, open_writer
from ..store.positions import sequence_at
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
    Tally,
    archive_preamble,
    free_name,
    heads_in_blocks,
    new_nuid,
    write_events,
)
from ..work import parameters
from ..work.operation import Change, Outcome, Plan, Progress, Sample
from ..work.rates import measured_rate

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

    @property
    def target(self) -> str:
        """One archive at a time of each stream."""
        return f"archive/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be written. Raises StreamNotFound, and InvalidInput for a stream without chains or a range without events."""
        chained, info, last = await self._range(store, registry)
        rate, source = await measured_rate(store.connection, "archive", self.target)
        events = last - info.first_sequence + 1
        return Plan(
            summary=f"Archive {self.stream} {info.first_sequence:,} – {last:,}",
            saw={"created": str(info.created), "last sequence that is archived": last},
            changes=(
                Change(what="File", now="none", after=await free_name(store.connection, self._name(info, last))),
                Change(what="Events in it", now="none", after=f"{events:,}, as they are stored"),
                Change(what=self.stream, now=f"{info.messages:,} events", after=f"{info.messages:,} events"),
            ),
            counts=((f"{self.stream}, read {_PHASES} times", events),),
            notes=(
                "First every event of the range is verified; where one is not intact, nothing is written.",
                f"The file names generation {chained.layout.generation}, both sequences, each aggregate's head, and a digest of all.",
                "The stream keeps its events: they are archived beside it, and nothing is taken out of it.",
            ),
            undo="Delete the file.",
            seconds=events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Verify, take down the heads, write. Once the writing has begun, an interrupted run goes on behind the last chunk."""
        chained, info, last = await self._range(store, registry)
        begun = progress.checkpoint or {}
        if "offset" not in begun:
            begun = await self._begin(chained, info, last, progress)
        first, last, total = cast(int, begun["first"]), cast(int, begun["last"]), cast(int, begun["total"])
        writer = await open_writer(store.connection, FILES_BUCKET, str(begun["nuid"]))

        async def on_place(place: Place) -> None:
            reached = {"sequence": place.sequence, "events": place.events, "offset": place.offset}
            await progress.report(
                (_PHASES - 1) * total + place.events, _PHASES * total, checkpoint={**begun, **reached}, sequence=place.sequence
            )

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
        await progress.report(_PHASES * total, _PHASES * total, sequence=last, force=True)
        root = str(begun["root"])
        figures: dict[str, Value] = {
            "events": place.events,
            "aggregates": begun["aggregates"],
            "seconds": progress.seconds,
            "first": first,
            "last": last,
            "file": stored.name,
            "bytes": stored.size,
            "sha256": stored.digest,
            "root": root,
        }
        return Outcome(
            sentence=f"Archived {place.events:,} events of {self.stream}, all of them intact, to {stored.name}, root {root}.",
            figures=figures,
            samples=(Sample(what=stored.name, after=f"{stored.size:,} bytes", note="download", link=f"/files/{stored.name}/download"),),
        )

    def leaves(self, why: str) -> str:
        """What is left of an archive that is not finished."""
        return "Nothing is to be seen of the file before it is whole; the stream is only read."

    async def _range(self, store: Store, registry: Registry) -> tuple[Store, StreamInfo, int]:
        """The store of the stream's layout, the stream, and the last sequence that is meant."""
        layout = find_layout((layout for layout in registry.layouts if layout.is_chained), self.stream)
        if layout is None:
            known = ", ".join(await _chained_streams(store, registry))
            raise InvalidInput(
                f"{self.stream} holds no chains that this console knows of; those with chains are {known}. Back it up instead."
            )
        info = await get_stream(store.connection, self.stream)
        last = min(await sequence_at(store.connection, self.stream, self.last), info.last_sequence)
        if not info.messages or last < info.first_sequence:
            raise InvalidInput(f"{self.stream} holds no event up to {self.last}; there is nothing to archive.")
        return store.on(layout), info, last

    async def _begin(self, chained: Store, info: StreamInfo, last: int, progress: Progress) -> dict[str, Value]:
        """Verify, take down what the range holds, and write the file up to its first event."""
        if isinstance(nuid := (progress.checkpoint or {}).get("nuid"), str):
            await drop_chunks(chained.connection, FILES_BUCKET, nuid)
        first, nuid, connection = info.first_sequence, new_nuid(), chained.connection
        total = last - first + 1
        await progress.report(0, _PHASES * total, checkpoint={"nuid": nuid}, force=True)
        verdict = await _verified(chained, first, last, progress)

        async def on_batch(events: int) -> None:
            await progress.report(total + events, _PHASES * total)

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
            verified=_proof(verdict),
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
        await progress.report((_PHASES - 1) * total, _PHASES * total, checkpoint=begun, force=True)
        return begun

    def _name(self, info: StreamInfo, last: int) -> str:
        return f"{self.stream}-{info.first_sequence}-{last}{ARCHIVE_SUFFIX}"


async def _verified(chained: Store, first: int, last: int, progress: Progress) -> Verdict:
    """Raises InvalidInput where the range is not intact, or not all of it is there."""

    async def on_progress(at: ChainProgress) -> None:
        await progress.report(at.checked, _PHASES * (last - first + 1), sequence=at.sequence)

    verdict = await verify_stream(chained, from_sequence=first, to_sequence=last, on_progress=on_progress)
    stream = chained.layout.stream
    if not verdict.intact:
        reason = verdict.findings[0].explanation if verdict.findings else "see its verification"
        raise InvalidInput(
            f"{stream} is not intact up to {last:,}, so it is not archived: {verdict.finding_count:,} findings, the first: {reason}"
        )
    if verdict.removed or verdict.checked != last - first + 1:
        raise InvalidInput(
            f"Events of {stream} up to {last:,} were removed, so no archive of them can be whole; export what is left instead."
        )
    progress.log(f"all {verdict.checked:,} events of {verdict.aggregates:,} aggregates are intact")
    return verdict


async def tally_of(chained: Store, first: int, last: int, on_batch: Callable[[int], Awaitable[None]]) -> Tally:
    """What the events of a range come to; `on_batch` hears how many were read."""
    tally = Tally()
    async with open_reader(chained.connection, chained.layout.stream, from_sequence=first, to_sequence=last) as reader:
        async for messages in reader:
            for message in messages:
                parts = chained.layout.parse(message.subject)
                name = f"{parts.context}.{parts.aggregate}.{parts.entity}" if parts else message.subject
                tally.add(name, (parts.version if parts else None) or 0, cid_of(message.data))
            await on_batch(tally.events)
    return tally


def _proof(verdict: Verdict) -> dict[str, Value]:
    return {
        "checked": verdict.checked,
        "aggregates": verdict.aggregates,
        "from": verdict.from_sequence,
        "to": verdict.to_sequence,
        "findings": verdict.finding_count,
        "at": format_time(verdict.started),
        "proves": list(verdict.proves),
        "does_not_prove": list(verdict.does_not_prove),
    }
