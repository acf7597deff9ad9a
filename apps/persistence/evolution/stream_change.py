"""This module is the migration of a stream: every event transformed into a new generation, then one switch; and back by another.

The old generation serves and takes events while most is copied. Then its stream is closed on the server, what came meanwhile is copied,
states are compared, and the record of which generation serves is changed by compare-and-swap. So whatever the server acknowledged before
the closing is copied, and after it nothing is acknowledged until the new generation serves. Rolling back copies what came since the switch
into the old generation, and switches back.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from ..errors import MigrationConflict, MigrationFailed, StreamNotFound, Unavailable
from ..events import AggregateRef, Event
from ..store import (
    CONSOLE,
    EVENTS,
    Generations,
    Layout,
    Store,
    ensure_bucket,
    ensure_event_stream,
    get_stream,
    read_batch,
    read_generations,
    stream_name,
)
from ..store.generations import GENERATIONS_BUCKET, close_stream, reopen_stream, switch_generation, write_generations
from .copying import Copy
from .manifest import Archived, Manifest, complete_generation, find_manifest, open_generation
from .migration import Rehearsal, Work, no_report
from .openings import write_openings
from .rehearsal import rehearse
from .serving import enter_serving, withdraw_serving
from .states import Expected, check_states
from .survey import Survey, survey
from .transform import Transform, beside_openings, source_of

CHECKED = 50
_CLOSE_ENOUGH = 1_000
_MAX_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChange:
    """Copies all events of `layout` through `transform` into a new generation.

    `back` is for events that were written after the switch, on a roll back; without it a roll back is refused once there are some.
    `expected` says what a state is meant to become. `id` is that of the migration. `archived`: the new generation begins behind that range,
    with an opening event for each aggregate in it, and holds the others as they were written.
    """

    id: str
    transform: Transform
    layout: Layout = EVENTS
    back: Transform | None = None
    expected: Expected | None = None
    archived: Archived | None = None

    @property
    def is_reversible(self) -> bool:
        """The old generation is kept, so there is a way back."""
        return True

    async def validate(self, work: Work) -> tuple[str, ...]:
        """Whether the stream is there and nobody else is copying it."""
        if self.layout.name == CONSOLE.stream or not self.layout.is_chained:
            return (f"{self.layout.stream} cannot be migrated: the console's own events and foreign streams stay as they are.",)
        if self.layout.aggregate is not None:
            return (f"{self.layout.stream} has no generations: only a layout for aggregates of any type can have another one.",)
        record = await read_generations(work.store.connection, self.layout.name)
        if record.filling is not None and record.run != work.run:
            return (f"Run {record.run} is copying {self.layout.name}; wait for it, or cancel it.",)
        try:
            await get_stream(work.store.connection, stream_name(self.layout.name, record.serving))
        except StreamNotFound as error:
            return (str(error),)
        return ()

    async def rehearse(self, work: Work) -> Rehearsal:
        """Transform every event and compare every state, without writing."""
        source = await self._serving(work)
        return await rehearse(work, source, beside_openings(self.transform, self.expected), expected=self.expected)

    async def rehearse_back(self, work: Work) -> Rehearsal:
        """Transform what came since the switch, without writing; states are those that were there before."""
        source = await self._serving(work)
        since = await self._switched_at(source)
        if self.back is None:
            came = await self.came_since(work)
            problem = f"{came:,} events arrived in {source.layout.stream} since the switch, and it declares no way back for them."
            return Rehearsal(problems=(problem,) if came else ())
        return await rehearse(replace(work, definitions={}), source, self.back, expected=None, after=since)

    async def up(self, work: Work) -> str:
        """Copy, close, copy the rest, compare, switch."""
        record = await read_generations(work.store.connection, self.layout.name)
        if record.run != work.run:
            record = await self._begin(work, record, record.last + 1)
        if record.filling is None:
            return f"{stream_name(record.stream, record.serving)} serves."
        source, target = self._at(work, record.serving), self._at(work, record.filling)
        manifest = await self._open(work, source, target)
        copy = await self._copy(work, source, target, manifest)
        try:
            await self._finish(work, copy, manifest)
            await _switch(work, record, record.filling)
        except BaseException:
            await self._reopen(work, source)
            raise
        return f"Copied {source.layout.stream} into {target.layout.stream}, which serves now; {source.layout.stream} is kept and closed."

    async def down(self, work: Work) -> str:
        """Close the new generation, copy back what came since the switch, and switch back."""
        record = await read_generations(work.store.connection, self.layout.name)
        if record.run != work.run:
            manifest = await self._made_here(work, record)
            record = await self._begin(work, record, manifest.number)
        if record.filling is None:
            return f"{stream_name(record.stream, record.serving)} serves again."
        source, target = self._at(work, record.serving), self._at(work, record.filling)
        await close_stream(work.store.connection, source.layout.stream)
        try:
            copied = await self._copy_back(work, source, target)
            await _switch(work, record, record.filling)
        except BaseException:
            await self._reopen(work, source)
            raise
        return f"{target.layout.stream} serves again, with {copied:,} events that came since; {source.layout.stream} is kept and closed."

    async def copied(self, work: Work) -> int:
        """Of how many events the generation that serves was made; 0 where it was made of none."""
        manifest = await find_manifest(await self._serving(work))
        return manifest.messages if manifest else 0

    async def came_since(self, work: Work) -> int:
        """How many events came into the generation that serves since it was switched to."""
        source = await self._serving(work)
        return (await get_stream(source.connection, source.layout.stream)).last_sequence - await self._switched_at(source)

    async def abandon(self, work: Work) -> None:
        """Let the generation that serves take events, and remove what was begun beside it."""
        connection = work.store.connection
        record = await read_generations(connection, self.layout.name)
        if record.filling is None or record.run != work.run:
            return
        await reopen_stream(connection, stream_name(record.stream, record.serving))
        begun = stream_name(record.stream, record.filling)
        if record.filling > record.serving:
            await _delete(work.store, begun)
        else:
            await close_stream(connection, begun)
        await write_generations(connection, replace(record, filling=None, run=""))
        await withdraw_serving(work.store, record.stream, run=work.run, by=work.by)

    async def _made_here(self, work: Work, record: Generations) -> Manifest:
        """The manifest of the generation that serves. Raises MigrationFailed where something else made it."""
        manifest, stream = await find_manifest(self._at(work, record.serving)), stream_name(record.stream, record.serving)
        if manifest is None:
            raise self._failed("the switch back", f"{stream} was not made of another generation.")
        if manifest.migration != self.id:
            raise self._failed("the switch back", f"{stream} was made by {manifest.migration}, which comes first.")
        return manifest

    def _at(self, work: Work, number: int) -> Store:
        return work.store.on(self.layout.of_generation(number))

    async def _serving(self, work: Work) -> Store:
        return self._at(work, (await read_generations(work.store.connection, self.layout.name)).serving)

    async def _begin(self, work: Work, record: Generations, number: int) -> Generations:
        if record.filling is not None:
            raise MigrationConflict(f"Run {record.run} is copying {record.stream}; wait for it, or cancel it.")
        await ensure_bucket(work.store.connection, GENERATIONS_BUCKET, history=10)
        begun = replace(record, root=self.layout.root, filling=number, last=max(record.last, number), run=work.run)
        return await write_generations(work.store.connection, begun)

    async def _reopen(self, work: Work, source: Store) -> None:
        """After trouble: let the generation take events again if it still serves. Where that is not known it stays closed."""
        with suppress(Unavailable):
            if (await read_generations(work.store.connection, self.layout.name)).serving == source.layout.generation:
                await reopen_stream(work.store.connection, source.layout.stream)

    async def _open(self, work: Work, source: Store, target: Store) -> Manifest:
        info = await get_stream(source.connection, source.layout.stream)
        await ensure_event_stream(target.connection, target.layout, replicas=info.replicas)
        found = await find_manifest(target)
        if found is None:
            whole = await survey(source, to_sequence=info.last_sequence, with_log=True)
            await open_generation(target, whole, migration=self.id, number=source.layout.generation, by=work.by, archived=self.archived)
            work.say(f"{target.layout.stream} is begun from {whole.messages:,} events of {len(whole.heads):,} aggregates")
            found = await find_manifest(target)
        assert found is not None, "it was stored, and is read through the leader"
        return found

    async def _copy(self, work: Work, source: Store, target: Store, manifest: Manifest) -> Copy:
        """Copy while the old generation goes on, until little is left."""
        begun = await survey(source, to_sequence=manifest.last_sequence)
        copy = Copy(
            migration=self.id,
            source=source,
            target=target,
            transform=beside_openings(self.transform, self.expected),
            old_heads=begun.heads,
            report=work.report,
            is_verbatim=self.archived is not None,
        )
        if self.archived is not None:
            await write_openings(work, source, target, self.archived)
        for _ in range(_MAX_ROUNDS):
            last = (await get_stream(source.connection, source.layout.stream)).last_sequence
            await copy.run(after=self._begins_after, to=last)
            if (await get_stream(source.connection, source.layout.stream)).last_sequence - last < _CLOSE_ENOUGH:
                break
        return copy

    async def _finish(self, work: Work, copy: Copy, manifest: Manifest) -> None:
        """Close the old generation, copy what is left, compare, and complete the manifest. Not interrupted: writers wait for it."""
        copy.report = no_report
        await close_stream(work.store.connection, copy.source.layout.stream)
        work.say(f"{copy.source.layout.stream} is closed")
        whole = await survey(copy.source)
        await copy.run(after=self._begins_after, to=whole.last_sequence)
        await self._compare(work, copy, whole)
        if manifest.completed_at is None:
            await complete_generation(copy.target, whole, manifest, by=work.by)

    async def _compare(self, work: Work, copy: Copy, whole: Survey) -> None:
        """Fold some aggregates in both generations. Raises MigrationFailed where a state is not the one expected."""
        for ref in _some(head.aggregate for head in whole.heads.values()):
            definition = work.definitions.get((ref.context, ref.type))
            if definition is None:
                continue
            found = await check_states(copy.source, copy.target, definition, ref, expected=self.expected, may_differ=work.may_differ)
            if found is not None:
                raise self._failed("the comparison of states", f"{found}.")

    async def _copy_back(self, work: Work, source: Store, target: Store) -> int:
        """What was written into the new generation since the switch. Raises MigrationFailed where there is no way back for it."""
        since = await self._switched_at(source)
        last = (await get_stream(source.connection, source.layout.stream)).last_sequence
        if last > since and self.back is None:
            reason = f"{last - since:,} events arrived in {source.layout.stream} since the switch, and it declares no way back for them."
            raise self._failed("the copy back", reason)
        await reopen_stream(target.connection, target.layout.stream)
        if last > since and self.back is not None:
            verbatim = self.archived is not None

            async def report(sequence: int, to: int) -> None:
                await work.report(sequence - since, to - since)

            copy = Copy(
                migration=self.id, source=source, target=target, transform=self.back, old_heads={}, report=report, is_verbatim=verbatim
            )
            await copy.run(after=since, to=last)
        await work.report(last - since, last - since)
        return last - since

    @property
    def _begins_after(self) -> int:
        return self.archived.last if self.archived else 0

    async def _switched_at(self, source: Store) -> int:
        """The sequence of the last event of a generation that was copied into it."""
        manifest = await find_manifest(source)
        position = (manifest.completed_at if manifest else None) or 0
        while True:
            batch = await read_batch(source.connection, source.layout.stream, from_sequence=position + 1, limit=100)
            for message in batch.messages:
                if source_of(Event.from_block(message.data)) is None:
                    return position
                position = message.sequence
            if not batch.messages:
                return position

    def _failed(self, step: str, reason: str) -> MigrationFailed:
        return MigrationFailed(self.id, step=step, reason=reason, left="What served before serves.")


async def _switch(work: Work, record: Generations, number: int) -> None:
    """Have another generation serve. The trail says so first, so nothing ever serves that it does not know."""
    await enter_serving(work.store, record.stream, number, run=work.run, by=work.by)
    await switch_generation(work.store.connection, record, number, by=work.by)


def _some(refs: Iterable[AggregateRef]) -> list[AggregateRef]:
    """Up to CHECKED aggregates, always the same ones of the same stream, spread over all."""
    ordered = sorted(refs, key=str)
    return ordered[:: max(1, len(ordered) // CHECKED)][:CHECKED]


async def _delete(store: Store, stream: str) -> None:
    try:
        await store.connection.api(f"STREAM.DELETE.{stream}", stream=stream)
    except StreamNotFound:
        return
