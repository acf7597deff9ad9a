"""This module is the tests of the near cache and the bucket's watch: right whatever another process does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from apps.persistence.errors import InvalidInput, StreamNotFound
from apps.persistence.events import new_id
from apps.persistence.read_models import NearCache, ReadModelStore, ReadModelStoreBuilder, open_near_cache
from apps.persistence.store import Store, open_store
from apps.persistence.store.embedded import EmbeddedServer


@pytest.fixture
async def models(store: Store) -> ReadModelStore:
    return await ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").build()


@pytest.fixture
async def cache(models: ReadModelStore) -> AsyncIterator[NearCache]:
    async with open_near_cache(models, max_models=3) as opened:
        yield opened


@pytest.fixture
async def elsewhere(models: ReadModelStore, nats_server: EmbeddedServer) -> AsyncIterator[ReadModelStore]:
    """The same bucket from another connection, as another process has it."""
    async with open_store(nats_server.settings("worker")) as other:
        yield ReadModelStore(connection=other.connection, bucket=models.bucket)


async def count_in(cache: NearCache) -> object:
    found = await cache.load("note", "1")
    return found.model["n"] if found else None


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_count_is(cache: NearCache, wanted: object) -> None:
    async def is_wanted() -> bool:
        return await count_in(cache) == wanted

    await until(is_wanted)


async def until_current(cache: NearCache, wanted: bool) -> None:
    async def is_wanted() -> bool:
        return cache.watch.is_current is wanted

    await until(is_wanted)


async def test_second_load_is_answered_from_memory(cache: NearCache) -> None:
    await cache.save("note", "1", {"n": 1})

    assert [await count_in(cache), await count_in(cache), await count_in(cache)] == [1, 1, 1]
    figures = cache.figures()
    assert (figures.hits, figures.misses, figures.models) == (2, 1, 1)
    assert figures.hit_rate == pytest.approx(2 / 3)


async def test_own_write_is_seen_at_once(cache: NearCache) -> None:
    for number in range(20):
        await cache.save("note", "1", {"n": number})
        assert await count_in(cache) == number
    await cache.delete("note", "1")
    assert await count_in(cache) is None


async def test_change_by_another_process_is_seen(cache: NearCache, elsewhere: ReadModelStore) -> None:
    await cache.save("note", "1", {"n": 1})
    assert await count_in(cache) == 1

    saved = await elsewhere.save("note", "1", {"n": 2})

    assert await cache.watch.wait_for(saved.revision, seconds=10)
    assert await count_in(cache) == 2
    assert cache.figures().dropped == 1
    revision = await elsewhere.delete("note", "1")
    assert await cache.watch.wait_for(revision, seconds=10)
    assert await count_in(cache) is None


async def test_model_that_another_process_makes_is_found(cache: NearCache, elsewhere: ReadModelStore) -> None:
    assert await count_in(cache) is None
    await elsewhere.save("note", "1", {"n": 7})
    assert await count_in(cache) == 7


async def test_while_others_write_no_load_goes_back(cache: NearCache, elsewhere: ReadModelStore) -> None:
    async def write() -> None:
        for number in range(1, 101):
            await elsewhere.save("note", "1", {"n": number})

    await elsewhere.save("note", "1", {"n": 0})
    seen: list[int] = []
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        while not writing.done():
            seen.append(await count_in(cache))  # type: ignore[arg-type]
            await asyncio.sleep(0)

    assert seen == sorted(seen)
    await until_count_is(cache, 100)


async def test_cache_holds_no_more_than_it_may_and_those_used_last(cache: NearCache) -> None:
    for id in "abcd":
        await cache.save("note", id, {})
    for id in "abcad":
        await cache.load("note", id)
    hits = cache.figures().hits

    await cache.load("note", "a")
    await cache.load("note", "b")

    assert (hits, cache.figures().hits, cache.figures().models, cache.figures().evicted) == (1, 2, 3, 2)


async def test_held_models_end_with_their_time(models: ReadModelStore) -> None:
    await models.save("note", "1", {"n": 1})
    async with open_near_cache(models, ttl_seconds=0) as cache:
        assert [await count_in(cache), await count_in(cache)] == [1, 1]
        assert cache.figures().hits == 0


async def test_model_that_expired_in_the_bucket_is_not_answered(store: Store) -> None:
    builder = ReadModelStoreBuilder().with_connection(store.connection).with_bucket(f"models-{new_id()}").with_ttl_seconds(1)
    async with open_near_cache(await builder.build()) as cache:
        await cache.save("note", "1", {"n": 1})
        assert await count_in(cache) == 1
        await until_count_is(cache, None)


async def test_purge_and_a_bucket_made_anew_are_noticed(cache: NearCache, models: ReadModelStore) -> None:
    stream = f"KV_{models.bucket}"
    await cache.save("note", "1", {"n": 1})
    assert await count_in(cache) == 1
    await models.connection.api(f"STREAM.PURGE.{stream}", {}, stream=stream)
    await until_count_is(cache, None)

    await cache.save("note", "1", {"n": 2})
    assert await count_in(cache) == 2
    await models.connection.api(f"STREAM.DELETE.{stream}", stream=stream)
    again = await ReadModelStoreBuilder().with_connection(models.connection).with_bucket(models.bucket).build()
    await again.save("note", "1", {"n": 3})
    await until_count_is(cache, 3)
    await again.save("note", "1", {"n": 4})
    await until_count_is(cache, 4)


async def test_nothing_is_answered_from_memory_before_the_link_was_mended_and_looked_through(own_nats_server: EmbeddedServer) -> None:
    async with open_store(own_nats_server.settings("worker")) as store:
        models = await ReadModelStoreBuilder().with_connection(store.connection).build()
        async with open_near_cache(models) as cache:
            await cache.save("note", "1", {"n": 1})
            await count_in(cache)
            own_nats_server.stop()
            await until_current(cache, False)
            own_nats_server.start()
            await until_current(cache, True)
            async with open_store(own_nats_server.settings("worker")) as other:
                await ReadModelStore(connection=other.connection).save("note", "1", {"n": 2})
            await until_count_is(cache, 2)


async def test_cache_over_nothing_is_refused(models: ReadModelStore) -> None:
    with pytest.raises(InvalidInput, match="cache of -1 models"):
        async with open_near_cache(models, max_models=-1):
            pass
    with pytest.raises(StreamNotFound):
        async with open_near_cache(ReadModelStore(connection=models.connection, bucket="no-such-bucket")):
            pass
