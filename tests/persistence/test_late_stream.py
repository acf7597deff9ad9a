"""A stream that is made after somebody looked for it is read like any other at once."""

from __future__ import annotations

import pytest

from apps.persistence.errors import StreamNotFound
from apps.persistence.events import new_id
from apps.persistence.store import Store, ensure_bucket, kv_get, kv_get_many, kv_put


async def test_a_bucket_that_was_asked_for_before_it_was_made_is_read_in_bulk_at_once(store: Store) -> None:
    bucket = f"late-{new_id()[-12:]}"
    with pytest.raises(StreamNotFound):
        await kv_get(store.connection, bucket, "order.one")
    await ensure_bucket(store.connection, bucket)
    await kv_put(store.connection, bucket, "order.one", b"1")

    found = await kv_get_many(store.connection, bucket, ["order.one", "order.two"])

    assert [entry.value for entry in found.values()] == [b"1"]
