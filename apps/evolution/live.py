"""This module is the live part of the evolution pages: counts, migrations and generations as they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

from apps.accounts.holder import holder_of
from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.store import Store
from apps.persistence.store.generations import GENERATIONS_BUCKET

from .board import Board, find_kind, read_board, read_census

REST_SECONDS = 0.5
LOOK_SECONDS = 2.0


@source("evolution", permission="evolution.view")
async def evolution(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The whole board, with the buttons of the role that the argument names; at once after a migration began or ended, or a switch."""
    changed = asyncio.Event()
    connection = store.connection
    async with (
        connection.subscribe("cim.console.migrations.>", lambda _message: changed.set()),
        connection.subscribe(f"$KV.{GENERATIONS_BUCKET}.>", lambda _message: changed.set()),
    ):
        while True:
            changed.clear()
            yield board_frames(await read_board(store), role=argument)
            await asyncio.sleep(REST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await changed.wait()


@source("event-type", permission="evolution.view")
async def event_type(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """`CONTEXT.AGGREGATE.TYPE`: one event type."""
    while True:
        census = await read_census(store)
        yield [render("evolution/_kind.html", id="event-type", census=census, kind=find_kind(census, *argument.split(".")))]
        await asyncio.sleep(LOOK_SECONDS)


def board_frames(board: Board, *, role: str) -> list[Frame]:
    """Everything on the board that changes; where there are other rows than before, the page fetches itself again."""
    user, census = holder_of(role), board.census
    parts = [
        render(f"evolution/_{name}.html", id=f"evolution-{name}", board=board, census=census)
        for name in ("notices", "counted", "chains", "done")
    ]
    schemas = [render("evolution/_schema.html", id=id, kind=kind, schema=schema, stream=census.stream) for kind, schema, id in census.rows]
    steps = [render("evolution/_step.html", id=step.row_id, step=step, user=user) for domain in board.domains for step in domain.steps]
    generations = [
        render("evolution/_generation.html", id=one.id, one=one, line=line, user=user) for line in board.lines for one in line.generations
    ]
    return [*parts, *schemas, *steps, *generations, Refresh(id="evolution-set", revision=board.revision)]
