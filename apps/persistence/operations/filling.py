"""This module is filling a build as part of a run: from where it is to the head, with progress and log lines for the person who watches."""

from __future__ import annotations

from ..errors import ProjectionFailed
from ..projections import Orders, ProjectionDefinition, fill_build, read_record
from ..projections import Progress as RunnerProgress
from ..store import Store
from ..work.operation import Progress


async def fill(store: Store, definition: ProjectionDefinition, number: int, progress: Progress, *, total: int) -> None:
    """Bring build `number` to the head; nothing where it was there once. `total` is about how many events that takes.

    Raises as `fill_build`.
    """
    record = await read_record(store.connection, definition.name)
    if record.build(number).completed is not None:
        return
    progress.log(f"Fill: build {number} applies about {total:,} events beside build {record.serving}")

    async def on_progress(at: RunnerProgress) -> None:
        whole = max(total, at.position.applied + at.pending)
        await progress.report(at.position.applied, whole, sequence=at.position.sequence)

    try:
        rebuilt = await fill_build(store, definition, number, Orders(on_progress=on_progress))
    except ProjectionFailed as error:
        progress.log(str(error))
        raise
    progress.log(f"Catch up: build {number} has applied {rebuilt.applied:,} events, to sequence {rebuilt.sequence:,}, and is fed on")
    await progress.report(rebuilt.applied, max(total, rebuilt.applied), sequence=rebuilt.sequence, force=True)
