"""This module is the tests of the optimizer: every strategy finds the same rows, every hint changes the plan, nothing held goes stale."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.persistence.encoding import Value, encode
from apps.persistence.errors import InvalidInput, UnknownModelSchema
from apps.persistence.events import new_id
from apps.persistence.queries import IndexStrategy, QueryHint, QueryOperation, QueryOptimizer, analyze_patterns, open_optimizer
from apps.persistence.read_models import QueryBuilder, QueryOptions, ReadModelStore, ReadModelStoreBuilder, SortDirection, TimeRange
from apps.persistence.store import Store, kv_put_batch, open_store
from apps.persistence.store.embedded import EmbeddedServer

DAY = datetime(2026, 1, 1, tzinfo=UTC)
SHELVES = ("garden", "kitchen", "office")
ANYTHING: list[Value] = [None, True, False, 0, 7, 7.5, -3, 2**60, "", "a", "ab", "b", b"raw", ["a", 7], {"x": 1}]


def stored(model: dict[str, Value], *, day: int = 1, schema: int = 1) -> bytes:
    metadata: Value = {"schema_version": schema, "last_updated": f"2026-01-{day:02}T00:00:00Z", "last_event_position": day}
    return encode({"model": model, "metadata": metadata})


@pytest.fixture
async def products(store: Store) -> ReadModelStore:
    """90 products: 30 on each of three shelves, one price each from 0 to 29, updated on day 1 to 30."""
    made = await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").build()
    changes = {
        f"product.{shelf}.p{number:02}": stored({"shelf": shelf, "price": number, "name": f"{shelf[0]}{number}"}, day=number + 1)
        for shelf in SHELVES
        for number in range(30)
    }
    await kv_put_batch(store.connection, made.bucket, {**changes, "_position": b"\x00", "customer.c1": stored({"name": "Ada"})})
    return made


@pytest.fixture
async def optimizer(products: ReadModelStore, tmp_path: Path) -> AsyncIterator[QueryOptimizer]:
    async with open_optimizer(products, tmp_path / "index.sqlite") as opened:
        await opened.create_index("by_shelf", ["shelf", "price"], pattern="product.>")
        await opened.create_index("by_price", ["price"])
        yield opened


@pytest.fixture
async def elsewhere(products: ReadModelStore, nats_server: EmbeddedServer) -> AsyncIterator[ReadModelStore]:
    async with open_store(nats_server.settings("worker")) as other:
        yield ReadModelStore(connection=other.connection, bucket=products.bucket)


def of_kitchen() -> QueryBuilder:
    late = DAY.replace(day=26)
    return QueryBuilder("product.kitchen.*").filter("shelf", "eq", "kitchen").filter("price", "ge", 20).time_range(start=late)


async def run(optimizer: QueryOptimizer, options: QueryOptions, hint: QueryHint) -> tuple[list[str], IndexStrategy]:
    result, performance = await optimizer.execute_plan(await optimizer.create_plan(options, hint))
    return [item.metadata.id for item in result.items], performance.strategy


# -- strategies -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [one for one in IndexStrategy if one is not IndexStrategy.KEY_VALUE])
async def test_each_strategy_finds_the_same_rows(optimizer: QueryOptimizer, strategy: IndexStrategy) -> None:
    options = of_kitchen().sort_by("price", SortDirection.DESCENDING).limit(3).offset(1).build()

    found = await run(optimizer, options, QueryHint(strategy=strategy))

    assert found == (["kitchen.p28", "kitchen.p27", "kitchen.p26"], strategy)


@pytest.mark.parametrize("strategy", list(IndexStrategy))
async def test_each_strategy_finds_one_key(optimizer: QueryOptimizer, strategy: IndexStrategy) -> None:
    options = replace(of_kitchen().build(), pattern="product.kitchen.p27")

    assert await run(optimizer, options, QueryHint(strategy=strategy)) == (["kitchen.p27"], strategy)


@pytest.mark.parametrize("strategy", list(IndexStrategy))
async def test_each_strategy_refuses_to_misread_a_model(optimizer: QueryOptimizer, strategy: IndexStrategy) -> None:
    store = optimizer.store
    await kv_put_batch(store.connection, store.bucket, {"product.kitchen.p27": stored({}, schema=9)})
    options = replace(of_kitchen().build(), pattern="product.kitchen.p27")

    with pytest.raises(UnknownModelSchema):
        await run(optimizer, options, QueryHint(strategy=strategy))


async def test_local_strategies_agree_with_the_store_on_anything(optimizer: QueryOptimizer) -> None:
    chance, store = random.Random(7), optimizer.store
    odd = {f"odd.o{number:02}": stored({"price": chance.choice(ANYTHING), "shelf": chance.choice(ANYTHING)}) for number in range(60)}
    await kv_put_batch(store.connection, store.bucket, odd)
    await optimizer.create_index("odd", ["shelf", "price"])

    for _ in range(60):
        builder = QueryBuilder("odd.*").sort_by(chance.choice(["price", "shelf"]))
        for name in ("shelf", "price"):
            op = chance.choice(["eq", "lt", "le", "gt", "ge", "in", "starts_with"])
            value: Value = chance.choice(ANYTHING)
            value = [value, chance.choice(ANYTHING)] if op == "in" else str(value) if op == "starts_with" else value
            builder = builder.filter(name, op, value)
        options = builder.build()
        expected = await store.query(options)
        found = await optimizer.query(options, QueryHint(strategy=IndexStrategy.COMPOSITE, index="odd"))
        assert (options, found.items) == (options, expected.items)


async def test_cheapest_strategy_is_taken(optimizer: QueryOptimizer) -> None:
    async def plan_of(builder: QueryBuilder) -> tuple[IndexStrategy, str]:
        plan = await optimizer.create_plan(builder.build())
        return plan.strategy, plan.index

    day = TimeRange(start=DAY, end=DAY.replace(day=2))
    assert await plan_of(QueryBuilder("product.kitchen.p01")) == (IndexStrategy.KEY_VALUE, "")
    assert await plan_of(QueryBuilder("product.>").filter("shelf", "eq", "garden").filter("price", "lt", 3)) == ("composite", "by_shelf")
    assert await plan_of(QueryBuilder("product.>").filter("price", "lt", 3)) == ("composite", "by_price")
    assert await plan_of(QueryBuilder().time_range(start=day.start, end=day.end)) == ("time_series", "models_by_update")
    assert await plan_of(QueryBuilder("product.office.*")) == ("key_prefix", "keys")


async def test_index_looks_at_no_more_than_its_part(optimizer: QueryOptimizer) -> None:
    options = QueryBuilder("product.>").filter("shelf", "eq", "garden").filter("price", "lt", 3).build()

    _, by_index = await optimizer.execute_plan(await optimizer.create_plan(options))
    _, by_scan = await optimizer.execute_plan(await optimizer.create_plan(options, QueryHint(strategy=IndexStrategy.FULL_SCAN)))

    assert (by_index.subjects_scanned, by_index.results_returned, by_index.indexes_used) == (3, 3, ("by_shelf",))
    assert (by_scan.subjects_scanned, by_scan.results_returned, by_scan.indexes_used) == (91, 3, ())


# -- plans and hints ------------------------------------------------------------------------------------------------------------------


async def test_each_hint_changes_the_plan(optimizer: QueryOptimizer) -> None:
    options = QueryBuilder("product.>").filter("price", "lt", 3).filter("shelf", "eq", "garden").sort_by("name").build()
    plain = await optimizer.create_plan(options)
    assert (plain.index, [step.operation for step in plain.steps]) == ("by_shelf", ["index_range", "filter", "sort", "limit"])

    by_strategy = await optimizer.create_plan(options, QueryHint(strategy=IndexStrategy.SUBJECT_PATTERN))
    by_index = await optimizer.create_plan(options, QueryHint(index="by_price"))
    by_size = await optimizer.create_plan(options, QueryHint(expected_size=50_000))
    by_time = await optimizer.create_plan(options, QueryHint(time_range=TimeRange(end=DAY.replace(day=2))))
    by_fields = await optimizer.create_plan(options, QueryHint(projection=("name",)))

    assert (by_strategy.strategy, by_strategy.steps[0].operation) == ("subject_pattern", QueryOperation.SUBJECT_SCAN)
    assert (by_index.strategy, by_index.index) == ("composite", "by_price")
    assert [step.estimated_rows for step in by_size.steps] == [3, 3, 50_000, 100]
    assert by_size.estimated_cost > plain.estimated_cost
    assert "updated in the range" in by_time.steps[1].name
    assert [step.operation for step in by_fields.steps] == ["index_range", "filter", "sort", "limit", "project"]
    await optimizer.execute_plan(plain)
    assert [step.operation for step in (await optimizer.create_plan(options)).steps] == ["cache_hit"]
    without_cache = await optimizer.create_plan(options, QueryHint(use_cache=False))
    assert without_cache.steps == plain.steps


async def test_hints_that_narrow_narrow_the_rows(optimizer: QueryOptimizer) -> None:
    hint = QueryHint(time_range=TimeRange(end=DAY.replace(day=3)), projection=("name",))

    result = await optimizer.query(QueryBuilder("product.garden.*").build(), hint)

    assert result.models == [{"name": "g0"}, {"name": "g1"}]


async def test_hint_that_cannot_be_followed_is_refused(optimizer: QueryOptimizer) -> None:
    options = QueryBuilder("product.garden.*").build()

    with pytest.raises(InvalidInput, match="cannot be answered by key_value; it can by key_prefix by keys, subject_pattern, full_scan"):
        await optimizer.create_plan(options, QueryHint(strategy=IndexStrategy.KEY_VALUE))
    with pytest.raises(InvalidInput, match="cannot be answered by by_price"):
        await optimizer.create_plan(options, QueryHint(index="by_price"))
    with pytest.raises(InvalidInput, match="cannot be expected"):
        QueryHint(expected_size=-1)


async def test_plan_is_the_same_each_time_and_explains_itself(optimizer: QueryOptimizer) -> None:
    options = QueryBuilder("product.>").filter("shelf", "eq", "garden").filter("price", "lt", 3).build()

    first, second = await optimizer.create_plan(options), await optimizer.create_plan(options)

    assert first == second
    assert first.explain().splitlines() == [
        f"{first.query_id}: composite by by_shelf, cost 1.109",
        "  1. index_range: a part of the local index by_shelf, about 3 rows, cost 1.106",
        "  2. filter: shelf eq 'garden' and price lt 3, about 3 rows, cost 0.002",
        "  3. limit: rows 0 to 100, about 3 rows, cost 0.002",
        "  not composite by by_price: cost 1.127",
        "  not key_prefix by keys: cost 1.370",
        "  not subject_pattern: cost 3.890",
        "  not full_scan: cost 3.911",
    ]
    report = await optimizer.report()
    assert (report.plans.hits, report.plans.misses) == (1, 1)


# -- results held ---------------------------------------------------------------------------------------------------------------------


async def test_held_result_is_used_until_a_change_could_be_in_it(optimizer: QueryOptimizer, elsewhere: ReadModelStore) -> None:
    options = QueryBuilder("product.garden.*").filter("price", "ge", 29).build()

    async def hit_rate_and_rows() -> tuple[float, int]:
        result, performance = await optimizer.execute_plan(await optimizer.create_plan(options))
        return performance.cache_hit_rate, result.total_count

    assert [await hit_rate_and_rows(), await hit_rate_and_rows()] == [(0.0, 1), (1.0, 1)]
    other = await elsewhere.save("product", "office.new", {"price": 99})
    assert await optimizer.watch.wait_for(other.revision, seconds=10)
    assert await hit_rate_and_rows() == (1.0, 1)
    mine = await elsewhere.save("product", "garden.new", {"price": 99})
    assert await optimizer.watch.wait_for(mine.revision, seconds=10)
    assert [await hit_rate_and_rows(), await hit_rate_and_rows()] == [(0.0, 2), (1.0, 2)]
    assert (await optimizer.report()).results.invalidated == 1


async def test_held_results_end_with_their_time(products: ReadModelStore, tmp_path: Path) -> None:
    options = QueryBuilder("product.garden.*").build()
    async with open_optimizer(products, tmp_path / "index.sqlite", result_ttl_seconds=0) as optimizer:
        await optimizer.query(options)
        _, performance = await optimizer.execute_plan(await optimizer.create_plan(options))

    assert performance.cache_hit_rate == 0.0


async def test_what_was_just_written_elsewhere_is_among_the_rows(optimizer: QueryOptimizer, elsewhere: ReadModelStore) -> None:
    local = QueryHint(strategy=IndexStrategy.COMPOSITE, use_cache=False)
    options = QueryBuilder("product.>").filter("price", "eq", 1000).build()

    for number in range(1, 6):
        await elsewhere.save("product", f"garden.new{number}", {"price": 1000})
        assert (await optimizer.query(options, local)).total_count == number
    await elsewhere.delete("product", "garden.new1")
    await elsewhere.save("product", "garden.new2", {"price": 1})
    assert (await optimizer.query(options, local)).total_count == 3


# -- figures --------------------------------------------------------------------------------------------------------------------------


async def test_report_tells_of_strategies_caches_and_the_index(optimizer: QueryOptimizer) -> None:
    options = QueryBuilder("product.>").filter("price", "lt", 2).build()
    for hint in (QueryHint(), QueryHint(), QueryHint(strategy=IndexStrategy.FULL_SCAN)):
        await optimizer.query(options, hint)

    report = await optimizer.report()

    assert report.queries == 3
    assert [(one.strategy, one.queries, one.scanned, one.returned) for one in report.strategies] == [
        ("composite", 1, 6, 6),
        ("full_scan", 1, 91, 6),
    ]
    assert (report.results.hits, report.results.misses, report.results.held) == (1, 2, 2)
    assert (report.index.models, report.index.entries) == (91, {"by_price": 91, "by_shelf": 90})
    assert {one.pattern for one in report.slowest} == {"product.>"}


def test_share_of_patterns_is_told() -> None:
    queries = [QueryOptions(pattern=pattern) for pattern in ("a.*", "b.*", "a.*", "a.*")]

    assert analyze_patterns(queries) == {"a.*": 0.75, "b.*": 0.25}
    assert analyze_patterns([]) == {}


@pytest.mark.parametrize("pattern", [">", "product.>", "product.garden.>"])
async def test_page_by_key_reads_no_more_than_the_page(optimizer: QueryOptimizer, pattern: str) -> None:
    options = QueryOptions(pattern=pattern, limit=7, offset=12)
    local = await optimizer.create_plan(options, QueryHint(strategy=IndexStrategy.KEY_PREFIX, use_cache=False))
    remote = await optimizer.create_plan(options, QueryHint(strategy=IndexStrategy.FULL_SCAN, use_cache=False))

    found, performance = await optimizer.execute_plan(local)
    expected, _ = await optimizer.execute_plan(remote)

    assert found.items == expected.items
    assert (found.total_count, found.has_more) == (expected.total_count, expected.has_more)
    assert performance.subjects_scanned == 7
