"""This module is recording the heads of one stream: held against the manifest before, gone on from it, kept, and named by an event.

A manifest that simply named what is there now would make an aggregate that somebody left out be forgotten. So the heads of the manifest
before are held against the stream first. Where one is missing that no recorded run removed, nothing is recorded and that manifest stands,
until a person has the heads recorded anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from ..chain.removals import stream_key
from ..errors import CidNotFound, ContentDamaged
from ..events import format_time, now
from ..store import Store, StreamInfo, get_stream
from .comparison import Comparison, compare_with_manifest
from .gathering import HeadTable, gather
from .kept import Manifest, find_manifest, keep_bytes, newest_manifest, read_rows, record_manifest
from .manifest import Heading, manifest_parts

OnRecording = Callable[[int, int], Awaitable[None]]
"""How much is done, of how much: heads that are compared, and sequences that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What came of it: the manifest that stands now, and how the stream was held against the one before, if there was one.

    `is_new` says that the manifest is this run's; `read` counts the sequences that were read for it.
    """

    manifest: Manifest
    comparison: Comparison | None
    is_new: bool
    read: int


async def record_heads(store: Store, *, run: str, by: str, anew: bool = False, on_progress: OnRecording | None = None) -> Recorded:
    """Record the heads of the stream that the store is on, up to its end now.

    Only what came since the manifest before is read, unless something was removed on purpose. With `anew` all is read, and what is there is
    recorded even where the manifest before names more or is damaged itself. Called again for the same run it gives that run's manifest.
    Raises ContentDamaged or CidNotFound where the manifest before is not what its event names, VersionConflict where another run was
    faster, StreamNotFound, ContinuityLost, Unavailable.
    """
    started, info = now(), await get_stream(store.connection, store.layout.stream)
    before = await _before(store, anew=anew)
    if before is not None and before.run == run:
        return Recorded(manifest=before, comparison=None, is_new=True, read=0)
    steps = _Steps(before=before.aggregates if before else 0, last=info.last_sequence, on_progress=on_progress)
    comparison = await _compare(store, before, steps, anew=anew)
    first = before.sequence + 1 if before and comparison and not anew and _goes_on(before, comparison, info) else 1
    if before and comparison and not anew and (not comparison.holds or first > info.last_sequence):
        return Recorded(manifest=before, comparison=comparison, is_new=False, read=0)
    with HeadTable() as table:
        if before is not None and first > 1:
            async for rows in read_rows(store.connection, before):
                table.put(rows)
        await gather(store, table, first=first, last=info.last_sequence, on_read=steps.read)
        manifest = await _keep(store, table, info, _Asked(run=run, by=by, at=started, version=before.version + 1 if before else 1))
    await record_manifest(store, manifest)
    return Recorded(manifest=manifest, comparison=comparison, is_new=True, read=max(0, info.last_sequence - first + 1))


async def _before(store: Store, *, anew: bool) -> Manifest | None:
    return await (find_manifest if anew else newest_manifest)(store, store.layout.stream)


async def _compare(store: Store, before: Manifest | None, steps: _Steps, *, anew: bool) -> Comparison | None:
    """None where there is nothing to compare with, or with `anew` nothing that can be read."""
    if before is None:
        return None
    try:
        return await compare_with_manifest(store, before, on_progress=steps.compared)
    except (ContentDamaged, CidNotFound):
        if not anew:
            raise
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    run: str
    by: str
    at: datetime
    version: int


async def _keep(store: Store, table: HeadTable, info: StreamInfo, asked: _Asked) -> Manifest:
    heading, count = Heading(stream=info.name, sequence=info.last_sequence, at=format_time(asked.at)), table.count
    cid, size = await keep_bytes(store.connection, lambda: manifest_parts(heading, count, table.rows()))
    return Manifest(
        stream=info.name,
        sequence=info.last_sequence,
        at=asked.at,
        cid=cid,
        aggregates=count,
        bytes=size,
        created=stream_key(info),
        run=asked.run,
        by=asked.by,
        version=asked.version,
    )


def _goes_on(before: Manifest, comparison: Comparison, info: StreamInfo) -> bool:
    """Whether the heads of the manifest before are those of the stream up to its sequence."""
    return before.created == stream_key(info) and before.sequence <= info.last_sequence and not comparison.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    before: int
    last: int
    on_progress: OnRecording | None

    async def compared(self, heads: int) -> None:
        await self._tell(heads)

    async def read(self, sequence: int) -> None:
        await self._tell(self.before + sequence)

    async def _tell(self, done: int) -> None:
        if self.on_progress is not None:
            await self.on_progress(done, self.before + self.last)
