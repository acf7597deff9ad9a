"""This module is the live part of the routes page: every router as it goes on, or stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from apps.accounts.holder import holder_of
from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.routing import ROUTES_BUCKET
from apps.persistence.store import Store

from .board import read_board

REST_SECONDS = 0.5
LOOK_SECONDS = 2.0


@source("routes", permission="routes.view")
async def routes(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """Every router and its routes, with the buttons of the role that the argument names; at once after a worker wrote how far one is."""
    changed, user = asyncio.Event(), holder_of(argument)
    async with store.connection.subscribe(f"$KV.{ROUTES_BUCKET}.>", lambda _message: changed.set()):
        while True:
            changed.clear()
            board = await read_board(store)
            cards = [render("routes/_router.html", id=router.id, router=router) for router in board.routers]
            notices = render("routes/_notices.html", id="routes-notices", board=board, user=user)
            yield [notices, *cards, Refresh(id="routes-set", revision=board.revision)]
            await asyncio.sleep(REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await changed.wait()
