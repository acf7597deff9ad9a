"""How the example's events have changed: both schemas are in its history, and the migration writes the newest one once for all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from apps.domain import DOMAIN
from apps.domain.demo import catalogue
from apps.domain.demo.player import Player
from apps.domain.demo.steps import Step
from apps.domain.demo.stories import Story
from apps.domain.evolution import NEWEST_SCHEMAS
from apps.persistence.chain import verify_stream
from apps.persistence.events import new_id
from apps.persistence.evolution import Work, apply, roll_back
from apps.persistence.registry import Registry
from apps.persistence.store import Store, append, ensure_home, load, open_store
from apps.persistence.store.embedded import EmbeddedServer

ORDER = catalogue.order_ref("o-00001")
REGISTRY = Registry([DOMAIN])


@pytest.fixture
async def shop(own_nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    """A store with one order of the long history, cancelled, as the first version of the shop wrote it."""
    async with open_store(own_nats_server.settings("worker"), upcasters=REGISTRY.upcasters) as store:
        await ensure_home(store.connection)
        steps = (Step(ORDER, "create", {"customer": "c-0001", "currency": "EUR"}), Step(ORDER, "cancel", {"reason": "bought elsewhere"}))
        await Player(store).play(Story(order=ORDER, steps=steps))
        yield store


def work_of(store: Store) -> Work:
    return Work(store=store, run=new_id(), by="ada", definitions=REGISTRY.aggregates)


async def test_history_is_written_in_the_first_schema_and_read_in_the_newest(shop: Store) -> None:
    last = (await load(shop, ORDER)).events[-1]

    assert (last.stored_schema, last.event.schema) == (1, 2)
    assert last.event.payload == {"customer": "c-0001", "reason": "bought elsewhere", "by": "customer"}


async def test_what_is_decided_today_is_written_in_the_newest_schema(shop: Store) -> None:
    order = catalogue.order_ref("o-10001")
    (created,) = Step(order, "create", {"customer": "c-0001", "currency": "EUR"}).decide({})
    state = DOMAIN.aggregates[0].apply({}, (await append(shop, (await load(shop, order)).head, [created]))[0].event)
    (cancelled,) = Step(order, "cancel", {"reason": "bought elsewhere"}).decide(state)

    assert (cancelled.schema, cancelled.payload["by"]) == (2, "customer")


async def test_migration_writes_every_event_in_its_newest_schema_and_can_be_undone(shop: Store) -> None:
    await apply(work_of(shop), "example", NEWEST_SCHEMAS)
    after = (await load(shop, ORDER)).events[-1]
    verdict = await verify_stream(shop)
    await roll_back(work_of(shop), "example", NEWEST_SCHEMAS)
    back = (await load(shop, ORDER)).events[-1]

    assert (after.stream, after.stored_schema) == ("CIM-EVENTS-2", 2)
    assert verdict.intact
    assert (back.stream, back.stored_schema) == ("CIM-EVENTS", 1)
