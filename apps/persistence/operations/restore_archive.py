"""This module is bringing an archive back: its events into a stream of their own, where they are verified against the proof in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from ..chain import Progress as ChainProgress
from ..chain import verify_stream
from ..encoding import Value, cid_of
from ..errors import InvalidInput
from ..registry import Registry
from ..store import Connection, Layout, Store, ensure_event_stream
from ..transfer import Archive, Brought, File, Tally, append_events, check_events, get_file, open_file, read_archive, read_batches
from ..work.choices import files
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate
from .archive_proof import tally_of
from .create_stream import check_name, check_subjects_free
from .protection import Act, check_allowed
from .restore import find_there

_PHASES = 4
Phase = Literal["check", "append", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreArchive:
    """Brings the events of an archive into a new stream of their own, with the same blocks and CIDs, and verifies them there."""

    title: ClassVar[str] = "Restore an archive"
    permission: ClassVar[str] = "operations.restore_archive"

    file: str = field(metadata={"help": "An archive that was written here, or one that was brought here.", "choices": files})
    stream: str = field(default="ARCHIVED", metadata={"help": "The stream that is made for it; it must not exist."})
    root: str = field(default="archived.events", metadata={"help": "What the subjects in it begin with."})

    @property
    def target(self) -> str:
        """One at a time into each stream."""
        return f"restore/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be made. Raises KeyNotFound, and InvalidInput for a file that is no archive or a name that is taken."""
        file = await get_file(store.connection, self.file)
        archive = await read_archive(open_file(store.connection, file))
        await self._check_free(store.connection, registry, archive)
        manifest = archive.manifest
        rate, source = await measured_rate(store.connection, "restore-archive", self.target)
        return Plan(
            summary=f"Restore {file.name} as {self.stream}",
            saw={"SHA-256 of the file": file.stored.digest, "exists": False},
            changes=(
                Change(what=self.stream, now="does not exist", after=f"{manifest.stream} {manifest.first:,} – {manifest.last:,}"),
                Change(what="Events", now="none", after=f"{manifest.events:,} of {manifest.aggregates:,} aggregates"),
                Change(what="Subjects", now="free", after=f"{self.root}.>"),
            ),
            counts=((f"{file.name}, in {_PHASES} passes", manifest.events),),
            notes=(
                f"Archived on {manifest.at[:10]} by {manifest.by} from generation {manifest.generation} of {manifest.declared}.",
                "First all events of the file are checked against its proof; only then the first is stored.",
                "Then the stream is verified, and its heads and digest are held against the proof.",
                "No projection reads it, and nothing else appends to it by itself.",
            ),
            undo=f"{self.stream} keeps every event for good, as every stream of events does.",
            seconds=manifest.events / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Check, append, verify. Interrupted while it appends, it goes on behind the last batch."""
        connection = store.connection
        file = await get_file(connection, self.file)
        archive = await read_archive(open_file(connection, file))
        there = store.on(self._layout(archive))
        total = archive.manifest.events
        if not progress.checkpoint:
            await self._check_free(connection, registry, archive)
            await _check(connection, file, archive, there, progress)
            await progress.report(2 * total, _PHASES * total, checkpoint=_place(Brought()), force=True)
        await ensure_event_stream(connection, there.layout)
        await _append(connection, file, there, progress, total)
        await self._verify(there, archive, progress)
        await progress.report(_PHASES * total, _PHASES * total, force=True)
        root = str(cid_of(archive.manifest.to_block()))
        figures: dict[str, Value] = {
            "events": total,
            "aggregates": archive.manifest.aggregates,
            "seconds": progress.seconds,
            "stream": self.stream,
            "file": file.name,
            "root": root,
        }
        return Outcome(
            sentence=f"Restored {file.name} as {self.stream} and verified it: {total:,} events of "
            f"{archive.manifest.aggregates:,} aggregates are intact, and their heads and digest are those of the archive, root {root}.",
            figures=figures,
        )

    def leaves(self, why: str) -> str:
        """What is left in the stream."""
        return f"{self.stream} keeps what it has by then, each aggregate whole up to some version; Resume adds the rest and verifies all."

    def _layout(self, archive: Archive) -> Layout:
        return Layout(stream=self.stream, root=self.root, context=archive.manifest.context, is_pinned=True)

    async def _check_free(self, connection: Connection, registry: Registry, archive: Archive) -> None:
        check_allowed(registry, Act.CREATE, self.stream)
        check_name(self.stream, "stream")
        if await find_there(connection, self.stream) is not None:
            raise InvalidInput(
                f"stream is {self.stream[:80]!r}, and there is a stream of that name; an archive is restored into one of its own."
            )
        await check_subjects_free(connection, (self._layout(archive).subjects,), but=self.stream)

    async def _verify(self, there: Store, archive: Archive, progress: Progress) -> None:
        """Raises InvalidInput where the stream does not hold exactly the archive."""
        total = archive.manifest.events

        async def on_progress(at: ChainProgress) -> None:
            await progress.report((_PHASES - 1) * total + at.checked, _PHASES * total, sequence=at.sequence)

        async def on_batch(events: int) -> None:
            progress.check()

        verdict = await verify_stream(there, on_progress=on_progress)
        tally = await tally_of(there, 1, verdict.to_sequence, on_batch)
        wrong = [f"verification has {verdict.finding_count:,} findings"] if not verdict.intact else []
        wrong += archive.differences(tally)
        if wrong:
            raise InvalidInput(f"{self.stream} is not what was archived: {'; '.join(wrong)}. It was left as it is.")


async def _check(connection: Connection, file: File, archive: Archive, there: Store, progress: Progress) -> None:
    """Every event against the proof, then against the rules of a stream. Raises InvalidInput; nothing was stored then."""
    total, tally = archive.manifest.events, Tally()
    try:
        async for batch in read_batches(open_file(connection, file)):
            for _, block in batch:
                tally.add(str(block.event.aggregate), block.event.version, block.cid)
            await progress.report(min(tally.events, total), _PHASES * total)
    except InvalidInput as error:
        raise InvalidInput(f"{file.name} is damaged, and nothing was restored. {error}") from error
    if wrong := archive.differences(tally):
        raise InvalidInput(f"{file.name} is not what its own proof says, and nothing was restored: {'; '.join(wrong)}.")

    async def on_batch(so_far: Brought) -> None:
        await progress.report(total + so_far.events, _PHASES * total)

    await check_events(open_file(connection, file), there, on_batch, is_new=True)
    progress.log(f"{file.name} is what its proof says: {total:,} events of {archive.manifest.aggregates:,} aggregates")


async def _append(connection: Connection, file: File, there: Store, progress: Progress, total: int) -> None:
    kept = progress.checkpoint or {}
    begin = Brought(**{name: cast(int, kept[name]) for name in ("events", "stored", "already", "offset")})

    async def on_batch(so_far: Brought) -> None:
        await progress.report(2 * total + so_far.events, _PHASES * total, checkpoint=_place(so_far))

    await append_events(open_file(connection, file), there, on_batch, begin=begin)


def _place(so_far: Brought) -> dict[str, Value]:
    return {"events": so_far.events, "stored": so_far.stored, "already": so_far.already, "offset": so_far.offset}
