"""Materialized views: declared once, their contents follow what they are views of, whatever happens to either, and their status is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from apps.persistence.errors import InvalidInput, InvalidSubject, KeyNotFound, RevisionConflict, StreamNotFound
from apps.persistence.events import new_id
from apps.persistence.operations.views import CreateView, DropView, parse_filters
from apps.persistence.queries import View, create_view, drop_view, feed_view, get_view, list_views
from apps.persistence.queries.view_feeding import ViewFeeder
from apps.persistence.read_models import Filter, Op, ReadModelStore, ReadModelStoreBuilder, find_projection_status
from apps.persistence.registry import Registry
from apps.persistence.store import Store, get_stream, list_consumers

from .operating import Noted

DEADLINE_SECONDS = 60


@pytest.fixture
async def orders(store: Store) -> ReadModelStore:
    made = await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").build()
    for number in range(4):
        await made.save("order", str(number), {"total": number * 10, "status": "open", "lines": [{"sku": f"s{number}"}]})
    await made.save("customer", "c1", {"total": 99})
    return made


def large(orders: ReadModelStore) -> View:
    """Orders of 20 and more."""
    return View(
        name=f"large-{new_id()}",
        source=orders.bucket,
        pattern="order.*",
        filters=(Filter(field="total", op=Op.GE, value=20),),
        fields=("total", "lines.0.sku"),
    )


@asynccontextmanager
async def fed(orders: ReadModelStore, view: View) -> AsyncIterator[ReadModelStore]:
    """The contents of a view while a worker feeds it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(feed_view(orders.connection, view))
        try:
            yield ReadModelStore(connection=orders.connection, bucket=view.bucket)
        finally:
            task.cancel()


async def contents(models: ReadModelStore) -> dict[str, object]:
    return {item.metadata.id: item.model["total"] for item in (await models.list("order")).items}


async def until(question: Callable[[], Awaitable[object]], wanted: object) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await question() != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_view_is_declared_once_and_found_again(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))

    assert await create_view(orders.connection, view) == view
    assert await get_view(orders.connection, view.name) == view
    assert view in await list_views(orders.connection)


async def test_contents_follow_what_the_view_is_of(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))

    async with fed(orders, view) as models:
        await until(lambda: contents(models), {"2": 20, "3": 30})
        await orders.save("order", "0", {"total": 70})
        await orders.save("order", "2", {"total": 1})
        await orders.delete("order", "3")
        await until(lambda: contents(models), {"0": 70})


async def test_contents_hold_only_the_fields_of_the_view(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))

    async with fed(orders, view) as models:
        await until(lambda: contents(models), {"2": 20, "3": 30})
        found = await models.load("order", "2")

    assert found is not None
    assert found.model == {"total": 20, "lines.0.sku": "s2"}


async def test_view_goes_on_where_it_was(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))
    async with fed(orders, view) as models:
        await until(lambda: contents(models), {"2": 20, "3": 30})
    await orders.save("order", "9", {"total": 90})

    async with fed(orders, view) as models:
        await until(lambda: contents(models), {"2": 20, "3": 30, "9": 90})


async def test_what_went_without_a_message_goes_from_the_view(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))
    stream = f"KV_{orders.bucket}"

    async with fed(orders, view) as models:
        await until(lambda: contents(models), {"2": 20, "3": 30})
        await orders.connection.api(f"STREAM.PURGE.{stream}", {"filter": f"$KV.{orders.bucket}.order.2"}, stream=stream)
        await until(lambda: contents(models), {"3": 30})


async def test_status_says_when_the_view_is_up_to_date(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))

    async def kind() -> object:
        found = await find_projection_status(orders.connection, view.status_name)
        return found.kind if found else None

    async with fed(orders, view):
        await until(kind, "up_to_date")


async def test_second_writer_of_a_view_is_refused(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))
    one, other = ViewFeeder(orders.connection, view), ViewFeeder(orders.connection, view)
    info = await get_stream(orders.connection, f"KV_{orders.bucket}")
    for feeder in (one, other):
        await feeder.open()
        await feeder.on_bucket(info)
    await orders.save("order", "5", {"total": 50})

    await one._write({}, 5)

    with pytest.raises(RevisionConflict):
        await other._write({}, 5)


