"""This module is what moves on the storage pages: the list of buckets, the keys or objects of one, one key. No consumer is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.read_models import READ_MODELS_BUCKET
from apps.persistence.store import Store, get_last

from .buckets import PREFIXES, Kind, get_bucket, list_buckets
from .indexes import index_of
from .models import get_models, list_models
from .query import ModelsPage
from .query_form import QueryForm
from .revisions import subject_of

LIST_SECONDS = 3.0
BUCKET_SECONDS = 2.0
KEY_SECONDS = 1.0
BLANK = QueryForm()


@source("buckets", permission="storage.view")
async def buckets(store: Store, _argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The rows of the first page of all buckets; rows that a page does not show are ignored there."""
    while True:
        listing = await list_buckets(store)
        yield [render("storage/_bucket.html", id=f"bucket-{row.info.name}", bucket=row) for row in listing.rows]
        await asyncio.sleep(LIST_SECONDS)


@source("bucket", permission="storage.view")
async def bucket(store: Store, stream: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The figures of one bucket, and word when anything in it has changed."""
    kind: Kind = "objects" if stream.startswith(PREFIXES["objects"]) else "keys"
    name = stream.removeprefix(PREFIXES[kind])
    while True:
        found = await get_bucket(store, kind, name)
        head = render("storage/_head.html", id="bucket-head", bucket=found)
        yield [head, Refresh(id=kind, revision=str(found.info.last_sequence))]
        await asyncio.sleep(BUCKET_SECONDS)


@source("key", permission="storage.view")
async def key(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`BUCKET/KEY`: word when the key has another revision."""
    name, _, wanted = argument.partition("/")
    found = await get_bucket(store, "keys", name)
    subject = subject_of(found, wanted)
    while True:
        last = await get_last(store.connection, found.info.name, subject)
        yield [Refresh(id="key-set", revision=str(last.sequence if last else 0))]
        await asyncio.sleep(KEY_SECONDS)


@source("models", permission="storage.view")
async def models(store: Store, bucket: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The list of all, or how fresh one bucket and its index are; where the index is being filled, the page when that is done."""
    while not bucket:
        yield [
            render("storage/_models_row.html", id=row.row_id, models=row, readers=READ_MODELS_BUCKET) for row in await list_models(store)
        ]
        await asyncio.sleep(BUCKET_SECONDS)
    while True:
        found, index = await get_models(store, bucket), await index_of(store, bucket)
        page = ModelsPage(models=found, form=BLANK, position=index.position, is_filled=index.is_filled, types={})
        state = render("storage/_index_state.html", id="index-state", models=found, page=page)
        filling = Refresh(id="index-filling", revision="filled" if index.is_filled else str(index.position))
        yield [state, filling]
        await asyncio.sleep(BUCKET_SECONDS)
