"""This module is a run of the demo: something to see within seconds, then a long history in the background, and life until it is ended.

It may be started again at any time: what is there is found and not made twice. It stops growing at a limit, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from apps.persistence.errors import InvalidState, Unavailable
from apps.persistence.store import EVENTS, Store, ensure_home, get_stream

from . import catalogue, company, stories
from .living import Life, Say
from .player import Player
from .tampered import TAMPERED, write_tampered

STOP_AT = 200_000
FIRST_ORDERS = 12
FIRST_CUSTOMERS = 20
FIRST_LONGEST = 12
CLEARANCE_AFTER = 6
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`rate` is in commands a second. With `count` the demo ends after so many, and leaves the long history out.

    `orders` stories and one of `giant_events` events make the history; nothing is added at `stop_at` events in the store.
    """

    rate: float = 8.0
    count: int | None = None
    seed: int = 1
    orders: int = 400
    giant_events: int = 20_000
    stop_at: int = STOP_AT


async def run_demo(store: Store, options: DemoOptions, stop: asyncio.Event, *, say: Say, on_ready: Callable[[], None]) -> None:
    """Run until `stop` is set, or `count` commands are sent. `on_ready` is called once there is something to see.

    Raises Unavailable if the server is away at the start; later outages are waited out.
    """
    await ensure_home(store.connection)
    if await _has_room(store, options):
        await play_beginning(store, options)
        if await write_tampered(store.connection, options.seed):
            say(f"{TAMPERED.stream} now holds six orders that were tampered with, and an intact one, to try verification on.")
    on_ready()
    life = Life(store, seed=options.seed, rate=options.rate, stop_at=options.stop_at, say=say)
    say(f"Sending {options.rate:g} commands a second to orders, products and the people around them; all of it is demo data.")
    async with asyncio.TaskGroup() as group:
        history = group.create_task(_play_history(store, options, say)) if options.count is None else None
        await life.live(stop, count=options.count)
        if history is not None and (stop.is_set() or life.limit_reached):
            history.cancel()
    if life.limit_reached:
        say(f"{EVENTS.stream} holds {options.stop_at:,} events, where the demo stops adding to it. Use an empty data folder to begin anew.")
    if options.count is not None:
        say(f"Sent {life.sent} commands.")
    else:
        await stop.wait()


async def play_beginning(store: Store, options: DemoOptions) -> None:
    """The first second: every product, some customers, a dozen short orders, and the discount that the audit cannot accept."""
    player = Player(store, events_per_second=10 * options.stop_at)
    for sku in catalogue.skus():
        await player.do(catalogue.listing(sku))
    for number in range(1, FIRST_CUSTOMERS + 1):
        await player.do([catalogue.registration(number)])
    for number in range(1, FIRST_ORDERS + 1):
        await player.play(_story(options, number))
        if number == CLEARANCE_AFTER:
            await player.play(stories.clearance_story(options.seed))


async def play_company(store: Store, options: DemoOptions) -> int:
    """The organization around the orders; returns how many events were still missing and are stored now."""
    player = Player(store)
    for steps in company.company_aggregates(options.seed):
        await player.do(steps)
    return player.events


async def play_history(store: Store, options: DemoOptions) -> int:
    """The long history, orders of 3 to 200 events and one giant; returns how many events were still missing and are stored now."""
    player = Player(store)
    for number in range(FIRST_CUSTOMERS + 1, catalogue.CUSTOMER_COUNT + 1):
        await player.do([catalogue.registration(number)])
    told = [_story(options, number) for number in range(1, options.orders + 1)]
    for story in [*told, stories.giant_story(options.seed, options.giant_events)]:
        with suppress(InvalidState):  # begun by a demo that told it differently: it stays as it is
            await player.play(story)
    return player.events


def _story(options: DemoOptions, number: int) -> stories.Story:
    longest = FIRST_LONGEST if number <= FIRST_ORDERS else stories.MAX_EVENTS
    return stories.order_story(options.seed, number, longest=longest)


async def _play_history(store: Store, options: DemoOptions, say: Say) -> None:
    """Play the history, from where it was interrupted if the server goes away meanwhile."""
    while await _has_room(store, options):
        try:
            await play_company(store, options)
            events = await play_history(store, options)
        except Unavailable:
            await asyncio.sleep(RETRY_SECONDS)
            continue
        if events:
            say(f"Stored a history of {events:,} events; {stories.GIANT_ORDER} alone has {options.giant_events:,}.")
        return


async def _has_room(store: Store, options: DemoOptions) -> bool:
    return (await get_stream(store.connection, store.layout.stream)).messages < options.stop_at
