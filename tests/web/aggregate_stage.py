"""This module is what the tests of the aggregates and the search put on a server: orders, a long history, tampered and foreign ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from apps.domain import ORDER
from apps.domain.demo.tampered import write_tampered
from apps.persistence.events import AggregateRef, Head, NewEvent, StoredEvent
from apps.persistence.projections import Orders, ensure_record, run_projection
from apps.persistence.projections.builtin import directory_of, index_of
from apps.persistence.snapshots import Snapshot, take
from apps.persistence.store import Outgoing, Store, append, ensure_home, ensure_stream, store_message

SPRING = AggregateRef("sales", "order", "spring")
LONG = AggregateRef("sales", "order", "long")
BADGE = AggregateRef("hr", "badge", "b1")
TIN = AggregateRef("shop", "tin", "t1")
STORY = "0193e000-0000-7000-8000-000000000001"
BEGAN = datetime(2026, 5, 1, 9, tzinfo=UTC)
TAMPERED = "?stream=CIM-DEMO-TAMPERED"


def order_events() -> list[NewEvent]:
    """An order of six versions: three together, and three days later three more."""
    cable = {"sku": "CB-014", "name": "Cable", "pieces": 2, "unit_cents": 620, "currency": "EUR"}
    steps = [
        ("created", {"customer": "c-1", "currency": "EUR"}, "web", 0, STORY),
        ("item_added", cable, "web", 20, STORY),
        ("discount_applied", {"percent": 10, "reason": "spring <b>sale</b>"}, "pricing", 40, STORY),
        ("item_removed", {**cable, "pieces": 1}, "web", 3 * 86_400, None),
        ("address_set", {"city": "Berlin", "country": "DE"}, "web", 3 * 86_400 + 5, None),
        ("submitted", {"pieces": 1, "total_cents": 558, "currency": "EUR"}, "web", 3 * 86_400 + 9, None),
    ]
    return [
        NewEvent(type=type, payload=payload, actor=actor, time=BEGAN + timedelta(seconds=at), correlation=story)
        for type, payload, actor, at, story in steps
    ]


async def append_all(store: Store, ref: AggregateRef, events: Sequence[NewEvent]) -> list[StoredEvent]:
    """As many as fit go into one batch."""
    head, stored = Head(aggregate=ref), []
    for start in range(0, len(events), 1000):
        stored += await append(store, head, events[start : start + 1000])
        head = stored[-1].head
    return stored


async def write_stage(store: Store) -> None:
    """Everything but the long history."""
    await ensure_home(store.connection)
    await append_all(store, SPRING, order_events())
    await append_all(store, BADGE, [NewEvent(type="issued", payload={"big": 9007199254740993, "by": "<script>alert(1)</script>"})])
    tin = [
        NewEvent(type="filled", payload={"holds": "tea"}),
        NewEvent(type="relabelled", payload={"name": "Earl Grey"}),
        NewEvent(type="exploded", payload={"holds": "nothing"}),
        NewEvent(type="filled", payload={"holds": "coffee"}),
    ]
    await append_all(store, TIN, tin)
    await write_tampered(store.connection, 1)
    await ensure_stream(store.connection, {"name": "PARCELS", "subjects": ["parcels.>"], "allow_direct": True})
    for number, subject in enumerate(["parcels.p1.packed", "parcels.p2.packed", "parcels.p1.sent", "parcels.p1.sent"], start=1):
        await store_message(store.connection, Outgoing(subject, b'{"n": %d}' % number, {}))


async def write_long(store: Store) -> None:
    """An order of 20,000 versions whose discount goes up and down, with no snapshot."""
    created, *_ = order_events()
    discounts = [NewEvent(type="discount_applied", payload={"percent": n % 50, "reason": f"number {n}"}) for n in range(2, 20_001)]
    await ensure_home(store.connection)
    await append_all(store, LONG, [created, *discounts])


async def take_snapshot(store: Store, ref: AggregateRef, version: int) -> Snapshot:
    return await take(store, ORDER, ref, by="ada", version=version)


async def run_directory(store: Store) -> None:
    """Let the directory and the index of events come to the head."""
    for definition in (directory_of(), index_of()):
        await ensure_record(store.connection, definition)
        await run_projection(store, definition, 1, Orders(until=10**12))
