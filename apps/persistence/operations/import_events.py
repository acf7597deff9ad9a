"""This module is bringing in the events of a file: into another stream or server, with the same blocks and so the same CIDs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from ..encoding import Value
from ..registry import Registry
from ..store import Store, ensure_event_stream
from ..transfer import Brought, File, Target, append_events, check_events, find_target, get_file, open_file
from ..work.choices import connections, files
from ..work.elsewhere import HOME, reach
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate

Phase = Literal["check", "append"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportEvents:
    """Appends the events of a file to a stream here or on another server, with the same blocks, CIDs and order."""

    title: ClassVar[str] = "Import events"
    permission: ClassVar[str] = "operations.import"

    file: str = field(metadata={"help": "An export, an archive or an upload, as JSON Lines or CAR.", "choices": files})
    stream: str = field(default="CIM-EVENTS", metadata={"help": "The stream that they are appended to."})
    root: str = field(default="", metadata={"help": "Only for a stream that is to be made: what its subjects begin with."})
    connection: str = field(default=HOME, metadata={"help": "The connection that is written to.", "choices": connections})

    @property
    def target(self) -> str:
        """One import at a time into each stream."""
        return f"import/{self.connection}/{self.stream}"

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """Where they would go. Raises KeyNotFound without the file, InvalidInput for a stream that cannot take them."""
        file = await get_file(store.connection, self.file)
        async with reach(store, registry, self.connection) as there:
            target = await find_target(there, self.stream, root=self.root)
        now = "does not exist; it is made" if target.info is None else f"{target.info.messages:,} events"
        most = "" if file.events is None else f" and at most {file.events:,} more"
        rate, source = await measured_rate(store.connection, "import", self.target)
        where = f"{self.stream} on {self.connection}"
        return Plan(
            summary=f"Import {file.name} into {where}",
            saw={"SHA-256 of the file": file.stored.digest, "stream": str(target.info.created) if target.info else "to be made"},
            changes=(Change(what=where, now=now, after=f"what is there{most}"),),
            counts=() if file.events is None else ((file.name, file.events),),
            notes=(
                "Every event of the file is checked before the first is stored: its block, its CID, its link to the version before it.",
                "What is there already is counted and left alone; another event as the same version ends the run with nothing stored.",
                "A dry run does the whole check and stores nothing.",
                "Projections that read the stream see the events as new.",
            ),
            undo="Events cannot be taken out of a chain again.",
            seconds=file.events / rate if rate and file.events is not None else None,
            rate_source=source,
        )

    async def dry_run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Check every event of the file against the stream."""
        file = await get_file(store.connection, self.file)
        async with reach(store, registry, self.connection) as there:
            target = await find_target(there, self.stream, root=self.root)
            found = await _check(store, file, target, progress)
        return Outcome(sentence=f"All {found.events:,} events fit: {_counts(found, 'would be stored')}.", figures=_figures(found))

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Check all, then append all; interrupted, it goes on behind the last batch."""
        file = await get_file(store.connection, self.file)
        async with reach(store, registry, self.connection) as there:
            target = await find_target(there, self.stream, root=self.root)
            if _phase(progress.checkpoint) == "check":
                checked = await _check(store, file, target, progress)
                progress.log(f"all {checked.events:,} events fit, {_counts(checked, 'to store')}")
                await progress.report(
                    checked.events, 2 * checked.events, checkpoint=_place("append", checked.events, Brought()), force=True
                )
            await ensure_event_stream(there.connection, target.store.layout)
            done = await _append(store, file, target, progress)
        await progress.report(2 * done.events, 2 * done.events, force=True)
        return Outcome(
            sentence=f"Brought {done.events:,} events into {self.stream} on {self.connection}: {_counts(done, 'stored')}.",
            figures={**_figures(done), "seconds": progress.seconds},
        )

    def leaves(self, why: str) -> str:
        """What is left in the stream."""
        return "The events that are stored already stay, each aggregate whole up to some version; importing the file again adds the rest."


async def _check(store: Store, file: File, target: Target, progress: Progress) -> Brought:
    async def on_batch(so_far: Brought) -> None:
        expected = file.events or round(so_far.events * file.stored.size / max(1, so_far.offset))
        await progress.report(so_far.events, 2 * max(expected, so_far.events))

    return await check_events(open_file(store.connection, file), target.store, on_batch, is_new=target.info is None)


async def _append(store: Store, file: File, target: Target, progress: Progress) -> Brought:
    checkpoint = progress.checkpoint or {}
    total = cast(int, checkpoint["total"])
    begin = Brought(**{name: cast(int, checkpoint[name]) for name in ("events", "stored", "already", "offset")})

    async def on_batch(so_far: Brought) -> None:
        await progress.report(total + so_far.events, 2 * total, checkpoint=_place("append", total, so_far))

    return await append_events(open_file(store.connection, file), target.store, on_batch, begin=begin)


def _phase(checkpoint: Mapping[str, Value] | None) -> Phase:
    return "append" if checkpoint and checkpoint.get("phase") == "append" else "check"


def _place(phase: Phase, total: int, so_far: Brought) -> dict[str, Value]:
    return {
        "phase": phase,
        "total": total,
        "events": so_far.events,
        "stored": so_far.stored,
        "already": so_far.already,
        "offset": so_far.offset,
    }


def _counts(found: Brought, word: str) -> str:
    return f"{found.stored:,} {word}, {found.already:,} already there"


def _figures(found: Brought) -> dict[str, Value]:
    return {"events": found.events, "stored": found.stored, "already": found.already}
