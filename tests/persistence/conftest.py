"""This module is what the tests of the persistence module start from: an empty store of their own on the shared server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from apps.persistence.events import AggregateRef, Head, NewEvent, StoredEvent, new_id
from apps.persistence.store import Layout, Store, append, ensure_event_stream, open_store
from apps.persistence.store.embedded import EmbeddedServer

AppendOrders = Callable[..., Awaitable[list[StoredEvent]]]


def fresh_layout() -> Layout:
    """A stream and subject root that no other test uses."""
    name = new_id().replace("-", "")[-12:]
    return Layout(stream=f"EVENTS-{name}", root=f"test.{name}")


@pytest.fixture
async def store(nats_server: EmbeddedServer) -> AsyncIterator[Store]:
    layout = fresh_layout()
    async with open_store(nats_server.settings("worker"), layout=layout, layouts=[layout]) as opened:
        await ensure_event_stream(opened.connection, layout)
        yield opened


@pytest.fixture
def order() -> AggregateRef:
    return AggregateRef("sales", "order", "7f3c91e0")


@pytest.fixture
def append_items(store: Store, order: AggregateRef) -> AppendOrders:
    """Append `count` events to the order, or to another aggregate."""

    async def append_count(count: int, *, to: AggregateRef = order) -> list[StoredEvent]:
        stored: list[StoredEvent] = []
        head = Head(aggregate=to)
        for start in range(0, count, 1000):
            events = [NewEvent(type="item_added", payload={"number": number}) for number in range(start + 1, min(start + 1000, count) + 1)]
            stored += await append(store, head, events)
            head = stored[-1].head
        return stored

    return append_count
