"""This module is the second half of an archive: a new generation of the stream that begins behind the archived range, and the way back.

First the models are made with which projections begin there; then aggregates are opened, what came after the range is copied, and readers
and writers are switched, by the machinery of migrations. Every step knows how far it came, so an interrupted run goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..errors import Conflict, InvalidInput, MigrationConflict, MigrationFailed, PlanStale, StreamNotFound, Unavailable
from ..events import OPENING, Event, read_opening
from ..evolution import ARCHIVE, Archived, StreamChange, Work, leave_out_manifests
from ..projections import (
    Orders,
    ProjectionDefinition,
    at_generation,
    complete_start,
    drop_start,
    drop_unused_starts,
    find_record,
    is_start_complete,
    needs_start,
    run_projection,
    start_of,
)
from ..projections import Progress as RunnerProgress
from ..registry import Registry
from ..store import Layout, Store, find_layout, get_last, read_generations
from ..work.operation import Progress, RunInterrupted
from ..work.run import load_run
from .protection import HOW_TO_ALLOW, why_protected


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What a new generation begins behind: the range of generation `number` of `layout` (as declared) that was archived.

    `done` is what of the run's progress lies before this half of it.
    """

    layout: Layout
    number: int
    first: int
    archived: Archived
    done: int

    @property
    def events(self) -> int:
        """How many events were archived."""
        return self.archived.last - self.first + 1

    @property
    def change(self) -> StreamChange:
        """The change of the stream."""
        return change_of(self.layout, self.archived)


def change_of(layout: Layout, archived: Archived | None) -> StreamChange:
    """The change of a stream, as declared, that an archive makes, or that undoes one."""
    keep = leave_out_manifests(layout)
    return StreamChange(id=ARCHIVE, transform=keep, back=keep, layout=layout, archived=archived)


def declared_layout(registry: Registry, stream: str) -> Layout:
    """The declared layout of a stream in whichever generation. Raises InvalidInput."""
    found = find_layout((layout for layout in registry.layouts if layout.is_chained), stream)
    if found is None:
        raise InvalidInput(f"{stream[:80]} holds no chains that this console knows of.")
    return next(layout for layout in registry.layouts if layout.stream == found.name)


def starting_projections(registry: Registry, layout: Layout) -> Sequence[ProjectionDefinition]:
    """The projections that begin with starting models where this stream begins behind an archive, by name."""
    found = [one for one in registry.projections.values() if one.stream == layout.stream and needs_start(one)]
    return sorted(found, key=lambda one: one.name)


async def met_again(store: Store, registry: Registry, layout: Layout, number: int, *, after: int = 0) -> tuple[str, ...]:
    """What is said of events behind `after` that projections left out or parked in generation `number`: another one knows nothing of it."""
    notes = []
    for definition in registry.projections.values():
        record = await find_record(store.connection, definition.name) if definition.stream == layout.stream else None
        left_out = [sequence for sequence in record.left_out(number) if sequence > after] if record else []
        if left_out:
            notes.append(
                f"{definition.name} left out or parked {len(left_out):,} of its events, and meets them again in the new "
                "generation: it may stop there."
            )
    return tuple(notes)


async def check_can_begin(store: Store, registry: Registry, stream: str, *, last: int) -> Layout:
    """The declared layout. Raises InvalidInput where settings, another run, or a projection do not allow a generation behind `last`."""
    layout = declared_layout(registry, stream)
    if reason := why_not_allowed(registry, stream, layout.stream):
        raise InvalidInput(reason)
    record = await read_generations(store.connection, layout.stream)
    serving = layout.of_generation(record.serving).stream
    if stream != serving:
        raise InvalidInput(
            f"{stream} is closed, and {serving} serves; only what serves can begin anew. Archive it without a new generation."
        )
    if problems := await problems_now(store, change_of(layout, None)):
        raise InvalidInput(" ".join(problems))
    await _check_beginning(store, layout.of_generation(record.serving), last=last)
    for definition in starting_projections(registry, layout):
        await _check_projection(store, definition, record.serving, last=last)
    return layout


def why_not_allowed(registry: Registry, *names: str) -> str:
    """Why no generation of the stream may be switched, as a sentence; empty where it may."""
    if not registry.stream_changes.are_allowed:
        return HOW_TO_ALLOW
    return next((reason for name in names if (reason := why_protected(registry, name))), "")


async def problems_now(store: Store, change: StreamChange) -> Sequence[str]:
    """What stands in the way of a change; the remains of a run that has ended do not."""
    record = await read_generations(store.connection, change.layout.name)
    if record.filling is not None and await _has_ended(store, record.run):
        return ()
    return await change.validate(Work(store=store, run="", by="", definitions={}))


async def open_behind(store: Store, registry: Registry, progress: Progress, behind: Behind) -> str:
    """Make the starting models, fill the new generation and switch to it; what was done, in a sentence. May be called again.

    Raises InvalidInput where an aggregate cannot be opened, ProjectionFailed where a projection cannot apply an archived event, PlanStale
    where another run has a hand in it: everything is as it was then.
    """
    work = _work(store, registry, progress, behind)
    try:
        await clear_away(store, behind.change, progress.run_id)
        await _drop_unused(store, registry, behind)
        await _make_starts(store, registry, progress, behind)
        return await behind.change.up(work)
    except RunInterrupted as interrupted:
        if interrupted.why == "cancelled":
            await _tidy(work, registry, behind)
        raise
    except MigrationConflict as conflict:
        raise PlanStale(str(conflict)) from conflict
    except (Unavailable, Conflict):
        raise
    except Exception as error:
        await _tidy(work, registry, behind)
        if isinstance(error, MigrationFailed):
            raise InvalidInput(f"The new generation was not opened, at {error.step}: {error.reason} {error.left}") from error
        raise


