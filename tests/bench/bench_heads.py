"""This module is the measure of a heads manifest: recorded, held against its stream, recorded again; its bytes and the memory that takes.

Each aggregate has one event. Seen by itself (`python -m tests.bench.bench_heads COUNT`) on two cores that others were busy on as well:

    100,000      recorded in 12.9 s, compared and recorded again in 42.9 s;    7.2 MB, 18 MB of memory
    1,000,000    recorded in 116 s, compared and recorded again in 354 s;     72.9 MB, 82 MB of memory

So time and bytes grow with the aggregates, and memory hardly.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from apps.persistence.heads import Recorded, record_heads
from apps.persistence.store import Layout, Outgoing, Store, ensure_home, ensure_stream, open_store, store_batch
from apps.persistence.store.embedded import EmbeddedServer

from .figures import Figure
from .stage import Stage

AGGREGATES = 100_000
WRITTEN_AT_ONCE = 1_000
LAYOUT = Layout(stream="BENCH-HEADS", root="bench.heads")
MOST_BYTES, MOST_MEMORY = 200 << 20, 500 << 20
"""What a million aggregates may take."""


async def measure(stage: Stage) -> list[Figure]:
    return [await measure_heads(stage.store.on(LAYOUT), round(AGGREGATES * stage.share))]


async def measure_heads(store: Store, count: int) -> Figure:
    """One row: what both recordings of so many aggregates took."""
    await write_aggregates(store, count)
    memory = _peak()
    first, first_seconds = await _record(store, "first")
    await store_batch(store.connection, [_message(store, count)])
    again, again_seconds = await _record(store, "again")
    assert (first.manifest.aggregates, again.manifest.aggregates, again.read) == (count, count + 1, 1)
    grown = _peak() - memory
    return Figure(
        what=f"heads of {count:,} aggregates",
        measured=f"recorded in {first_seconds:.1f} s; compared and recorded again in {again_seconds:.1f} s",
        note=f"{first.manifest.bytes / 1e6:,.1f} MB; {grown / 1e6:,.0f} MB of memory",
        target=f"≤ {MOST_BYTES >> 20} MiB, ≤ {MOST_MEMORY >> 20} MiB of memory with a million",
        is_met=first.manifest.bytes <= MOST_BYTES and grown <= MOST_MEMORY,
    )


async def write_aggregates(store: Store, count: int) -> None:
    """So many aggregates of one event each, in a stream that is made anew."""
    await store.connection.request(f"$JS.API.STREAM.DELETE.{LAYOUT.stream}", b"")
    config = {"name": LAYOUT.stream, "subjects": [f"{LAYOUT.root}.>"], "allow_direct": True, "allow_atomic": True}
    await ensure_stream(store.connection, config)
    for first in range(0, count, WRITTEN_AT_ONCE):
        await store_batch(store.connection, [_message(store, number) for number in range(first, min(count, first + WRITTEN_AT_ONCE))])


def _message(store: Store, number: int) -> Outgoing:
    return Outgoing(f"{LAYOUT.root}.sales.order.{number:012}.placed.v1", b"an event by its place: %d" % number, {})


async def _record(store: Store, run: str) -> tuple[Recorded, float]:
    began = time.perf_counter()
    recorded = await record_heads(store, run=run, by="bench")
    return recorded, time.perf_counter() - began


def _peak() -> int:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        async with open_store(server.settings("worker"), layout=LAYOUT) as store:
            await ensure_home(store.connection)
            print(await measure_heads(store, count))


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
