"""This module is going back to the generation that an archive left: with what came since, and with the archived events."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, cast

from ..errors import InvalidInput, MigrationConflict, MigrationFailed, PlanStale, StreamNotFound
from ..evolution import Archived, Manifest, StreamChange, Work, find_manifest
from ..registry import Registry
from ..store import Layout, Store, get_stream, read_generations, stream_name
from ..work.operation import Change, Outcome, Plan, Progress, RunInterrupted
from ..work.rates import measured_rate
from ..work.vouching import SERVES_AFTER
from .behind_archive import change_of, clear_away, declared_layout, drop_starts, problems_now, why_not_allowed


async def _begun_behind(store: Store, registry: Registry) -> Sequence[str]:
    """The declared streams whose serving generation begins behind an archive."""
    found = []
    for layout in registry.layouts:
        if layout.is_chained:
            with suppress(InvalidInput, StreamNotFound):
                await _manifest(store, layout, await _serving(store, layout))
                found.append(layout.stream)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackArchive:
    """Switches a stream back to the generation that an archive left, which takes over what came since and holds the archived events."""

    title: ClassVar[str] = "Roll back an archive"
    permission: ClassVar[str] = "operations.roll_back_archive"

    stream: str = field(
        default="CIM-EVENTS", metadata={"help": "The stream by its first name, as it was declared.", "choices": _begun_behind}
    )

    @property
    def target(self) -> str:
        """The same as that of an archive of the stream."""
        return f"archive/{self.stream}"

    def leaves(self, why: str) -> str:
        """What was copied back is complete or not used."""
        return "What serves now goes on serving and takes events."

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would serve. Raises InvalidInput where what serves does not begin behind an archive."""
        layout = declared_layout(registry, self.stream)
        if reason := why_not_allowed(registry, self.stream):
            raise InvalidInput(reason)
        record = await read_generations(store.connection, layout.stream)
        manifest = await _manifest(store, layout, record.serving)
        change = change_of(layout, manifest.archived)
        if problems := await problems_now(store, change):
            raise InvalidInput(" ".join(problems))
        serving, before = (stream_name(layout.stream, number) for number in (record.serving, manifest.number))
        came = await change.came_since(Work(store=store, run="", by="", definitions={}))
        old = await get_stream(store.connection, before)
        rate, source = await measured_rate(store.connection, "roll-back-archive", self.target)
        return Plan(
            summary=f"Roll back the archive of {before}",
            saw={"generation that serves": record.serving, SERVES_AFTER: before},
            changes=(
                Change(what="Stream that serves", now=serving, after=before),
                Change(what=f"Events in {before}", now=f"{old.messages:,}", after=f"{old.messages:,} and {came:,} that came since"),
            ),
            counts=((f"{serving}, since the switch", came),),
            notes=(
                "Events that came since the switch are copied back first; writers are refused for as long as that takes.",
                f"{serving} is closed and kept. Projections are built anew from {before}, from its first event.",
                "The models that projections began with behind the archive are removed; the file of the archive stays.",
                "Snapshots taken before the archive are used again, those taken since are not.",
            ),
            undo="Archive it again.",
            seconds=came / rate if rate else None,
            rate_source=source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Close what serves, copy back what came since, switch. May be called again."""
        layout = declared_layout(registry, self.stream)
        kept = dict(progress.checkpoint or {})
        if "generation" not in kept:
            kept = {"generation": (await read_generations(store.connection, layout.stream)).serving, "came": 0}
            await progress.report(0, 1, checkpoint=kept, force=True)
        manifest = await _manifest(store, layout, cast(int, kept["generation"]))
        change = change_of(layout, manifest.archived)

        async def report(done: int, total: int) -> None:
            kept["came"] = done
            await progress.report(done, total, checkpoint=kept, force=done >= total)

        work = Work(store=store, run=progress.run_id, by=progress.requested_by, definitions={}, report=report, say=progress.log)
        words = await _switch_back(change, work)
        await drop_starts(store, registry, layout, cast(Archived, manifest.archived), number=manifest.number)
        return Outcome(sentence=words, figures={"events": kept["came"], "seconds": progress.seconds})


async def _switch_back(change: StreamChange, work: Work) -> str:
    """Raises InvalidInput where it cannot be done; what served serves then."""
    try:
        await clear_away(work.store, change, work.run)
        return await change.down(work)
    except RunInterrupted as interrupted:
        if interrupted.why == "cancelled":
            await change.abandon(work)
        raise
    except MigrationConflict as conflict:
        raise PlanStale(str(conflict)) from conflict
    except MigrationFailed as error:
        await change.abandon(work)
        raise InvalidInput(f"The archive was not rolled back, at {error.step}: {error.reason} {error.left}") from error


async def _serving(store: Store, layout: Layout) -> int:
    return (await read_generations(store.connection, layout.stream)).serving


async def _manifest(store: Store, layout: Layout, number: int) -> Manifest:
    """The manifest of a generation that begins behind an archive. Raises InvalidInput."""
    manifest = await find_manifest(store.on(layout.of_generation(number))) if number > 1 else None
    if manifest is None or manifest.archived is None:
        raise InvalidInput(f"{stream_name(layout.stream, number)} does not begin behind an archive; there is nothing to roll back.")
    return manifest
