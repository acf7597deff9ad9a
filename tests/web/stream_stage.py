"""This module is what the tests of the streams pages put on a server: plain streams with gaps, and a few chained orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.persistence.events import AggregateRef, Head, NewEvent, StoredEvent
from apps.persistence.store import Outgoing, Store, append, ensure_home, ensure_stream, store_message

ORDER = AggregateRef("sales", "order", "o1")


async def make_stream(store: Store, name: str, **config: Any) -> None:
    """A stream that takes `{name in lower case}.>`, with Direct Get unless told otherwise."""
    if "mirror" not in config:
        config = {"subjects": [f"{name.lower()}.>"], **config}
    await ensure_stream(store.connection, {"name": name, "allow_direct": True, **config})


async def fill(store: Store, name: str, count: int, *, subjects: Sequence[str] = ("a",), data: bytes = b'{"n": 1}', **headers: str) -> None:
    """Messages `{name}.{subject}` in turn."""
    for number in range(count):
        subject = f"{name.lower()}.{subjects[number % len(subjects)]}"
        await store_message(store.connection, Outgoing(subject, data, {key.replace("_", "-"): value for key, value in headers.items()}))


async def delete(store: Store, name: str, *sequences: int) -> None:
    for sequence in sequences:
        await store.connection.api(f"STREAM.MSG.DELETE.{name}", {"seq": sequence}, stream=name)


async def add_consumer(store: Store, stream: str, name: str, **config: Any) -> None:
    body = {"stream_name": stream, "config": {"durable_name": name, "ack_policy": "explicit", **config}}
    await store.connection.api(f"CONSUMER.DURABLE.CREATE.{stream}.{name}", body, stream=stream)


async def append_story(store: Store) -> list[StoredEvent]:
    """An order placed, which causes a payment, which causes the order to be paid: three events of one correlation in CIM-EVENTS."""
    await ensure_home(store.connection)
    (placed,) = await append(store, Head(aggregate=ORDER), [NewEvent(type="placed", payload={"amount": 9007199254740993})])
    follow = {"correlation": placed.event.correlation}
    payment = Head(aggregate=AggregateRef("billing", "payment", "p1"))
    (captured,) = await append(store, payment, [NewEvent(type="captured", causation=placed.event.id, **follow)])
    (paid,) = await append(store, placed.head, [NewEvent(type="paid", causation=captured.event.id, **follow)])
    return [placed, captured, paid]
