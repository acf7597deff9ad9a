"""This module is two other event sourcing libraries for Python, each doing what is measured in its own documented way.

`eventsourcing` keeps events in SQLite, in this process; a projection records its position with each event. `message-store` keeps them in
JetStream, here on the same server; it has no aggregates and stores no read models, so its events are folded into memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import nats
from eventsourcing.application import Application, LocalNotificationLog
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteDatastore, SQLiteFactory, SQLiteTrackingRecorder
from eventsourcing.utils import Environment
from message_store import Message, MessageStore
from message_store import Projection as Fold

from apps.persistence.store import ConnectionSettings

AT_ONCE = 200
PAGE = 100


class Order(Aggregate):
    """The measured order as an aggregate of `eventsourcing`."""

    def __init__(self) -> None:
        self.items = 0
        self.total = 0

    @event("ItemAdded")
    def add(self, quantity: int, price: int, fields: dict[str, Any]) -> None:
        self.items += quantity
        self.total += quantity * price


class Totals(SQLiteTrackingRecorder):
    """A row for each order, written in one transaction with the position."""

    def __init__(self, datastore: SQLiteDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.create_table_statements.append("CREATE TABLE IF NOT EXISTS totals (id TEXT PRIMARY KEY, items INTEGER, total INTEGER)")

    def add(self, order: str, quantity: int, price: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO totals VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET items = items + excluded.items, total = total + excluded.total",
                (order, quantity, quantity * price),
            )


class InSqlite:
    """`eventsourcing` on a SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._environment = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "orders.sqlite")}
        self._views = {**self._environment, "TOTALS_SQLITE_DBNAME": str(folder / "totals.sqlite")}
        self.orders = Application[UUID](self._environment)

    def write(self, payloads: Iterable[dict[str, Any]], order: Order | None = None) -> Order:
        """Append to an order, or to a new one, in one transaction."""
        order = order or Order()
        for payload in payloads:
            order.add(payload["quantity"], payload["price"], payload)
        self.orders.save(order)
        return order

    @property
    def stored(self) -> int:
        """How many events there are."""
        return self.orders.recorder.max_notification_id() or 0

    def load(self, order: UUID) -> Order:
        return self.orders.repository.get(order)

    def project(self) -> None:
        """Every event into the table of totals, pulled from the notification log, as SQLite has no subscriptions."""
        factory = SQLiteFactory(Environment("totals", self._views))
        totals = factory.tracking_recorder(Totals)
        log, position = LocalNotificationLog(self.orders.recorder, section_size=PAGE), 0
        while found := log.select(start=position + 1, limit=PAGE):
            for notification in found:
                position = int(notification.id)
                happened = self.orders.mapper.to_domain_event(notification)
                quantity, price = getattr(happened, "quantity", 0), getattr(happened, "price", 0)
                totals.add(str(happened.originator_id), quantity, price, Tracking("orders", position))
        factory.close()

    def close(self) -> None:
        self.orders.close()


class InStreams:
    """`message-store` on the server that is measured."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    async def write(self, order: str, payloads: Iterable[dict[str, Any]]) -> None:
        """One event after another, as there is no append of several."""
        for payload in payloads:
            await self._store.publish_message(f"order.{order}", Message("ItemAdded", payload))

    async def write_all(self, orders: dict[str, list[dict[str, Any]]]) -> None:
        """Many orders beside each other."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(order: str, payloads: list[dict[str, Any]]) -> None:
            async with gate:
                await self.write(order, payloads)

        await asyncio.gather(*(one(order, payloads) for order, payloads in orders.items()))

    async def load(self, order: str) -> dict[str, int]:
        def add(state: dict[str, int], message: Any) -> dict[str, int]:
            quantity, price = message.data["quantity"], message.data["price"]
            return {"items": state["items"] + quantity, "total": state["total"] + quantity * price}

        state: dict[str, int] = await self._store.fetch(f"order.{order}", Fold(lambda: {"items": 0, "total": 0}, {"ItemAdded": add}))
        return state

    async def project(self) -> dict[str, tuple[int, int]]:
        """Every event into a table in memory."""

        def add(totals: dict[str, tuple[int, int]], message: Any) -> dict[str, tuple[int, int]]:
            items, total = totals.get(message.subject, (0, 0))
            quantity, price = message.data["quantity"], message.data["price"]
            totals[message.subject] = (items + quantity, total + quantity * price)
            return totals

        totals: dict[str, tuple[int, int]] = await self._store.fetch("order.>", Fold(dict, {"ItemAdded": add}))
        return totals


@asynccontextmanager
async def open_streams(settings: ConnectionSettings) -> AsyncIterator[InStreams]:
    client = await nats.connect(settings.url, user=settings.user, password=settings.password)
    try:
        store = MessageStore(client, "others", should_create_missing_streams=True)
        await store.ensure_stream("order")
        yield InStreams(store)
        await client.jetstream().delete_stream("others-order")
    finally:
        await client.close()