async def drop_starts(store: Store, registry: Registry, layout: Layout, archived: Archived, *, number: int) -> None:
    """Delete the starting models behind an archive; `number` is the generation that they were made of."""
    for definition in starting_projections(registry, layout):
        await drop_start(store.connection, at_generation(store.connection, definition, number), archived.root)


async def clear_away(store: Store, change: StreamChange, run: str) -> None:
    """Tidy up after a run that has ended without saying so, as one that was cancelled while it was paused."""
    record = await read_generations(store.connection, change.layout.name)
    if record.filling is not None and record.run != run and await _has_ended(store, record.run):
        await change.abandon(Work(store=store, run=record.run, by="", definitions={}))


async def _drop_unused(store: Store, registry: Registry, behind: Behind) -> None:
    """Delete starting models that no generation begins with: those of runs that were cancelled while nobody worked on them."""
    record = await read_generations(store.connection, behind.layout.stream)
    used = {behind.archived.root}
    for number in range(2, record.last + 1):
        there = behind.layout.of_generation(number)
        with suppress(StreamNotFound):
            opened = await get_last(store.connection, there.stream, there.pattern_of(event=OPENING))
            if opened is not None:
                used.add(read_opening(Event.from_block(opened.data)).root)
    for definition in starting_projections(registry, behind.layout):
        await drop_unused_starts(store.connection, definition, used)


async def _has_ended(store: Store, run_id: str) -> bool:
    run = await load_run(store, run_id)
    return run is None or run.state.is_ended


def _work(store: Store, registry: Registry, progress: Progress, behind: Behind) -> Work:
    before = behind.done + behind.events * len(starting_projections(registry, behind.layout))

    async def report(sequence: int, to: int) -> None:
        rest = max(to, behind.archived.last) - behind.first + 1
        await progress.report(before + sequence - behind.first + 1, before + rest, sequence=sequence)

    return Work(
        store=store,
        run=progress.run_id,
        by=progress.requested_by,
        definitions=registry.aggregates,
        report=report,
        say=progress.log,
    )


async def _make_starts(store: Store, registry: Registry, progress: Progress, behind: Behind) -> None:
    definitions = starting_projections(registry, behind.layout)
    whole = behind.done + behind.events * (len(definitions) + 1)
    for number, definition in enumerate(definitions):
        before = behind.done + number * behind.events

        async def on_progress(at: RunnerProgress, before: int = before) -> None:
            await progress.report(before + max(0, at.position.sequence - behind.first + 1), whole, sequence=at.position.sequence)

        here = at_generation(store.connection, definition, behind.number)
        if await make_start(store, here, behind.archived, on_progress):
            progress.log(f"{definition.name} has its models as they were at sequence {behind.archived.last:,}")


async def make_start(
    store: Store, definition: ProjectionDefinition, archived: Archived, on_progress: Callable[[RunnerProgress], Awaitable[None]]
) -> bool:
    """Make the starting models of one placed projection; False where they were made before. Raises as `run_projection`."""
    if await is_start_complete(store.connection, definition, archived.root):
        return False
    record = await find_record(store.connection, definition.name, leader=True)
    skip = record.left_out(definition.generation) if record else frozenset()
    orders = Orders(until=archived.last, on_progress=on_progress, skip=skip)
    await run_projection(store, start_of(definition, archived.root), 1, orders)
    await complete_start(store.connection, definition, archived.root)
    return True


async def _tidy(work: Work, registry: Registry, behind: Behind) -> None:
    """Leave nothing behind, unless the new generation serves already."""
    await behind.change.abandon(work)
    record = await read_generations(work.store.connection, behind.layout.stream)
    if record.serving == behind.number:
        with suppress(Unavailable):
            await drop_starts(work.store, registry, behind.layout, behind.archived, number=behind.number)


async def _check_beginning(store: Store, layout: Layout, *, last: int) -> None:
    """Where a generation begins behind an archive itself, its opening events go together."""
    opened = await get_last(store.connection, layout.stream, layout.pattern_of(event=OPENING))
    if opened is not None and last <= opened.sequence:
        raise InvalidInput(
            f"{layout.stream} begins behind an archive itself, and up to sequence {opened.sequence:,} it only opens aggregates. "
            f"Archive up to a later place than {last:,}."
        )


async def _check_projection(store: Store, definition: ProjectionDefinition, number: int, *, last: int) -> None:
    record = await find_record(store.connection, definition.name, leader=True)
    builds = [build for build in record.builds if build.generation == number] if record else []
    stopped = [build.failure.sequence for build in builds if build.failure and build.failure.sequence <= last]
    if stopped:
        raise InvalidInput(
            f"{definition.name} has stopped at sequence {stopped[0]:,}, which would be archived, so it cannot say with which models to "
            "go on. Mend it, or skip that event with a note."
        )
    parked = [one.sequence for one in record.parked if one.generation == number and one.sequence <= last] if record else []
    if parked:
        raise InvalidInput(
            f"{definition.name} has events parked that would be archived, the first at sequence {parked[0]:,}. Replay or dismiss them."
        )
