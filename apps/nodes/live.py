"""This module is the live part of the nodes page: links that go up and down, and what waits on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.store import Store
from apps.persistence.sync import SYNC_BUCKET

from .board import read_board

REST_SECONDS = 0.5
LOOK_SECONDS = 3.0


@source("nodes", permission="nodes.view")
async def nodes(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """Every link and what was gathered; at once after a worker wrote how far one is."""
    changed = asyncio.Event()
    async with store.connection.subscribe(f"$KV.{SYNC_BUCKET}.>", lambda _message: changed.set()):
        while True:
            changed.clear()
            board = await read_board(store)
            cards = [render("nodes/_link.html", id=one.id, one=one) for one in board.links]
            yield [*cards, Refresh(id="nodes-set", revision=board.revision)]
            await asyncio.sleep(REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await changed.wait()
