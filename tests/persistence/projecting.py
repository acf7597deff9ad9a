"""What the tests of projections share: a context of its own for each test, orders in it, and a projection of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from apps.persistence.encoding import Value, decode
from apps.persistence.events import AggregateRef, NewEvent, StoredEvent, new_id
from apps.persistence.projections import Orders
from apps.persistence.projections.definition import Model, Models, ProjectionDefinition, bucket_of
from apps.persistence.store import Store, append, ensure_home, head_of, kv_all, open_store
from apps.persistence.store.embedded import EmbeddedServer

DEADLINE_SECONDS = 60
TO_THE_HEAD = Orders(until=10**12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A store, and a context in it that no other test uses."""

    store: Store
    context: str

    def order(self, name: str = "one") -> AggregateRef:
        return AggregateRef(self.context, "order", name)

    def definition(self, **changes: Any) -> ProjectionDefinition:
        given: dict[str, Any] = {
            "name": f"orders-{self.context}",
            "version": 1,
            "title": "Orders",
            "subjects": (f"cim.events.{self.context}.>",),
            "keys": order_key,
            "apply": add_up,
        }
        return ProjectionDefinition(**{**given, **changes})

    async def add(self, *quantities: int, order: str = "one", event_type: str = "item_added") -> list[StoredEvent]:
        """Append one event for each quantity."""
        head = await head_of(self.store, self.order(order), leader=True)
        events = [NewEvent(type=event_type, payload={"quantity": quantity}) for quantity in quantities]
        return await append(self.store, head, events)

    async def add_many(self, count: int, *, orders: int = 10) -> None:
        """Append `count` events of quantity 1, spread over `orders` orders."""
        for number in range(orders):
            await self.add(*([1] * (count // orders)), order=f"many-{number}")

    async def models(self, definition: ProjectionDefinition, build: int = 1) -> dict[str, bytes]:
        """Every key of a build with its bytes."""
        return {entry.key: entry.value for entry in await kv_all(self.store.connection, bucket_of(definition.name, build))}

    async def total(self, definition: ProjectionDefinition, build: int = 1) -> int:
        """The sum over all orders of a build."""
        models = await self.models(definition, build)
        return sum(cast(int, model_in(data)["total"]) for key, data in models.items() if key.startswith("order."))


def new_context() -> str:
    return f"t{new_id().replace('-', '')[8:]}"


def order_key(stored: StoredEvent) -> Sequence[str]:
    return (f"order.{stored.event.aggregate.id}",)


def add_up(stored: StoredEvent, models: Models) -> Models:
    key = f"order.{stored.event.aggregate.id}"
    before = models[key] or {"items": 0, "total": 0}
    quantity = cast(int, stored.event.payload["quantity"])
    return {key: {"items": cast(int, before["items"]) + 1, "total": cast(int, before["total"]) + quantity}}


def model_in(data: bytes) -> Model:
    return cast(Model, cast("dict[str, Value]", decode(data))["model"])


def metadata_in(data: bytes) -> Model:
    return cast(Model, cast("dict[str, Value]", decode(data))["metadata"])


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until `condition` holds; TimeoutError after the deadline."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def case(nats_server: EmbeddedServer) -> AsyncIterator[Case]:
    async with open_store(nats_server.settings("worker")) as store:
        await ensure_home(store.connection)
        yield Case(store=store, context=new_context())
