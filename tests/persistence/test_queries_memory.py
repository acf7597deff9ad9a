"""A query holds its page in memory, not the models it looks at, however many they are; `tests.bench.million_models` measures a million."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from apps.persistence.encoding import Value, encode
from apps.persistence.events import new_id
from apps.persistence.queries import IndexStrategy, QueryHint, open_optimizer
from apps.persistence.read_models import QueryBuilder, ReadModelStore, ReadModelStoreBuilder, SortDirection
from apps.persistence.store import Store, kv_put_batch

MODELS = 3_000
TEXT = "x" * 3_000


@pytest.fixture
async def many(store: Store) -> ReadModelStore:
    made = await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").with_history(1).build()
    for start in range(0, MODELS, 500):
        await kv_put_batch(store.connection, made.bucket, {f"order.{number:06}": stored(number) for number in range(start, start + 500)})
    return made


def stored(number: int) -> bytes:
    metadata: Value = {"schema_version": 1, "last_updated": "2026-01-01T00:00:00Z", "last_event_position": number}
    return encode({"model": {"total": (number * 7919) % MODELS, "text": TEXT}, "metadata": metadata})


async def test_query_over_all_models_holds_only_its_page(many: ReadModelStore, tmp_path: Path) -> None:
    options = QueryBuilder("order.*").sort_by("total", SortDirection.DESCENDING).limit(25).build()
    async with open_optimizer(many, tmp_path / "index.sqlite") as optimizer:
        plan = await optimizer.create_plan(options, QueryHint(strategy=IndexStrategy.KEY_PREFIX, use_cache=False))
        tracemalloc.start()
        try:
            result, performance = await optimizer.execute_plan(plan)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert [item.model["total"] for item in result.items[:3]] == [MODELS - 1, MODELS - 2, MODELS - 3]
    assert (performance.strategy, result.total_count) == (IndexStrategy.KEY_PREFIX, MODELS)
    assert peak < MODELS * len(TEXT) * 0.6
