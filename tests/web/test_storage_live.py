"""What moves on the storage pages: buckets, one bucket, one key, read models and their index; who may not look sees nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apps.connection import ask
from apps.live.frames import Fragment, Frame, Refresh
from apps.persistence.read_models import READ_MODELS_BUCKET, ReadModelStore
from apps.persistence.store import Store, ensure_bucket
from apps.persistence.store.embedded import EmbeddedServer
from apps.storage.live import bucket, buckets, key, models

from .conftest import Home
from .storage_stage import make_bucket, make_objects, put, put_object

pytestmark = pytest.mark.django_db
Source = Callable[[Store, str], AsyncGenerator[Sequence[Frame], None]]


async def fill(store: Store) -> None:
    await make_bucket(store, "settings")
    await put(store, "settings", "shop.name", b"Books")
    await make_objects(store, "reports")
    await put_object(store, "reports", "year.pdf", [b"1"])
    await ensure_bucket(store.connection, READ_MODELS_BUCKET, history=5)
    await ReadModelStore(connection=store.connection).save("product", "p1", {"price": 1})


@pytest.fixture(scope="module")
def full_server(home_server: EmbeddedServer) -> EmbeddedServer:
    Home(home_server).run(fill)
    return home_server


@pytest.fixture
def full(full_server: EmbeddedServer, home: Home) -> Home:
    return home


def first_frames(source: Source, argument: str = "") -> dict[str, str]:
    """What a source yields first: by the id of each element its words, or the revision of the page."""

    async def first(store: Store) -> Sequence[Frame]:
        generator = source(store, argument)
        try:
            return await anext(generator)
        finally:
            await generator.aclose()

    frames = ask(first, timeout_seconds=30)
    return {
        frame.id: frame.html if isinstance(frame, Fragment) else frame.revision for frame in frames if isinstance(frame, Fragment | Refresh)
    }


def test_list_tells_the_row_of_each_bucket(full: Home) -> None:
    frames = first_frames(buckets)

    assert set(frames) == {"bucket-KV_settings", "bucket-OBJ_reports", f"bucket-KV_{READ_MODELS_BUCKET}"}


def test_bucket_tells_its_figures_and_that_it_changed(full: Home) -> None:
    keys, objects = first_frames(bucket, "KV_settings"), first_frames(bucket, "OBJ_reports")

    assert "1 key<" in keys["bucket-head"]
    assert keys["keys"] == "1"
    assert objects["objects"] == "2"


def test_key_tells_its_newest_revision(full: Home) -> None:
    assert first_frames(key, "settings/shop.name") == {"key-set": "1"}
    assert first_frames(key, "settings/not.there") == {"key-set": "0"}


def test_read_models_tell_how_fresh_their_index_is(full: Home) -> None:
    assert "index up to date, revision 1" in first_frames(models, READ_MODELS_BUCKET)["index-state"]
    assert f"models-{READ_MODELS_BUCKET}" in first_frames(models)


@pytest.mark.parametrize("address", ["/storage/", "/storage/kv/settings/", "/storage/objects/reports/", "/storage/models/"])
def test_person_without_a_role_is_denied(full: Home, address: str) -> None:
    visitor = Client()
    visitor.force_login(User.objects.create_user("nobody"))

    assert visitor.get(address).status_code == 403
