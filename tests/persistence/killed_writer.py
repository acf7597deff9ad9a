"""This module is a writer that is going to be killed: it appends to three aggregates and notes what was acknowledged, line by line."""

from __future__ import annotations

import asyncio
import os
import sys

from apps.persistence.errors import Unavailable
from apps.persistence.events import AggregateRef, NewEvent
from apps.persistence.store import ConnectionSettings, Layout, Store, append, head_of, open_store


async def write_for_ever(store: Store, aggregate: AggregateRef, notes: int) -> None:
    head = await head_of(store, aggregate, leader=True)
    while True:
        for count in (1, 1, 3):
            stored = await append(store, head, [NewEvent(type="written")] * count)
            head = stored[-1].head
            lines = "".join(f"{aggregate.id} {event.event.version} {event.sequence} ;\n" for event in stored)
            os.write(notes, lines.encode())


async def main() -> None:
    url, user, password, stream, root, path = sys.argv[1:]
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    settings = ConnectionSettings(url=url, user=user, password=password)
    async with open_store(settings, layout=Layout(stream=stream, root=root)) as store:
        await append(store, await head_of(store, AggregateRef("sales", "order", "start"), leader=True), [NewEvent(type="started")])
        os.write(1, b"appending\n")
        async with asyncio.TaskGroup() as writers:
            for name in ("one", "two", "three"):
                writers.create_task(write_for_ever(store, AggregateRef("sales", "order", name), notes))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except* Unavailable:
        sys.exit(1)
