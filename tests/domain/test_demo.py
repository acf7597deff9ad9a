"""The demo on a real server: what it makes first, that it makes nothing twice, that it lives by commands, and where it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from apps.domain.demo import stories
from apps.domain.demo.living import Life
from apps.domain.demo.player import Player
from apps.domain.demo.run import DemoOptions, play_beginning, play_history, run_demo
from apps.domain.demo.steps import Step
from apps.domain.projections import DISCOUNT_AUDIT, ORDER_SUMMARY
from apps.persistence.chain import verify_stream
from apps.persistence.errors import ProjectionFailed
from apps.persistence.events import AggregateRef, StoredEvent
from apps.persistence.projections.definition import bucket_of
from apps.persistence.projections.runner import Orders, run_projection
from apps.persistence.registry import load_domains
from apps.persistence.store import COMMANDS_STREAM, EVENTS, Store, ensure_home, get_stream, kv_keys, load, open_store, subjects_matching
from apps.persistence.store.embedded import EmbeddedServer
from apps.persistence.work.commands import consume_commands

SMALL = DemoOptions(orders=14, giant_events=2_500)
SECONDS = 90


@pytest.fixture
async def store(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    async with open_store(own_nats_server.settings("worker")) as opened:
        await ensure_home(opened.connection)
        yield opened


@asynccontextmanager
async def working(store: Store) -> AsyncIterator[None]:
    """A worker that runs for as long as the block lasts."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(consume_commands(store, load_domains(["apps.domain"]), stop))
        try:
            yield
        finally:
            stop.set()


def ready() -> None:
    """Nobody waits."""


async def event_count(store: Store) -> int:
    return (await get_stream(store.connection, EVENTS.stream)).messages


async def ids_of(store: Store, context: str, aggregate: str) -> list[str]:
    found = await subjects_matching(store.connection, EVENTS.stream, EVENTS.first_of_each(context=context, aggregate=aggregate))
    return sorted(subject.split(".")[4] for subject in found)


async def events_of(store: Store, text: str) -> list[StoredEvent]:
    return list((await load(store, AggregateRef.parse(text))).events)


# -- the beginning and the history -------------------------------------------------------------------------------------------------


async def test_beginning_has_something_of_everything(store: Store) -> None:
    await play_beginning(store, SMALL)

    assert len(await ids_of(store, "stock", "product")) == 24
    assert len(await ids_of(store, "people", "customer")) == 20
    assert await ids_of(store, "sales", "order") == ["clearance-order", *[f"o-{number:05}" for number in range(1, 13)]]


async def test_beginning_a_second_time_adds_nothing(store: Store) -> None:
    await play_beginning(store, SMALL)
    count = await event_count(store)

    await play_beginning(store, SMALL)

    assert await event_count(store) == count


async def test_history_that_was_interrupted_is_finished_and_nothing_is_made_twice(store: Store) -> None:
    await play_beginning(store, SMALL)
    giant = stories.giant_story(SMALL.seed, SMALL.giant_events)
    await Player(store).play(replace(giant, steps=giant.steps[:1_200]))

    await play_history(store, SMALL)
    count = await event_count(store)
    added = await play_history(store, SMALL)

    head = (await load(store, giant.order)).head
    assert (added, await event_count(store), head.version) == (0, count, 2_500)


async def test_order_that_was_interrupted_between_its_products_is_finished(store: Store) -> None:
    await play_beginning(store, SMALL)
    story = next(s for number in range(13, 99) if (s := stories.order_story(1, number)).steps[-1].name == "complete")
    reserving = [index for index, step in enumerate(story.steps) if step.name == "reserve"]
    await Player(store).play(replace(story, steps=story.steps[: reserving[0] + 1]))

    await Player(store).play(story)

    reserved = [event.event for event in await events_of(store, str(story.steps[reserving[0]].ref)) if event.event.type == "reserved"]
    assert [event.payload["order"] for event in reserved].count(story.order.id) == 1
    assert (await events_of(store, str(story.order)))[-1].event.type == "completed"


async def test_order_that_an_earlier_demo_told_differently_is_left_as_it_is(store: Store) -> None:
    await play_beginning(store, SMALL)
    story = stories.order_story(SMALL.seed, 13)
    cancelled = replace(story, steps=(story.steps[0], Step(story.order, "cancel", {"reason": "told differently"})))
    await Player(store).play(cancelled)

    await play_history(store, SMALL)

    assert [stored.event.type for stored in await events_of(store, str(story.order))] == ["created", "cancelled"]


async def test_all_that_the_history_holds_is_intact(store: Store) -> None:
    await play_beginning(store, SMALL)
    await play_history(store, SMALL)

    verdict = await verify_stream(store)

    assert (verdict.intact, verdict.checked) == (True, await event_count(store))


