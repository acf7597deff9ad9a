"""This module is buckets for the tests of the storage pages, as other clients leave them, and keys that nobody should write."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from apps.persistence.store import Outgoing, Store, ensure_stream, list_consumers, list_streams, store_batch, store_message

HOSTILE = "<script>alert(1)</script>"


async def make_bucket(store: Store, name: str, *, history: int = 5, **config: Any) -> None:
    """A key-value bucket as `nats kv add` makes it."""
    kept = {"max_msgs_per_subject": history, "allow_direct": True, "allow_rollup_hdrs": True, "deny_delete": True, "allow_atomic": True}
    await ensure_stream(store.connection, {"name": f"KV_{name}", "subjects": [f"$KV.{name}.>"], **kept, **config})


async def put(store: Store, bucket: str, key: str, value: bytes, **headers: str) -> int:
    """Under any key that the server takes, also such as no client would."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return (await store_message(store.connection, Outgoing(f"$KV.{bucket}.{key}", value, given))).sequence


async def put_many(store: Store, bucket: str, count: int) -> None:
    """The keys `part-0.k000000` and so on, in ten parts."""
    for start in range(0, count, 1000):
        keys = [f"$KV.{bucket}.part-{number % 10}.k{number:06}" for number in range(start, min(count, start + 1000))]
        await store_batch(store.connection, [Outgoing(key, b'{"n": 1}', {}) for key in keys])


async def make_objects(store: Store, name: str) -> None:
    """An object store as `nats object add` makes it."""
    subjects = [f"$O.{name}.C.>", f"$O.{name}.M.>"]
    kept = {"allow_direct": True, "allow_rollup_hdrs": True, "discard": "new"}
    await ensure_stream(store.connection, {"name": f"OBJ_{name}", "subjects": subjects, **kept})


async def put_object(store: Store, bucket: str, name: str, chunks: list[bytes], **changes: Any) -> str:
    """An object with its record, as `changes` have it; the token of the record."""
    nuid, data = f"nuid{sha256(name.encode()).hexdigest()[:12]}", b"".join(chunks)
    for chunk in chunks:
        await store_message(store.connection, Outgoing(f"$O.{bucket}.C.{nuid}", chunk, {}))
    digest = f"SHA-256={urlsafe_b64encode(sha256(data).digest()).decode()}"
    record = {"name": name, "bucket": bucket, "nuid": nuid, "size": len(data), "chunks": len(chunks), "digest": digest} | changes
    token = urlsafe_b64encode(name.encode()).decode()
    await store_message(store.connection, Outgoing(f"$O.{bucket}.M.{token}", json.dumps(record).encode(), {"Nats-Rollup": "sub"}))
    return token


async def consumers(store: Store) -> int:
    """How many consumers there are on the whole server."""
    return sum([len(await list_consumers(store.connection, stream.name)) for stream in await list_streams(store.connection)])
