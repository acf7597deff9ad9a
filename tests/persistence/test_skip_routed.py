"""This module is leaving out the event at which a router stands still: planned, confirmed by a person, and gone on after."""

from __future__ import annotations

import pytest

from apps.persistence.errors import InvalidInput, NotFound
from apps.persistence.events import new_id
from apps.persistence.operations.skip_routed import SkipRouted
from apps.persistence.registry import Domain, Registry
from apps.persistence.routing import read_router
from apps.persistence.store import Store

from .operating import carry_out
from .projecting import eventually
from .test_routers import WAIT, add, bridge_of, is_at, routed, stands, translated


@pytest.fixture
def source() -> str:
    return f"s{new_id()[-12:]}"


@pytest.fixture
def target() -> str:
    return f"t{new_id()[-12:]}"


async def test_router_goes_on_after_the_event_that_a_person_left_out(store: Store, source: str, target: str) -> None:
    bridge = bridge_of(store, source, target, {"item_added": "line_added"})
    registry = Registry([Domain(name="test", title="Test", routers=[bridge])])
    await add(store, source, "item_added", "paid", "item_added")
    skip = SkipRouted(router=source, sequence=2, note="Billing knows it already.")

    async with routed(store, bridge):
        await eventually(stands(store, source), seconds=WAIT)
        plan = await skip.plan(store, registry)
        outcome = await carry_out(store, registry, skip)
        await eventually(is_at(store, source, 3), seconds=WAIT)
        again = await skip.run(store, registry, None)  # type: ignore[arg-type]

    record = await read_router(store.connection, source)
    assert plan.counts == ((f"{store.layout.root}.{source}.order.one.paid.v2", 1),)
    assert "covers event type paid" in plan.notes[0]
    assert outcome == again
    assert outcome.sentence == f"{source} goes on after sequence 2, which it leaves out."
    assert [(one.sequence, one.note, one.by) for one in record.left_out] == [(2, "Billing knows it already.", "olga")]
    assert record.failure is None
    assert [one.subject.split(".")[-1] for one in await translated(store, target)] == ["v1", "v3"]


async def test_event_at_which_no_router_stands_cannot_be_left_out(store: Store, source: str, target: str) -> None:
    bridge = bridge_of(store, source, target, {"item_added": "line_added"})
    registry = Registry([Domain(name="test", title="Test", routers=[bridge])])
    await add(store, source, "item_added")
    async with routed(store, bridge):
        await eventually(is_at(store, source, 1), seconds=WAIT)

    with pytest.raises(InvalidInput, match="does not stand at sequence 1"):
        await SkipRouted(router=source, sequence=1, note="?").plan(store, registry)
    with pytest.raises(NotFound, match=f"There is no router 'other'; there are {source}"):
        await SkipRouted(router="other", sequence=1, note="?").plan(store, registry)
