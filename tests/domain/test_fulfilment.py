"""The fulfilment of an order: it goes through where all agree, and leaves nothing behind where one does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from apps.domain import DOMAIN
from apps.domain.fulfilment import FULFILMENT
from apps.domain.products import reserved_for
from apps.domain.sagas import aggregate_of
from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidState
from apps.persistence.events import AggregateRef, State, new_id
from apps.persistence.registry import Command, Registry
from apps.persistence.snapshots import state_at
from apps.persistence.store import Store, ensure_home, head_of, open_store
from apps.persistence.store.embedded import EmbeddedServer

from .given import HOME, LAMP

SECONDS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A store with the example's domain, an order that is submitted, and a product of its own with three pieces in stock."""

    store: Store
    registry: Registry
    id: str

    async def ask(self, aggregate: str, name: str, /, **payload: Value) -> None:
        ref = AggregateRef.parse(f"{aggregate}.{self.id}")
        command = Command(id=new_id(), aggregate=ref, name=name, payload=payload, actor="ada", correlation=new_id())
        await self.registry.commands[ref.context, ref.type](self.store, command)

    async def state(self, aggregate: str) -> State:
        ref = AggregateRef.parse(f"{aggregate}.{self.id}")
        if (await head_of(self.store, ref, leader=True)).version == 0:
            return {}
        return (await state_at(self.store, self.registry.aggregates[ref.context, ref.type], ref)).state

    async def begin(self, *, quantity: int = 2) -> None:
        await self.ask("sales.fulfilment", "begin", order=self.id, sku=self.id, quantity=quantity, cents=2500, currency="EUR")

    async def until(self, aggregate: str, status: str) -> None:
        async with asyncio.timeout(SECONDS):
            while (await self.state(aggregate)).get("status") != status:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.fixture
async def shop(nats_server: EmbeddedServer) -> AsyncIterator[Shop]:
    async with open_store(nats_server.settings("worker")) as store, asyncio.TaskGroup() as group:
        await ensure_home(store.connection)
        shop, stop = Shop(store=store, registry=Registry([DOMAIN]), id=f"L-{new_id()[-12:].upper()}"), asyncio.Event()
        await shop.ask("stock.product", "list", name="Desk lamp", price={"cents": 1250, "currency": "EUR"})
        await shop.ask("stock.product", "restock", quantity=3)
        await shop.ask("sales.order", "create", customer="c-1", currency="EUR")
        await shop.ask("sales.order", "add_item", **LAMP)
        await shop.ask("sales.order", "set_address", **HOME)
        await shop.ask("sales.order", "submit")
        for process in DOMAIN.processes:
            group.create_task(process.run(store, shop.registry, stop))
        yield shop
        stop.set()


async def test_confirmed_payment_leads_to_goods_on_their_way(shop: Shop) -> None:
    await shop.begin()

    await shop.until("sales.payment", "requested")
    await shop.ask("sales.payment", "confirm")
    await shop.until("sales.fulfilment", "completed")

    product = await shop.state("stock.product")
    assert (product["on_hand"], reserved_for(product, shop.id)) == (1, 0)
    assert (await shop.state("sales.order"))["status"] == "completed"


async def test_declined_payment_cancels_the_order_and_touches_no_stock(shop: Shop) -> None:
    await shop.begin()

    await shop.until("sales.payment", "requested")
    await shop.ask("sales.payment", "decline", reason="no cover")
    await shop.until("sales.fulfilment", "compensated")

    assert (await shop.state("sales.order"))["status"] == "cancelled"
    assert (await shop.state("stock.product"))["on_hand"] == 3


async def test_empty_stock_releases_the_payment_and_cancels_the_order(shop: Shop) -> None:
    await shop.begin(quantity=4)

    await shop.until("sales.payment", "requested")
    await shop.ask("sales.payment", "confirm")
    await shop.until("sales.fulfilment", "compensated")

    saga = await shop.state("sales.fulfilment")
    assert (await shop.state("sales.payment"))["status"] == "released"
    assert (await shop.state("sales.order"))["status"] == "cancelled"
    assert saga["reason"] == "stock: Only 3 are free; 4 cannot be reserved. Restock first."


async def test_payment_takes_only_what_its_state_allows(shop: Shop) -> None:
    with pytest.raises(InvalidState, match="There is no such payment; request it first"):
        await shop.ask("sales.payment", "confirm")
    await shop.ask("sales.payment", "request", order=shop.id, amount={"cents": 10, "currency": "EUR"})
    await shop.ask("sales.payment", "request", order=shop.id, amount={"cents": 10, "currency": "EUR"})
    with pytest.raises(InvalidState, match=r"The payment is of .* for order"):
        await shop.ask("sales.payment", "request", order=shop.id, amount={"cents": 11, "currency": "EUR"})
    await shop.ask("sales.payment", "decline", reason="no cover")
    with pytest.raises(InvalidState, match="declined"):
        await shop.ask("sales.payment", "release")


def test_saga_is_an_aggregate_type_of_the_example() -> None:
    assert aggregate_of(FULFILMENT).key in {definition.key for definition in DOMAIN.aggregates}
