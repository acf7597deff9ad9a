"""This module is the measure of pages: how long the web process takes for each, from a person's connection on the same machine."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from apps.persistence.events import AggregateRef
from apps.persistence.store import EVENTS, get_stream

from .console import Visitor, open_console
from .data_set import DataSet
from .figures import Figure, Spread
from .measured_domain import CONTEXT, FIRST, RARE, TYPE
from .stage import Stage

REQUESTS = 40
P95_MILLISECONDS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A kind of page; `address` gives another one of it each time, so that no one place in the stream is warm."""

    what: str
    address: Callable[[], str]


def pages_of(data: DataSet, last: int) -> list[Page]:
    """What is asked for; `last` is the newest sequence."""
    chance = random.Random(7)
    stream, types = f"/streams/{EVENTS.stream}/", f"cim.events.{CONTEXT}.{TYPE}.*"
    ten = lambda: chance.choice(data.tens)  # noqa: E731
    fixed = {
        "overview": "/",
        "list of streams": "/streams/",
        "events, newest": stream,
        "events, oldest": f"{stream}?after=0",
        "events of a frequent type": f"{stream}?subject={types}.{FIRST}.*",
        "events of a rare type": f"{stream}?subject={types}.{RARE}.*",
        "aggregates": "/aggregates/",
        "aggregates of one type": f"/aggregates/{CONTEXT}.{TYPE}/",
        f"aggregate of {data.large_size:,} events": _aggregate(data.large),
        "projections": "/projections/",
        "audit": "/audit/",
        "runs": "/runs/",
    }
    moving: dict[str, Callable[[], str]] = {
        "events, somewhere": lambda: f"{stream}?before={chance.randrange(100, last)}",
        "events of one aggregate": lambda: f"{stream}?subject={EVENTS.all_of(ten())}",
        "one event": lambda: f"{stream}{chance.randrange(1, last)}/",
        "aggregate of 10 events": lambda: _aggregate(ten()),
        "aggregate of 100 events": lambda: _aggregate(chance.choice(data.hundreds)),
    }
    return [
        *(Page(what=what, address=itertools.repeat(address).__next__) for what, address in fixed.items()),
        *(Page(what=what, address=address) for what, address in moving.items()),
    ]


async def measure(stage: Stage) -> list[Figure]:
    last = (await get_stream(stage.store.connection, EVENTS.stream)).last_sequence
    async with open_console(stage) as console:
        visitor = Visitor(console, console.admin_link)
        requests = stage.times(REQUESTS)
        return [await asyncio.to_thread(_measure, visitor, page, requests) for page in pages_of(stage.data, last)]


def _measure(visitor: Visitor, page: Page, requests: int) -> Figure:
    seconds = []
    for number in range(requests + 1):
        address = page.address()
        status, _, taken = visitor.get(address)
        if status != 200:
            return Figure(what=f"page: {page.what}", measured=f"{address} answered {status}", target=_target(), is_met=False)
        if number:  # the first one compiles the templates
            seconds.append(taken)
    spread = Spread.of(seconds)
    return Figure(
        what=f"page: {page.what}",
        measured=spread.words(50, 95),
        target=_target(),
        is_met=spread.p95 < P95_MILLISECONDS,
        p50=spread.p50,
    )


def _target() -> str:
    return f"p95 < {P95_MILLISECONDS:.0f} ms"


def _aggregate(ref: AggregateRef) -> str:
    return f"/aggregates/{ref.context}.{ref.type}/{ref.id}/"
