"""This module is the test of a saga's page: an aggregate like any other, whose timeline says what it did and why it turned back."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from apps.domain import DOMAIN
from apps.domain.fulfilment import FULFILMENT
from apps.domain.sagas import advance
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.registry import Command, Registry
from apps.persistence.store import Store, ensure_home, head_of

from .conftest import Home, Visitor
from .working_console import read

REF = AggregateRef("sales", "fulfilment", "o-nowhere")


async def fulfil(store: Store) -> None:
    """A saga for an order that there is not, carried out to its end."""
    await ensure_home(store.connection)
    registry = Registry([DOMAIN])
    said = {"order": "o-nowhere", "sku": "LAMP-042", "quantity": 1, "cents": 1250, "currency": "EUR"}
    begin = Command(id=new_id(), aggregate=REF, name="begin", payload={**said}, actor="ada", correlation=new_id())
    await registry.commands[FULFILMENT.key](store, begin)
    before = 0
    while (head := await head_of(store, REF, leader=True)).version > before:
        before = head.version
        await advance(store, registry, FULFILMENT, REF)


@pytest.mark.usefixtures("home")
def test_timeline_of_a_saga_says_what_was_asked_and_why_it_turned_back(viewer: Visitor, home: Home, settings: LazySettings) -> None:
    settings.CIM_DOMAINS = ["apps.domain"]
    home.run(fulfil)

    text = read(viewer, "/aggregates/sales.fulfilment/o-nowhere/")

    assert "Fulfilment o-nowhere" in text
    assert "step_started take_on: start_processing of sales.order.o-nowhere" in text
    assert "step_failed take_on: There is no such order; create it first." in text
    assert "turned_back take_on: There is no such order; create it first." in text
    assert '"status": "compensated"' in text
