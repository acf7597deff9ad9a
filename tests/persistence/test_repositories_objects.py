"""This module is the conformance of the repositories of whole objects, on a real server and in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.persistence.errors import EncodingError, InvalidInput, InvalidSubject, RevisionConflict
from apps.persistence.events import new_id
from apps.persistence.repositories import KvRepositoryBuilder, MemoryRepository, SimpleRepository
from apps.persistence.store import Store

Objects = SimpleRepository[dict[str, Any]]


@pytest.fixture(params=["kv", "memory"])
async def objects(request: pytest.FixtureRequest, store: Store) -> Objects:
    if request.param == "memory":
        return MemoryRepository(type="note", history=3)
    builder = KvRepositoryBuilder[dict[str, Any]]().with_connection(store.connection).with_type("note").with_history(3)
    return await builder.with_bucket(f"notes-{new_id()}").build()


async def test_object_is_saved_loaded_and_deleted(objects: Objects) -> None:
    assert await objects.load("n1") is None
    saved = await objects.save("n1", {"text": "first", "count": 2**62})

    assert (saved.id, saved.type, saved.subject) == ("n1", "note", "domain.note.state.v1")
    assert await objects.load("n1") == {"text": "first", "count": 2**62}
    assert await objects.exists("n1")
    await objects.delete("n1")
    assert not await objects.exists("n1")
    assert await objects.load("n1") is None


async def test_ids_are_those_of_what_is_there(objects: Objects) -> None:
    for id in ("b", "a", "c"):
        await objects.save(id, {})
    await objects.delete("b")

    assert await objects.ids() == ["a", "c"]


async def test_object_is_saved_only_at_the_expected_version(objects: Objects) -> None:
    first = await objects.save("n1", {"text": "first"}, expected_version=0)
    with pytest.raises(RevisionConflict):
        await objects.save("n1", {"text": "other"}, expected_version=0)
    await objects.save("n1", {"text": "second"}, expected_version=first.version)

    assert await objects.load("n1") == {"text": "second"}


async def test_old_revisions_are_kept_up_to_the_history_with_what_changed(objects: Objects) -> None:
    for number in range(1, 5):
        await objects.save("n1", {"number": number})
    await objects.delete("n1")

    kept = await objects.revisions("n1")

    assert [revision.value for revision in kept] == [{"number": 3}, {"number": 4}, None]
    assert [(change.place, change.before, change.after) for change in kept[1].changes] == [("number", 3, 4)]
    assert [revision.version for revision in kept] == sorted(revision.version for revision in kept)


async def test_what_cannot_be_stored_is_refused(objects: Objects) -> None:
    with pytest.raises(EncodingError):
        await objects.save("n1", {"number": float("nan")})
    with pytest.raises(InvalidSubject):
        await objects.save("a.b", {})
    assert not await objects.exists("n1")


async def test_builder_says_what_is_wrong(store: Store) -> None:
    builder = KvRepositoryBuilder[dict[str, Any]]().with_bucket(f"notes-{new_id()}")
    with pytest.raises(InvalidInput, match="no connection"):
        await builder.build()
    connected = builder.with_connection(store.connection)
    with pytest.raises(InvalidInput, match="history of 65"):
        await connected.with_history(65).build()
    with pytest.raises(InvalidInput, match="lifetime of -1"):
        await connected.with_ttl_seconds(-1).build()
    await connected.build()
    with pytest.raises(InvalidInput, match="keeps 10 revisions for 0 s, not 10 for 60 s"):
        await connected.with_ttl_seconds(60).build()


async def test_object_expires_after_its_lifetime(store: Store) -> None:
    builder = KvRepositoryBuilder[dict[str, Any]]().with_connection(store.connection).with_bucket(f"notes-{new_id()}").with_ttl_seconds(1)
    repository = await builder.build()
    await repository.save("n1", {"text": "soon gone"})

    for _ in range(300):
        if not await repository.exists("n1"):
            return
        await asyncio.sleep(0.1)
    pytest.fail("The object is still there after 30 s.")


async def test_version_to_save_at_is_read_with_the_object(store: Store) -> None:
    repository = await KvRepositoryBuilder[dict[str, Any]]().with_connection(store.connection).with_bucket(f"n-{new_id()}").build()
    assert await repository.load_with_version("n1") == (None, 0)
    saved = await repository.save("n1", {"a": 1})
    assert await repository.load_with_version("n1") == ({"a": 1}, saved.version)
    await repository.delete("n1")
    value, version = await repository.load_with_version("n1")
    await repository.save("n1", {"a": 2}, expected_version=version)
    assert value is None
