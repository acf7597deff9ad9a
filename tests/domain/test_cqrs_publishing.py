"""Publishers of events, on NATS and in memory, and given-when-then for a user's own aggregates."""

from __future__ import annotations

import asyncio

import pytest

from apps.domain.cqrs import CapturingEventPublisher, CorrelationId, EventPublisher, NatsEventPublisher
from apps.domain.cqrs.testing import given
from apps.domain.orders import ORDER_COMMANDS
from apps.domain.orders.commands import Cancel, Submit
from apps.domain.values import Text
from apps.persistence.errors import Unavailable
from apps.persistence.events import Event, NewEvent
from apps.persistence.store import CoreMessage, open_store
from apps.persistence.store.client import parse_headers
from apps.persistence.store.embedded import EmbeddedServer
from tests.domain.given import event

CREATED = NewEvent(type="created", payload={"customer": "c-1", "currency": "EUR"})
STORY = CorrelationId("01930000-0000-7000-8000-000000000001")


async def test_event_is_said_on_nats_with_its_story(nats_server: EmbeddedServer) -> None:
    heard: asyncio.Queue[CoreMessage] = asyncio.Queue()
    created = event("created", {"customer": "c-1", "currency": "EUR"})

    async with open_store(nats_server.settings("worker")) as store, store.connection.subscribe("cim.live.events.>", heard.put_nowait):
        publisher: EventPublisher = NatsEventPublisher(connection=store.connection)
        await publisher.publish([created], correlation=STORY)
        async with asyncio.timeout(60):
            message = await heard.get()

    assert message.subject == "cim.live.events.sales.order.o-1.created"
    assert Event.from_block(message.data) == created
    assert parse_headers(message.raw_headers) == {"Cim-Correlation": STORY.text, "Cim-Event-Type": "created"}


async def test_double_keeps_what_it_was_given_by_story() -> None:
    publisher, first, other = CapturingEventPublisher(), event("created", {}), event("cancelled", {})

    await publisher.publish([first], correlation=STORY)
    await publisher.publish([other], correlation=CorrelationId.new())

    assert publisher.of(STORY) == [first]
    assert [one.event.type for one in publisher.published] == ["created", "cancelled"]


async def test_double_fails_as_it_is_told() -> None:
    publisher = CapturingEventPublisher(failure=Unavailable("The link is broken."))

    with pytest.raises(Unavailable):
        await publisher.publish([event("created", {})], correlation=STORY)

    assert publisher.published == []


def test_scenario_tells_what_a_command_causes() -> None:
    (
        given(ORDER_COMMANDS, CREATED)
        .when(Cancel(reason=Text("too late")))
        .then(NewEvent(type="cancelled", payload={"customer": "c-1", "reason": "too late", "by": "customer"}))
        .then_status("cancelled")
    )


def test_scenario_tells_a_refusal() -> None:
    given(ORDER_COMMANDS, CREATED).when(Submit()).then_refused("nothing on it")
    given(ORDER_COMMANDS).when(Submit()).then_refused("There is no such order")


def test_scenario_fails_where_something_else_was_caused() -> None:
    with pytest.raises(AssertionError, match="the command was refused: The order has nothing on it"):
        given(ORDER_COMMANDS, CREATED).when(Submit()).then(CREATED)
    with pytest.raises(AssertionError, match=r"it caused \['cancelled'\]"):
        given(ORDER_COMMANDS, CREATED).when(Cancel(reason=Text("x"))).then_refused()
    with pytest.raises(AssertionError, match=r"^caused "):
        given(ORDER_COMMANDS, CREATED).when(Cancel(reason=Text("x"))).then(CREATED)
    with pytest.raises(AssertionError, match="it is draft, not submitted"):
        given(ORDER_COMMANDS, CREATED).then_status("submitted")
