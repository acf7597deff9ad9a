"""This module is the tests of the local index: it goes on where it was, and fits its bucket whatever became of either."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from apps.persistence.errors import Conflict, InvalidInput
from apps.persistence.events import new_id
from apps.persistence.queries import FieldIndex, IndexStrategy, QueryHint, QueryOptimizer, open_optimizer
from apps.persistence.queries.local_index import LocalIndex
from apps.persistence.queries.planner import covers
from apps.persistence.read_models import ModelSchema, QueryBuilder, ReadModelStore, ReadModelStoreBuilder
from apps.persistence.store import Store

LOCAL = QueryHint(strategy=IndexStrategy.COMPOSITE, use_cache=False)


@pytest.fixture
async def notes(store: Store) -> ReadModelStore:
    made = await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").build()
    for number in range(5):
        await made.save("note", str(number), {"n": number})
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "index.sqlite"


async def found_by(optimizer: QueryOptimizer) -> list[str]:
    await optimizer.create_index("by_n", ["n"])
    result = await optimizer.query(QueryBuilder("note.*").filter("n", "ge", 0).build(), LOCAL)
    return [item.metadata.id for item in result.items]


async def until_found(optimizer: QueryOptimizer, wanted: list[str]) -> None:
    async with asyncio.timeout(60):
        while await found_by(optimizer) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_index_goes_on_where_it_was(notes: ReadModelStore, path: Path) -> None:
    async with open_optimizer(notes, path) as optimizer:
        assert await found_by(optimizer) == ["0", "1", "2", "3", "4"]
    await notes.save("note", "5", {"n": 5})
    await notes.delete("note", "0")

    index = LocalIndex(notes, path)
    await index.open()
    position, fields = index.position, index.fields
    await index.close()

    assert (position, fields) == (5, {"by_n": FieldIndex(name="by_n", fields=("n",))})
    async with open_optimizer(notes, path) as optimizer:
        assert await found_by(optimizer) == ["1", "2", "3", "4", "5"]


@pytest.fixture
def damaged(path: Path) -> Path:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    return path


async def test_damaged_file_is_filled_again(notes: ReadModelStore, damaged: Path) -> None:
    async with open_optimizer(notes, damaged) as optimizer:
        assert await found_by(optimizer) == ["0", "1", "2", "3", "4"]


async def test_index_is_filled_again_for_another_schema(notes: ReadModelStore, path: Path) -> None:
    async with open_optimizer(notes, path) as optimizer:
        await found_by(optimizer)
    turned = ModelSchema(version=2, steps={1: lambda model: {"n": -int(model["n"])}})  # type: ignore[arg-type]
    newer = ReadModelStore(connection=notes.connection, bucket=notes.bucket, schemas={"note": turned})

    async with open_optimizer(newer, path) as optimizer:
        assert await found_by(optimizer) == ["0"]


async def test_what_was_purged_while_it_was_away_is_gone(notes: ReadModelStore, path: Path) -> None:
    async with open_optimizer(notes, path) as optimizer:
        await found_by(optimizer)
    stream = f"KV_{notes.bucket}"
    await notes.connection.api(f"STREAM.PURGE.{stream}", {"filter": f"$KV.{notes.bucket}.note.2"}, stream=stream)

    async with open_optimizer(notes, path) as optimizer:
        assert await found_by(optimizer) == ["0", "1", "3", "4"]
        await notes.connection.api(f"STREAM.PURGE.{stream}", {"filter": f"$KV.{notes.bucket}.note.3"}, stream=stream)
        await until_found(optimizer, ["0", "1", "4"])
        await notes.connection.api(f"STREAM.PURGE.{stream}", {}, stream=stream)
        await until_found(optimizer, [])


async def test_bucket_made_anew_is_read_anew(notes: ReadModelStore, path: Path) -> None:
    async with open_optimizer(notes, path) as optimizer:
        assert len(await found_by(optimizer)) == 5
        await notes.connection.api(f"STREAM.DELETE.KV_{notes.bucket}", stream=f"KV_{notes.bucket}")
        again = await ReadModelStoreBuilder().with_connection(notes.connection).with_bucket(notes.bucket).build()
        await again.save("note", "new", {"n": 1})
        await until_found(optimizer, ["new"])


async def test_one_process_has_the_file_at_a_time(notes: ReadModelStore, path: Path) -> None:
    async with open_optimizer(notes, path):
        with pytest.raises(Conflict, match="used by another process"):
            async with open_optimizer(notes, path):
                pass


async def test_index_that_cannot_be_is_refused(notes: ReadModelStore, path: Path) -> None:
    async with open_optimizer(notes, path) as optimizer:
        await optimizer.create_index("by_n", ["n"])
        plan = await optimizer.create_plan(QueryBuilder("note.*").filter("n", "ge", 0).build(), LOCAL)
        with pytest.raises(InvalidInput, match="is over n; choose another name"):
            await optimizer.create_index("by_n", ["m"])
        with pytest.raises(InvalidInput, match="one field or more"):
            await optimizer.create_index("none", [])
        with pytest.raises(InvalidInput, match="the name of an index"):
            await optimizer.create_index("a b", ["n"])
        with pytest.raises(InvalidInput, match="is over 9 fields; an index is over at most 8"):
            await optimizer.create_index("wide", [f"f{number}" for number in range(9)])
        with pytest.raises(InvalidInput, match="the name of a field has at most 200"):
            await optimizer.create_index("long", ["f" * 201])
        await optimizer.drop_index("by_n")
        with pytest.raises(InvalidInput, match="make the plan anew"):
            await optimizer.execute_plan(plan)


@pytest.mark.parametrize(
    ("wider", "pattern", "is_covered"),
    [
        (">", "a.*", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a.>", True),
        ("a.>", "a", False),
        ("a.>", ">", False),
        ("a.*", "a.b", True),
        ("a.*", "a.*", True),
        ("a.*", "a.>", False),
        ("a.b", "a.*", False),
        ("a.*", "a", False),
        ("a.b", "a.b", True),
        ("a", "a.b", False),
    ],
)
def test_pattern_covers_another(wider: str, pattern: str, is_covered: bool) -> None:
    assert covers(wider, pattern) is is_covered
