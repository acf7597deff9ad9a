"""Records that somebody spoiled are named on the pages, which all stay, and the worker goes on."""

from __future__ import annotations

import pytest

from apps.persistence.drift import look
from apps.persistence.drift.record import ensure_drift
from apps.persistence.log.feeding import LogFeeder
from apps.persistence.log.kept import ensure_log
from apps.persistence.store import CONSOLE, EVENTS, Store, ensure_bucket, ensure_home, kv_get, kv_put
from apps.persistence.store.generations import GENERATIONS_BUCKET
from apps.persistence.work.heartbeat import ensure_workers

from .conftest import Home, Visitor
from .working_console import read

PAGES = (
    "/",
    "/audit/",
    "/audit/CIM-EVENTS/",
    "/audit/CIM-EVENTS/report",
    "/streams/",
    "/streams/CIM-EVENTS/",
    "/runs/",
    "/projections/",
    "/evolution/",
    "/routes/",
)
SPOILED = {"text": b"garbage", "empty map": b"\xa0", "a list": b"\x81\x01"}


async def prepare(store: Store) -> None:
    """The records that a worker and an operator leave."""
    await ensure_home(store.connection)
    await ensure_drift(store.connection)
    await ensure_log(store.connection)
    for bucket in (GENERATIONS_BUCKET, "cim-routes", "cim-samples"):
        await ensure_bucket(store.connection, bucket)
    await ensure_workers(store.connection)
    await LogFeeder(store.connection, EVENTS.stream).feed()
    await look(store, [EVENTS.stream, CONSOLE.stream])


async def spoil(store: Store, bucket: str, key: str, value: bytes) -> bytes:
    entry = await kv_get(store.connection, bucket, key)
    await kv_put(store.connection, bucket, key, value)
    return entry.value if entry else b""


async def drop(store: Store, bucket: str, key: str) -> None:
    await store.connection.api(f"STREAM.PURGE.KV_{bucket}", {"filter": f"$KV.{bucket}.{key}"})


async def put_back(store: Store, bucket: str, key: str, value: bytes) -> None:
    if value:
        await kv_put(store.connection, bucket, key, value)
    else:
        await drop(store, bucket, key)


@pytest.mark.parametrize("shape", SPOILED)
@pytest.mark.parametrize(
    ("bucket", "key", "shown"),
    [
        ("cim-log-tiles", "CIM-EVENTS", "/audit/CIM-EVENTS/"),
        ("cim-drift", "stream.CIM-EVENTS", "/audit/CIM-EVENTS/"),
        ("cim-generations", "CIM-EVENTS", "/evolution/"),
        ("cim-routes", "router.order-contexts", "/routes/"),
        ("cim-workers", "somebody", ""),
        ("cim-samples", "streams", ""),
    ],
)
def test_every_page_stays_and_says_which_record_cannot_be_read(
    home: Home, auditor: Visitor, bucket: str, key: str, shown: str, shape: str
) -> None:
    home.run(prepare)
    before = home.run(spoil, bucket, key, SPOILED[shape])
    try:
        pages = {address: read(auditor, address) for address in PAGES}
    finally:
        home.run(put_back, bucket, key, before)

    if shown:
        assert f"What {bucket} holds of {key} cannot be read" in pages[shown]
