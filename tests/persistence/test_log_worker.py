"""A worker keeps the log of every stream with chains."""

from __future__ import annotations

import asyncio

import pytest

from apps.persistence.errors import StreamNotFound
from apps.persistence.log import feeding
from apps.persistence.log.kept import LogState, read_log
from apps.persistence.store import Connection, get_stream
from apps.persistence.store.embedded import EmbeddedServer

from .engine_stage import Stage
from .projecting import eventually
from .raw_stream import open_raw_stream, three_chains


async def logged(connection: Connection, stream: str) -> LogState:
    """The log of the stream, once there is one."""
    async with asyncio.timeout(60):
        while True:
            state = await read_log(connection, stream)
            if state is not None:
                return state
            await asyncio.sleep(0.05)


async def test_worker_logs_every_stream_with_chains(nats_server: EmbeddedServer) -> None:
    async with open_raw_stream(nats_server) as raw:
        stage = Stage(store=raw.store, operations={})
        stage.registry.layouts = (*stage.registry.layouts, raw.layout)
        await raw.write(*three_chains())

        async with stage.worker():
            state = await logged(raw.store.connection, raw.layout.stream)

    assert state.size == 24


async def test_worker_makes_the_bucket_of_checkpoints_again(nats_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "FEED_SECONDS", 0.1)
    async with open_raw_stream(nats_server) as raw:
        stage, connection = Stage(store=raw.store, operations={}), raw.store.connection
        stage.registry.layouts = (*stage.registry.layouts, raw.layout)
        await raw.write(*three_chains())

        async with stage.worker(), asyncio.timeout(60):
            await logged(connection, raw.layout.stream)
            await connection.api("STREAM.DELETE.KV_cim-log-checkpoints")
            await eventually(lambda: is_there(connection, "KV_cim-log-checkpoints"))


async def is_there(connection: Connection, stream: str) -> bool:
    try:
        await get_stream(connection, stream)
    except StreamNotFound:
        return False
    return True