async def test_feeding_makes_no_consumer(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))

    async with fed(orders, view) as models:
        await until(lambda: contents(models), {"2": 20, "3": 30})
        assert await list_consumers(orders.connection, f"KV_{orders.bucket}") == []


async def test_dropped_view_is_gone_with_its_contents_and_its_name_is_free(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))

    await drop_view(orders.connection, view.name)

    with pytest.raises(KeyNotFound):
        await get_view(orders.connection, view.name)
    with pytest.raises(StreamNotFound):
        await get_stream(orders.connection, f"KV_{view.bucket}")
    assert (await create_view(orders.connection, view)).name == view.name


async def test_what_no_view_can_be_is_refused(orders: ReadModelStore) -> None:
    view = await create_view(orders.connection, large(orders))

    with pytest.raises(InvalidInput, match="There is another view"):
        await create_view(orders.connection, replace(view, pattern=">"))
    with pytest.raises(StreamNotFound):
        await create_view(orders.connection, replace(view, name="other", source="nowhere"))
    with pytest.raises(InvalidSubject):
        replace(view, name="a.b")


async def test_operation_says_how_much_a_view_would_hold_and_makes_it(orders: ReadModelStore, store: Store) -> None:
    name = f"open-{new_id()}"
    operation = CreateView(name=name, bucket=orders.bucket, pattern="order.*", filters="status eq open; total lt 25", fields="total")

    planned = await operation.plan(store, Registry())
    await operation.run(store, Registry(), Noted())

    assert planned.changes[0].after == "3 of 4 whose keys match"
    view = await get_view(store.connection, name)
    assert (view.pattern, view.fields, len(view.filters)) == ("order.*", ("total",), 2)
    with pytest.raises(InvalidInput, match="there is such a view"):
        await operation.plan(store, Registry())


async def test_operation_drops_a_view_and_may_be_repeated(orders: ReadModelStore, store: Store) -> None:
    view = await create_view(orders.connection, large(orders))
    operation = DropView(name=view.name)

    planned = await operation.plan(store, Registry())
    await operation.run(store, Registry(), Noted())
    again = await operation.run(store, Registry(), Noted())

    assert planned.confirm_with == view.name
    assert again.sentence == f"The view {view.name} is dropped, and its contents are deleted."
    with pytest.raises(KeyNotFound):
        await operation.plan(store, Registry())


def test_filters_of_the_operation_are_read_or_named() -> None:
    assert [(one.field, one.op, one.value) for one in parse_filters('a ge 5; b eq "5"; c eq two words;')] == [
        ("a", "ge", 5),
        ("b", "eq", "5"),
        ("c", "eq", "two words"),
    ]
    with pytest.raises(InvalidInput, match="'total above 5'"):
        parse_filters("total above 5")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fields": ",".join(f"f{number}" for number in range(51))}, "fields has 51 names; a view holds at most 50 fields"),
        ({"filters": "a eq 1;" * 21}, "filters has 21 conditions; a view has at most 20"),
        ({"fields": "f" * 201}, "the name of a field has at most 200"),
        ({"filters": f"a eq {'x' * 201}"}, "a value of the filter on a has at most 200"),
        ({"filters": f"a in {list(range(51))}"}, "has 51 values; it has at most 50"),
    ],
)
async def test_view_that_is_too_large_is_refused(orders: ReadModelStore, given: dict[str, str], words: str) -> None:
    wanted = CreateView(name="large", bucket=orders.bucket, **given)
    with pytest.raises(InvalidInput, match=words):
        await wanted.plan(Store(connection=orders.connection), Registry())
    with pytest.raises(InvalidInput, match=words):
        await create_view(orders.connection, _unchecked(given, orders.bucket))


def _unchecked(given: dict[str, str], bucket: str) -> View:
    names = tuple(given.get("fields", "").split(",")) if "fields" in given else ()
    return View(name="large", source=bucket, filters=parse_filters(given.get("filters", "")), fields=names)
