"""This module is the tests of read models by type and id: stored, read by schema, and queried, on a real server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TypeVar

import pytest

from apps.persistence.encoding import encode
from apps.persistence.errors import EncodingError, InvalidInput, InvalidSubject, RevisionConflict, UnknownModelSchema
from apps.persistence.events import new_id
from apps.persistence.projections import Orders, ProjectionDefinition, bucket_of, run_projection
from apps.persistence.read_models import (
    MemoryReadModelStore,
    ModelSchema,
    QueryBuilder,
    QueryOptions,
    ReadModels,
    ReadModelStore,
    ReadModelStoreBuilder,
    SortDirection,
)
from apps.persistence.store import Store, get_stream, kv_put, kv_put_batch
from tests.persistence.conftest import AppendOrders

DOWN = SortDirection.DESCENDING


@pytest.fixture
async def models(store: Store) -> ReadModelStore:
    return await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").build()


@pytest.fixture(params=["bucket", "memory"])
def both(request: pytest.FixtureRequest, models: ReadModelStore) -> ReadModels:
    """The store on a server, and the one in memory; what holds for one holds for the other."""
    return models if request.param == "bucket" else MemoryReadModelStore()


@pytest.fixture
async def products(models: ReadModelStore) -> ReadModelStore:
    return await with_products(models)


@pytest.fixture
async def both_products(both: ReadModels) -> ReadModels:
    return await with_products(both)


AnyStore = TypeVar("AnyStore", bound=ReadModels)


async def with_products(models: AnyStore) -> AnyStore:
    """Five products, of which one has no price and one a price that is text."""
    await models.save("product", "electronics.laptop", {"name": "Laptop", "price": 900, "tags": ["new", "big"]})
    await models.save("product", "electronics.phone", {"name": "Phone", "price": 300.5})
    await models.save("product", "garden.chair", {"name": "Chair", "price": 40, "size": {"height": 90}})
    await models.save("product", "garden.gift", {"name": "Gift"})
    await models.save("product", "garden.tree", {"name": "Tree", "price": "ask us"})
    await models.save("customer", "c1", {"name": "Ada"})
    return models


async def ids(models: ReadModels, query: QueryBuilder) -> list[str]:
    return [item.metadata.id for item in (await models.query(query.build())).items]


# -- storing --------------------------------------------------------------------------------------------------------------------------


async def test_model_and_what_is_known_of_it_come_back_exactly(both: ReadModels) -> None:
    saved = await both.save("product", "p1", {"price": 2**62, "raw": b"\x00"}, last_event_position=17, metadata={"by": "shop"})

    assert await both.load("product", "p1") == saved
    assert (saved.metadata.last_event_position, saved.metadata.metadata, saved.metadata.schema_version) == (17, {"by": "shop"}, 1)
    assert saved.key == "product.p1"


async def test_deleted_model_is_found_no_more(both: ReadModels) -> None:
    await both.save("product", "p1", {})
    await both.delete("product", "p1")

    assert await both.load("product", "p1") is None
    assert (await both.list("product")).total_count == 0


async def test_model_is_saved_only_at_the_expected_revision(both: ReadModels) -> None:
    first = await both.save("product", "p1", {"n": 1}, expected_revision=0)

    with pytest.raises(RevisionConflict):
        await both.save("product", "p1", {"n": 2}, expected_revision=0)
    await both.save("product", "p1", {"n": 3}, expected_revision=first.revision)
    marked = await both.delete("product", "p1")
    with pytest.raises(RevisionConflict):
        await both.save("product", "p1", {"n": 4}, expected_revision=0)
    await both.save("product", "p1", {"n": 5}, expected_revision=marked)
    with pytest.raises(EncodingError):
        await both.save("product", "p1", {"n": float("nan")})


@pytest.mark.parametrize("id", ["a b", "", "*", "a..b", "a:b", "x.projection_status"])
async def test_id_that_cannot_be_a_key_is_refused(both: ReadModels, id: str) -> None:
    with pytest.raises(InvalidInput):
        await both.save("product", id, {})


async def test_builder_says_what_is_wrong(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no connection"):
        await ReadModelStoreBuilder().build()
    connected = ReadModelStoreBuilder().with_connection(store.connection)
    with pytest.raises(InvalidInput, match="history of 65"):
        await connected.with_history(65).build()
    with pytest.raises(InvalidInput, match="lifetime of -1"):
        await connected.with_ttl_seconds(-1).build()
    with pytest.raises(InvalidSubject):
        await connected.with_bucket("a b").build()


# -- schema ---------------------------------------------------------------------------------------------------------------------------


async def test_model_of_an_older_version_is_read_through_the_declared_steps(products: ReadModelStore) -> None:
    steps = {1: lambda model: {**model, "currency": "EUR"}, 2: lambda model: {**model, "seen": 3}}
    newer = ReadModelStore(connection=products.connection, bucket=products.bucket, schemas={"product": ModelSchema(version=3, steps=steps)})

    found = await newer.load("product", "garden.gift")

    assert found is not None
    assert found.model == {"name": "Gift", "currency": "EUR", "seen": 3}
    assert found.metadata.schema_version == 3
    assert await ids(newer, QueryBuilder("product.garden.*").filter("currency", "eq", "EUR").limit(1)) == ["garden.chair"]


async def test_model_of_another_version_is_never_misread(products: ReadModelStore) -> None:
    newer = ReadModelStore(connection=products.connection, bucket=products.bucket, schemas={"product": ModelSchema(version=2)})
    await newer.save("product", "garden.new", {})

    with pytest.raises(UnknownModelSchema, match="declare the step") as too_old:
        await newer.load("product", "garden.gift")
    with pytest.raises(UnknownModelSchema, match="run newer code"):
        await products.load("product", "garden.new")
    with pytest.raises(UnknownModelSchema):
        await newer.query(QueryOptions(pattern="product.>"))
    assert (too_old.value.found, too_old.value.known) == (1, 2)
    with pytest.raises(InvalidInput, match="cannot have steps"):
        ModelSchema(version=2, steps={2: dict})


@pytest.mark.parametrize("value", [b"hello", encode({"model": {}}), encode({"model": 1, "metadata": {}}), encode([])])
async def test_value_that_is_no_model_is_named(models: ReadModelStore, value: bytes) -> None:
    await kv_put(models.connection, models.bucket, "product.odd", value)

    with pytest.raises(EncodingError, match=r"product\.odd of models-.* is no read model"):
        await models.load("product", "odd")


async def test_models_of_a_projection_are_read_and_queried(store: Store, append_items: AppendOrders) -> None:
    await append_items(3)
    definition = ProjectionDefinition(
        name=f"numbers-{new_id()[-8:]}",
        version=1,
        title="Numbers",
        keys=lambda found: [f"number.{found.event.payload['number']}"],
        apply=lambda found, models: {f"number.{found.event.payload['number']}": {"is": found.event.payload["number"]}},
        subjects=(f"{store.layout.root}.>",),
        stream=store.layout.stream,
    )
    last = (await get_stream(store.connection, store.layout.stream)).last_sequence
    await run_projection(store, definition, 1, Orders(until=last))
    built = ReadModelStore(connection=store.connection, bucket=bucket_of(definition.name, 1))

    result = await built.query(QueryBuilder("number.*").filter("is", "ge", 2).sort_by("is", DOWN).build())

    assert result.models == [{"is": 3}, {"is": 2}]
    assert [item.metadata.last_event_position for item in result.items] == [3, 2]


# -- querying -------------------------------------------------------------------------------------------------------------------------


async def test_pattern_selects_keys_as_nats_does(both_products: ReadModels) -> None:
    assert await ids(both_products, QueryBuilder("product.electronics.*")) == ["electronics.laptop", "electronics.phone"]
    assert await ids(both_products, QueryBuilder("product.garden.gift")) == ["garden.gift"]
    assert await ids(both_products, QueryBuilder("*.c1")) == ["c1"]
    assert await ids(both_products, QueryBuilder("product.nothing.>")) == []


@pytest.mark.parametrize(
    ("name", "op", "value", "found"),
    [
        ("name", "eq", "Chair", ["garden.chair"]),
        ("price", "eq", 900.0, ["electronics.laptop"]),
        ("price", "eq", True, []),
        ("price", "eq", None, ["garden.gift"]),
        ("price", "ne", 900, ["electronics.phone", "garden.chair", "garden.gift", "garden.tree"]),
        ("price", "lt", 300.5, ["garden.chair"]),
        ("price", "le", 300.5, ["electronics.phone", "garden.chair"]),
        ("price", "gt", 300, ["electronics.laptop", "electronics.phone"]),
        ("price", "ge", "a", ["garden.tree"]),
        ("name", "in", ["Phone", "Tree"], ["electronics.phone", "garden.tree"]),
        ("tags", "contains", "big", ["electronics.laptop"]),
        ("name", "contains", "hon", ["electronics.phone"]),
        ("name", "starts_with", "C", ["garden.chair"]),
        ("size.height", "ge", 90, ["garden.chair"]),
        ("tags.0", "eq", "new", ["electronics.laptop"]),
        ("no.such.field", "gt", 1, []),
    ],
)
async def test_filter_holds_a_field_against_a_value(both_products: ReadModels, name: str, op: str, value: object, found: list[str]) -> None:
    assert await ids(both_products, QueryBuilder("product.>").filter(name, op, value)) == found  # type: ignore[arg-type]


async def test_sort_of_mixed_types_is_the_same_both_ways_and_stable(both_products: ReadModels) -> None:
    await both_products.save("product", "garden.alike", {"price": 40.0})

    up = await ids(both_products, QueryBuilder("product.>").sort_by("price"))
    down = await ids(both_products, QueryBuilder("product.>").sort_by("price", DOWN))

    assert up == ["garden.gift", "garden.alike", "garden.chair", "electronics.phone", "electronics.laptop", "garden.tree"]
    assert down == ["garden.tree", "electronics.laptop", "electronics.phone", "garden.alike", "garden.chair", "garden.gift"]


async def test_second_sort_orders_what_is_equal_by_the_first(both: ReadModels) -> None:
    for id, shelf, name in (("1", "b", "x"), ("2", "a", "y"), ("3", "b", "z")):
        await both.save("book", id, {"shelf": shelf, "name": name})

    assert await ids(both, QueryBuilder("book.*").sort_by("shelf", DOWN).sort_by("name", DOWN)) == ["3", "1", "2"]


async def test_projection_returns_the_named_fields_only(both_products: ReadModels) -> None:
    result = await both_products.query(QueryBuilder("product.garden.*").project("name", "size.height").build())

    assert result.models == [{"name": "Chair", "size.height": 90}, {"name": "Gift"}, {"name": "Tree"}]


async def test_time_range_holds_what_was_updated_in_it(both: ReadModels) -> None:
    first = (await both.save("note", "1", {})).metadata.last_updated
    await asyncio.sleep(0.002)
    second = (await both.save("note", "2", {})).metadata.last_updated

    assert await ids(both, QueryBuilder("note.*").time_range(start=second)) == ["2"]
    assert await ids(both, QueryBuilder("note.*").time_range(end=second)) == ["1"]
    assert await ids(both, QueryBuilder("note.*").time_range(start=first, end=second + timedelta(microseconds=1))) == ["1", "2"]


async def test_pages_of_many_models_hold_each_once_and_know_their_end(models: ReadModelStore) -> None:
    value = {"metadata": {"schema_version": 1, "last_updated": "2026-01-01T00:00:00Z", "last_event_position": 0}}
    changes = {f"item.{number:04}": encode({**value, "model": {"turn": -number}}) for number in range(1200)}  # type: ignore[dict-item]
    for start in range(0, 1200, 900):
        part = list(changes)[start : start + 900]
        await kv_put_batch(models.connection, models.bucket, {key: changes[key] for key in part})

    by_turn = QueryBuilder("item.*").sort_by("turn").limit(500)
    pages = [await models.query(by_turn.offset(offset).build()) for offset in (0, 500, 1000)]

    assert [page.has_more for page in pages] == [True, True, False]
    assert [page.total_count for page in pages] == [1200, 1200, 1200]
    assert [item.metadata.id for page in pages for item in page.items] == [f"{number:04}" for number in reversed(range(1200))]
    assert (await models.query(by_turn.offset(3000).build())).items == ()
    assert (await models.query(by_turn.limit(0).build())).has_more
