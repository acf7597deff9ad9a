"""This module is the bridge between bounded contexts: what is translated for whom, both ways, and what is refused."""

from __future__ import annotations

import asyncio

import pytest

from apps.persistence.encoding import Value
from apps.persistence.errors import InvalidInput, InvalidSubject, NoMapping
from apps.persistence.events import new_id
from apps.persistence.routing import (
    CAME_THROUGH,
    ContextBridge,
    ContextMapping,
    Interest,
    NatsMessage,
    RoutePattern,
    RoutingStrategy,
    SubjectRouter,
    listen,
    on_payload,
    parse_subject,
    publishing,
)
from apps.persistence.store import CoreMessage, Store
from apps.persistence.store.client import parse_headers

BILLING = ContextMapping(
    source="sales",
    target="billing",
    aggregates={"order": "invoice"},
    event_types={"submitted": "requested", "cancelled": "withdrawn"},
    transform=bytes.upper,
    transform_back=bytes.lower,
)
SHIPPING = ContextMapping(source="sales", target="shipping", aggregates={"order": "parcel"}, event_types={"submitted": "announced"})
SUBMITTED = NatsMessage(subject="sales.order.submitted.v2", payload=b"tea", headers={"Trace": "t1"})


def bridge_of(*interests: Interest) -> ContextBridge:
    return ContextBridge(mappings=[BILLING, BILLING.reverse(), SHIPPING], interests=interests)


def test_event_is_said_again_for_each_interested_context_with_its_headers() -> None:
    bridge = bridge_of(Interest(target="billing", source="sales"), Interest(target="shipping", source="sales", event_type="submitted"))

    found = bridge.route_cross_context(SUBMITTED)

    assert [(one.subject, one.payload) for one in found] == [
        ("billing.invoice.requested.v2", b"TEA"),
        ("shipping.parcel.announced.v2", b"tea"),
    ]
    assert [dict(one.headers) for one in found] == [{"Trace": "t1", CAME_THROUGH: "sales"}] * 2


def test_context_that_is_interested_twice_gets_it_once_and_others_nothing() -> None:
    bridge = bridge_of(Interest(target="billing", source="sales"), Interest(target="billing", source="sales", event_type="submitted"))

    assert bridge.find_interested_contexts("sales", "submitted") == ("billing",)
    assert bridge.find_interested_contexts("people", "submitted") == ()


def test_event_that_nobody_wants_yields_no_messages() -> None:
    assert bridge_of(Interest(target="shipping", source="sales", event_type="paid")).route_cross_context(SUBMITTED) == []


def test_way_back_gives_the_event_as_it_was() -> None:
    there = bridge_of(Interest(target="billing", source="sales"))
    back = bridge_of(Interest(target="sales", source="billing"))

    (translated,) = there.route_cross_context(SUBMITTED)
    (returned,) = back.route_cross_context(NatsMessage(subject=translated.subject, payload=translated.payload))

    assert (returned.subject, returned.payload) == (SUBMITTED.subject, SUBMITTED.payload)


def test_message_is_never_brought_back_into_a_context_it_came_through() -> None:
    bridge = bridge_of(Interest(target="billing", source="sales"), Interest(target="sales", source="billing"))

    (translated,) = bridge.route_cross_context(SUBMITTED)

    assert bridge.route_cross_context(translated) == []


@pytest.mark.parametrize(
    ("target", "subject", "words"),
    [
        ("accounting", "sales.order.submitted.v1", "from sales to accounting covers anything"),
        ("billing", "sales.basket.submitted.v1", "from sales to billing covers aggregate type basket"),
        ("billing", "sales.order.paid.v1", "from sales to billing covers event type paid"),
    ],
)
def test_missing_mapping_is_named_and_nothing_is_sent(target: str, subject: str, words: str) -> None:
    bridge = bridge_of(Interest(target="shipping", source="sales", event_type="never"), Interest(target=target, source="sales"))

    with pytest.raises(NoMapping, match=words):
        bridge.route_cross_context(NatsMessage(subject=subject))


def test_subject_is_taken_apart_or_refused() -> None:
    parts = parse_subject("sales.order.submitted.v2")

    assert (parts.context, parts.aggregate, parts.event, parts.schema) == ("sales", "order", "submitted", 2)
    with pytest.raises(InvalidSubject, match="3 tokens"):
        parse_subject("sales.order.submitted")
    with pytest.raises(InvalidSubject, match="'2'"):
        parse_subject("sales.order.submitted.2")


def test_mapping_that_cannot_be_reversed_says_why() -> None:
    two_to_one = ContextMapping(source="a", target="b", aggregates={"x": "z", "y": "z"}, event_types={})
    one_way = ContextMapping(source="a", target="b", aggregates={}, event_types={}, transform=bytes.upper)

    with pytest.raises(InvalidInput, match="one word for two"):
        two_to_one.reverse()
    with pytest.raises(InvalidInput, match="one way only"):
        one_way.reverse()


def test_declarations_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(InvalidInput, match="from a to itself"):
        ContextMapping(source="a", target="a", aggregates={}, event_types={})
    with pytest.raises(InvalidInput, match="its own events"):
        Interest(target="a", source="a")
    with pytest.raises(InvalidSubject, match=r"'x\.y'"):
        ContextMapping(source="a", target="b", aggregates={"order": "x.y"}, event_types={})
    with pytest.raises(InvalidSubject, match=r"'\*\*'"):
        Interest(target="a", source="b", event_type="**")
    with pytest.raises(InvalidInput, match="Two mappings lead from sales to billing"):
        ContextBridge(mappings=[BILLING, BILLING], interests=[])


async def test_bridge_at_work_on_a_connection_publishes_what_it_translates(store: Store) -> None:
    source, target = f"s{new_id()[-12:]}", f"t{new_id()[-12:]}"
    words = ContextMapping(source=source, target=target, aggregates={"order": "invoice"}, event_types={"submitted": "requested"})
    bridge = ContextBridge(mappings=[words], interests=[Interest(target=target, source=source)])
    router = SubjectRouter(RoutingStrategy.FIRST_MATCH)
    router.register_handler("bridge", publishing(bridge, store.connection))
    router.add_route(RoutePattern(name=f"from {source}", pattern=f"{source}.>", handler="bridge"))
    received: list[CoreMessage] = []
    arrived = asyncio.Event()

    def take(message: CoreMessage) -> None:
        received.append(message)
        arrived.set()

    async with (
        store.connection.subscribe(f"{target}.>", take),
        listen(store.connection, router, [f"{source}.>"]) as listening,
        asyncio.timeout(60),
    ):
        await store.connection.publish(f"{source}.order.paid.v1")
        reply = await store.connection.request(f"{source}.order.submitted.v1", b"tea", {"Trace": "t1"})
        await arrived.wait()

    assert reply.data == b"1"
    assert [(one.subject, one.data) for one in received] == [(f"{target}.invoice.requested.v1", b"tea")]
    assert parse_headers(received[0].raw_headers) == {"Trace": "t1", CAME_THROUGH: source}
    assert listening.failed == 1  # the event that has no mapping


def test_payload_that_is_no_map_cannot_be_said_in_other_words() -> None:
    def keep(payload: dict[str, Value]) -> dict[str, Value]:
        return payload

    with pytest.raises(InvalidInput, match="a int, and only a map"):
        on_payload(keep)(b"\x01")