async def test_story_goes_through_aggregates_under_one_correlation(store: Store) -> None:
    await play_beginning(store, SMALL)
    story = next(s for number in range(1, 13) if (s := stories.order_story(1, number, longest=12)).steps[-1].name == "complete")
    first = next(step for step in story.steps if step.name == "reserve")

    order = [stored.event for stored in await events_of(store, str(story.order))]
    product = [stored.event for stored in await events_of(store, str(first.ref))]

    submitted = next(event for event in order if event.type == "submitted")
    reserved = next(event for event in product if event.type == "reserved" and event.payload["order"] == story.order.id)
    assert reserved.correlation == submitted.correlation == order[0].correlation
    assert reserved.causation == submitted.id


def test_same_seed_and_number_tell_the_same_story() -> None:
    assert stories.order_story(1, 77) == stories.order_story(1, 77)
    assert stories.order_story(2, 77) != stories.order_story(1, 77)


def test_orders_of_the_history_have_3_to_200_events() -> None:
    all_stories = [stories.order_story(1, number) for number in range(1, 401)]

    lengths = [sum(step.ref == story.order for step in story.steps) for story in all_stories]
    assert (min(lengths), max(lengths) > 180, max(lengths) <= 200) == (3, True, True)


# -- what the projections make of it -----------------------------------------------------------------------------------------------


async def test_discount_audit_stops_at_the_clearance_order_with_a_reason(store: Store) -> None:
    await play_beginning(store, SMALL)

    with pytest.raises(ProjectionFailed) as stopped:
        await run_projection(store, DISCOUNT_AUDIT, 1, Orders(until=await event_count(store)))

    assert "sales.order.clearance-order was given a discount of 80 %" in stopped.value.reason


async def test_order_summary_applies_all_of_the_demo(store: Store) -> None:
    await play_beginning(store, SMALL)

    await run_projection(store, ORDER_SUMMARY, 1, Orders(until=await event_count(store)))

    keys = await kv_keys(store.connection, bucket_of("order-summary", 1), prefix="order")
    assert len(keys) == 13


# -- life --------------------------------------------------------------------------------------------------------------------------


async def test_demo_lives_by_commands_that_workers_carry_out(store: Store) -> None:
    said: list[str] = []

    async with working(store):
        await run_demo(store, replace(SMALL, rate=200, count=150), asyncio.Event(), say=said.append, on_ready=ready)
        async with asyncio.timeout(SECONDS):
            while (await get_stream(store.connection, COMMANDS_STREAM)).messages:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    living = [order for order in await ids_of(store, "sales", "order") if order >= "o-10001"]
    (first, *_) = await events_of(store, f"sales.order.{living[0]}")
    assert living[0] == "o-10001"
    assert (first.event.type, first.event.actor, first.event.causation is not None) == ("created", "demo", True)
    assert [line for line in said if "refused" in line] == []
    assert said[-1] == "Sent 150 commands."


async def test_second_life_goes_on_with_new_numbers_and_takes_up_open_orders(store: Store) -> None:
    await play_beginning(store, SMALL)
    async with working(store):
        for _ in range(2):
            life = Life(store, seed=1, rate=200, stop_at=10**6, say=lambda line: None)
            await life.live(asyncio.Event(), count=60)
            async with asyncio.timeout(SECONDS):
                while (await get_stream(store.connection, COMMANDS_STREAM)).messages:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

    living = [order for order in await ids_of(store, "sales", "order") if order >= "o-10001"]
    assert living == [f"o-{10_001 + index:05}" for index in range(len(living))]
    verdict = await verify_stream(store)
    assert verdict.intact


async def test_demo_waits_for_workers_instead_of_filling_the_queue(store: Store) -> None:
    await play_beginning(store, SMALL)
    stop, said = asyncio.Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        stop.set()

    async with asyncio.timeout(SECONDS):
        await Life(store, seed=1, rate=1000, stop_at=10**6, say=say).live(stop)

    assert "commands wait for a worker" in said[0]


async def test_demo_stops_adding_where_the_store_holds_enough_and_says_so(store: Store) -> None:
    await play_beginning(store, SMALL)
    count, stop, said = await event_count(store), asyncio.Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        if "stops adding" in line:
            stop.set()

    async with asyncio.timeout(SECONDS):
        await run_demo(store, replace(SMALL, stop_at=100), stop, say=say, on_ready=ready)

    assert said[-1] == "CIM-EVENTS holds 100 events, where the demo stops adding to it. Use an empty data folder to begin anew."
    assert (await event_count(store), (await get_stream(store.connection, COMMANDS_STREAM)).messages) == (count, 0)
