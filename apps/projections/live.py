"""This module is the live part of the projections pages: the board, and one projection with its chart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from apps.accounts.holder import holder_of
from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.projections import RECORDS_BUCKET
from apps.persistence.store import Store
from apps.persistence.subjects import check_token

from .board import Board, read_board
from .chart import span_of
from .detail import Detail, read_detail
from .parked import read_parked

REST_SECONDS = 0.5
LOOK_SECONDS = 1.0


@source("projections", permission="projections.view")
async def projections(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The board, with the buttons of the role that the argument names."""
    changed = asyncio.Event()
    async with store.connection.subscribe(f"$KV.{RECORDS_BUCKET}.>", lambda _message: changed.set()):
        while True:
            changed.clear()
            yield board_frames(await read_board(store), role=argument)
            await _wait(changed)


@source("projection", permission="projections.view")
async def projection(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`ROLE/SPAN/NAME`: one projection."""
    role, _, rest = argument.partition("/")
    span, _, name = rest.partition("/")
    changed = asyncio.Event()
    async with store.connection.subscribe(f"$KV.{RECORDS_BUCKET}.{check_token(name, 'a projection')}", lambda _message: changed.set()):
        while True:
            changed.clear()
            yield detail_frames(await read_detail(store, name, span_of(span)), role=role)
            await _wait(changed)


@source("parked", permission="projections.view")
async def parked(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`ROLE/NAME`: the parked events of one projection; without a name those of all."""
    role, _, name = argument.partition("/")
    changed = asyncio.Event()
    async with store.connection.subscribe(f"$KV.{RECORDS_BUCKET}.>", lambda _message: changed.set()):
        while True:
            changed.clear()
            found = await read_parked(store, name)
            yield [render("projections/_parked.html", id="parked-events", parked=found, user=holder_of(role))]
            await _wait(changed)


def board_frames(board: Board, *, role: str) -> list[Frame]:
    """Everything on the board that changes."""
    user = holder_of(role)
    rows = [render("projections/_row.html", id=row.id, row=row, user=user) for row in board.rows]
    parts = [
        render(f"projections/_{name}.html", id=f"projections-{name}", board=board, user=user) for name in ("notices", "stats", "beside")
    ]
    return [*parts, *rows, Refresh(id="projections-set", revision=board.revision)]


def detail_frames(detail: Detail, *, role: str) -> list[Frame]:
    """Everything on the page of one projection that changes."""
    user = holder_of(role)
    return [
        render(f"projections/_{name}.html", id=f"projection-{name}", detail=detail, row=detail.row, user=user)
        for name in ("state", "acts", "trouble", "figures", "chart", "consumer", "builds", "runs")
    ]


async def _wait(changed: asyncio.Event) -> None:
    """Until something was written about a projection, or it is time to look again; never less than REST_SECONDS."""
    await asyncio.sleep(REST_SECONDS)
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            await changed.wait()
