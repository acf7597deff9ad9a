"""This module is background writing: events appended at a steady rate while something else is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from apps.persistence.events import Head, NewEvent
from apps.persistence.store import append, head_of

from .data_set import picked
from .measured_domain import USUAL, payload_of
from .stage import Stage

WRITERS = 20


@dataclass(slots=True)
class Written:
    """What has been appended: sequence and wall-clock time at which its append began, in order of acknowledgement."""

    events: list[tuple[int, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Events in a second, between the first and the last."""
        if len(self.events) < 2:
            return 0.0
        return (len(self.events) - 1) / max(1e-9, self.events[-1][1] - self.events[0][1])


@asynccontextmanager
async def writing_at(stage: Stage, per_second: float, *, seed: int) -> AsyncIterator[Written]:
    """Append at this rate, one event at a time and each to one of twenty aggregates, for as long as the block lasts."""
    written = Written()
    heads = [await head_of(stage.store, ref) for ref in picked(stage.data.sevens, WRITERS, seed=seed)]
    async with asyncio.TaskGroup() as group:
        writers = [
            group.create_task(_write(stage, head, per_second / len(heads), number / len(heads), written))
            for number, head in enumerate(heads)
        ]
        try:
            yield written
        finally:
            for writer in writers:
                writer.cancel()


async def _write(stage: Stage, head: Head, per_second: float, phase: float, written: Written) -> None:
    """One writer, which keeps its mean rate also where single appends take longer."""
    began = time.monotonic() + phase / per_second
    number = 0
    while True:
        await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
        number += 1
        at = time.time()
        stored = await append(stage.store, head, [NewEvent(type=USUAL, payload=payload_of(number), actor="bench")])
        head = stored[-1].head
        written.events.append((stored[-1].sequence, at))
