"""This module is the measure of a million read models: filling the local index, what each strategy takes, and how much memory at most.

    python -m tests.bench.million_models [--models 1000000]

It starts a server of its own, and it also opens the page of a bucket with so many keys, which names fifty of them.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

from apps.persistence.encoding import Value, encode
from apps.persistence.queries import IndexStrategy, QueryHint, QueryOptimizer, open_optimizer
from apps.persistence.read_models import QueryBuilder, QueryOptions, ReadModelStore, ReadModelStoreBuilder, SortDirection
from apps.persistence.store import get_stream, kv_put_batch, last_of_each, open_store, page_back
from apps.persistence.store.embedded import EmbeddedServer

BATCH = 1000
BUCKET = "million"
STATUSES = ("draft", "open", "paid", "closed")
KEYS = 50


def stored(number: int) -> bytes:
    """An order of about 250 bytes."""
    metadata: Value = {"schema_version": 1, "last_updated": "2026-01-01T00:00:00Z", "last_event_position": number}
    model: Value = {
        "status": STATUSES[number % 4],
        "total": (number * 7919) % 100_003,
        "customer": f"c-{number % 5000:04}",
        "note": "x" * 80,
    }
    return encode({"model": model, "metadata": metadata})


def say(what: str, began: float, extra: str = "") -> None:
    """One line: what was done, in which time, and the most memory this process had until now."""
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.perf_counter() - began:,.2f} s, at most {megabytes:,.0f} MB{extra}", flush=True)


async def measure(server: EmbeddedServer, folder: Path, count: int) -> None:
    """Write the models, then ask for them in every way."""
    async with open_store(server.settings("worker")) as store:
        made = await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(BUCKET).with_history(1).build()
        began = time.perf_counter()
        for start in range(0, count, BATCH):
            numbers = range(start, min(count, start + BATCH))
            await kv_put_batch(store.connection, BUCKET, {f"order.o{number:07}": stored(number) for number in numbers})
        say(f"write {count:,} models", began)
        await open_page(made)
        began = time.perf_counter()
        async with open_optimizer(made, folder / "index.sqlite3") as optimizer:
            size = (await optimizer.index.figures()).bytes
            say("fill the local index", began, f", a file of {size / 1e6:,.0f} MB")
            await ask(optimizer)


async def open_page(models: ReadModelStore) -> None:
    """What the page of a bucket reads: its figures, the newest keys, and which of those are the newest of their key."""
    began = time.perf_counter()
    info = await get_stream(models.connection, f"KV_{BUCKET}")
    page = await page_back(models.connection, info, before_sequence=info.last_sequence + 1, limit=KEYS, pattern=f"$KV.{BUCKET}.>")
    await last_of_each(models.connection, info.name, [message.subject for message in page.messages])
    say(f"a page of {len(page.messages)} of {info.subject_count:,} keys", began)


async def ask(optimizer: QueryOptimizer) -> None:
    """One query by each strategy that can answer it."""
    everything = QueryBuilder("order.*").sort_by("total", SortDirection.DESCENDING).limit(25).build()
    one_customer = QueryBuilder("order.*").filter("customer", "eq", "c-0042").sort_by("total").limit(25).build()
    await show(optimizer, "a page by key", QueryBuilder("order.>").offset(1000).limit(25).build(), IndexStrategy.KEY_PREFIX)
    await show(optimizer, "sort all", everything, IndexStrategy.KEY_PREFIX)
    await show(optimizer, "sort all", everything, IndexStrategy.SUBJECT_PATTERN)
    await show(optimizer, "one customer", one_customer, IndexStrategy.KEY_PREFIX)
    began = time.perf_counter()
    await optimizer.create_index("by_customer", ["customer"], pattern="order.>")
    say("index over customers", began)
    await show(optimizer, "one customer", one_customer, IndexStrategy.COMPOSITE)


async def show(optimizer: QueryOptimizer, what: str, options: QueryOptions, strategy: IndexStrategy) -> None:
    """Run a query by one strategy."""
    began = time.perf_counter()
    hint = QueryHint(strategy=strategy, use_cache=False)
    result, performance = await optimizer.execute_plan(await optimizer.create_plan(options, hint))
    say(f"{what} by {strategy}", began, f"; looked at {performance.subjects_scanned:,}, {result.total_count:,} match")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1_000_000)
    count = parser.parse_args().models
    with tempfile.TemporaryDirectory(prefix="cim-million-") as name, EmbeddedServer(Path(name) / "nats") as server:
        asyncio.run(measure(server, Path(name), count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
