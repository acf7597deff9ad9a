"""This module is the live part of the overview."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from apps.accounts.holder import holder_of
from apps.live.frames import Frame, Refresh, render
from apps.live.sources import source
from apps.persistence.store import Store

from .board import Overview, read_overview

LOOK_SECONDS = 2.0


@source("overview", permission="overview.view")
async def overview(store: Store, argument: str) -> AsyncGenerator[Sequence[Frame], None]:
    """The stats and the four cards, with the buttons of the role that the argument names."""
    while True:
        yield frames(await read_overview(store), role=argument)
        await asyncio.sleep(LOOK_SECONDS)


def frames(found: Overview, *, role: str) -> list[Frame]:
    """Everything that changes; when another answer becomes the gravest, the page fetches itself again."""
    user = holder_of(role)
    cards = [render(question.template, id=question.id, overview=found, question=question, user=user) for question in found.questions]
    return [
        render("overview/_stats.html", id="overview-stats", overview=found),
        *cards,
        Refresh(id="overview-order", revision=found.revision),
    ]
