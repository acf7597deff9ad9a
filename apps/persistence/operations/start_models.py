"""This module is making the models with which a projection begins behind an archive, for a new projection or for new code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ..encoding import cid_of
from ..errors import InvalidInput
from ..projections import (
    Beginning,
    Orders,
    ProjectionDefinition,
    complete_start,
    drop_start,
    find_beginning,
    is_start_complete,
    on_layout,
    run_projection,
    start_of,
    start_version,
)
from ..projections import Progress as RunnerProgress
from ..registry import Registry
from ..store import Layout, Store, get_stream
from ..transfer import Archive, ArchiveManifest, File, get_file, open_file, read_archive
from ..work.operation import Change, Outcome, Plan, Progress
from ..work.rates import measured_rate
from .archive_proof import tally_of
from .behind_archive import declared_layout, starting_projections
from .declared import find_projection

_PHASES = 2


async def _projections(store: Store, registry: Registry) -> Sequence[str]:
    return sorted({one.name for layout in registry.layouts if layout.is_chained for one in starting_projections(registry, layout)})


@dataclass(frozen=True, slots=True, kw_only=True)
class StartModels:
    """Makes the models that a projection has at the end of an archived range, from the archived events where they still lie."""

    title: ClassVar[str] = "Make starting models"
    permission: ClassVar[str] = "operations.start_models"

    projection: str = field(metadata={"help": "The projection that is to begin with them.", "choices": _projections})
    stream: str = field(
        default="", metadata={"help": "The stream of the restored archive; empty: the generation that was left, if it is still there."}
    )
    file: str = field(default="", metadata={"help": "The file of the archive; empty: the one that was written."})

    @property
    def target(self) -> str:
        """One thing at a time is done to the builds of a projection."""
        return f"projection/{self.projection}"

    def leaves(self, why: str) -> str:
        """What is left of models that are not complete."""
        return "No build begins with models that are not complete; Resume goes on with them."

    async def plan(self, store: Store, registry: Registry) -> Plan:
        """What would be read. Raises InvalidInput where the projection needs none, or the events are not those of the archive."""
        definition, beginning = await self._find(store, registry)
        file, archive = await self._archive(store, beginning)
        source = await self._source(store, archive.manifest)
        rate, rate_source = await measured_rate(store.connection, "start-models", self.target)
        now = await self._version(store, definition, beginning)
        return Plan(
            summary=f"Make the starting models of {self.projection}",
            saw={"archive": str(beginning.archive), "version of the models": now or 0, "version": definition.version},
            changes=(
                Change(what="Starting models", now=f"of version {now}" if now else "none", after=f"of version {definition.version}"),
                Change(what="Archived events", now=f"{archive.manifest.events:,} in {file.name}", after=f"from {source.layout.stream}"),
            ),
            counts=((f"{source.layout.stream}, read {_PHASES} times", archive.manifest.events),),
            notes=(
                "First all events are held against the proof of the archive.",
                f"Then retry {self.projection} where it stopped for the lack of them. What readers have now is not touched.",
            ),
            undo="None is needed: only builds that begin later use them.",
            seconds=archive.manifest.events / rate if rate else None,
            rate_source=rate_source,
        )

    async def run(self, store: Store, registry: Registry, progress: Progress) -> Outcome:
        """Hold the events against the proof, drop models of another version, make those of this one. Goes on after an interruption."""
        definition, beginning = await self._find(store, registry)
        _, archive = await self._archive(store, beginning)
        source = await self._source(store, archive.manifest)
        events = archive.manifest.events
        first = archive.manifest.first if source.layout.stream == archive.manifest.stream else 1
        there = on_layout(registry.projections[self.projection], declared_layout(registry, definition.stream), source.layout)
        if not progress.checkpoint:
            await self._check(source, archive, first, progress)
            await drop_start(store.connection, there, beginning.archive)
            await progress.report(events, _PHASES * events, checkpoint={"checked": True}, force=True)

        async def on_progress(at: RunnerProgress) -> None:
            await progress.report(events + max(0, at.position.sequence - first + 1), _PHASES * events, sequence=at.position.sequence)

        _, record = await find_projection(store, registry, self.projection)
        skip = frozenset(sequence - archive.manifest.first + first for sequence in record.left_out(archive.manifest.generation))
        orders = Orders(until=first + events - 1, on_progress=on_progress, skip=skip)
        position = await run_projection(source, start_of(there, beginning.archive), 1, orders)
        await complete_start(store.connection, there, beginning.archive)
        return Outcome(
            sentence=f"{self.projection} has its models as they were at the end of the archive, from {position.applied:,} events; "
            "builds that begin from now on begin with them.",
            figures={"events": events, "applied": position.applied, "seconds": progress.seconds},
        )

    async def _find(self, store: Store, registry: Registry) -> tuple[ProjectionDefinition, Beginning]:
        definition, _ = await find_projection(store, registry, self.projection)
        beginning = await find_beginning(store, definition)
        if beginning is None or self.projection not in await _projections(store, registry):
            raise InvalidInput(f"{self.projection} needs no models to begin with: {definition.stream} does not begin behind an archive.")
        return definition, beginning

    async def _archive(self, store: Store, beginning: Beginning) -> tuple[File, Archive]:
        file = await get_file(store.connection, self.file or beginning.file)
        archive = await read_archive(open_file(store.connection, file))
        if cid_of(archive.manifest.to_block()) != beginning.archive:
            raise InvalidInput(f"{file.name} is another archive than the one behind which the stream begins, {beginning.archive}.")
        return file, archive

    async def _source(self, store: Store, manifest: ArchiveManifest) -> Store:
        """The store of the stream that holds the archived events. Raises StreamNotFound, and InvalidInput for one that cannot hold them."""
        info = await get_stream(store.connection, self.stream or manifest.stream)
        described = store.on_stream(info.name)
        if info.name == manifest.stream and described is not None:
            return described
        root = info.subjects[0].removesuffix(".>") if len(info.subjects) == 1 else ""
        if not root or described is not None or info.messages != manifest.events:
            raise InvalidInput(
                f"{info.name} does not hold the archived events alone. Restore the archive into a stream of its own, and name that one."
            )
        return store.on(Layout(stream=info.name, root=root, context=manifest.context, is_pinned=True))

    async def _check(self, source: Store, archive: Archive, first: int, progress: Progress) -> None:
        events = archive.manifest.events

        async def on_batch(read: int) -> None:
            await progress.report(read, _PHASES * events)

        tally = await tally_of(source, first, first + events - 1, on_batch)
        if wrong := archive.differences(tally):
            raise InvalidInput(f"{source.layout.stream} does not hold the events of the archive: {'; '.join(wrong)}. Nothing was made.")

    async def _version(self, store: Store, definition: ProjectionDefinition, beginning: Beginning) -> int | None:
        if not await is_start_complete(store.connection, definition, beginning.archive):
            return None
        return await start_version(store.connection, definition, beginning.archive)
