"""This module is the families of subjects under `cim`, as they are built, parsed and used, and the rules of good subjects."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.persistence.errors import InvalidSubject
from apps.persistence.events import AggregateRef, new_id
from apps.persistence.read_models import ReadModelStore
from apps.persistence.snapshots import take
from apps.persistence.store import CoreMessage, Store, append_at, ensure_bucket
from apps.persistence.store.layout import EVENTS
from apps.persistence.subjects import (
    AggregateSubject,
    EventSubject,
    ModelOperation,
    ReadModelSubject,
    SnapshotSubject,
    broken_rules,
    parse_cim_subject,
)

from .baskets import BASKET, added

FAMILIES = {
    "cim.events.sales.order.o-1.submitted.v6": EventSubject(context="sales", aggregate="order", entity="o-1", event="submitted", version=6),
    "cim.aggregates.sales.order.o-1.state.s2": AggregateSubject(context="sales", aggregate="order", entity="o-1", schema=2),
    "cim.readmodels.order_summary.berlin.o-1.saved": ReadModelSubject(
        type="order_summary", id="berlin.o-1", operation=ModelOperation.SAVED
    ),
    "cim.snapshots.sales.order.o-1.v100": SnapshotSubject(context="sales", aggregate="order", entity="o-1", version=100),
}


@pytest.mark.parametrize(("text", "parts"), FAMILIES.items())
def test_subject_of_each_family_is_built_and_taken_apart(text: str, parts: Any) -> None:
    assert str(parts) == text
    assert parse_cim_subject(text) == parts


def test_events_lie_where_the_family_says() -> None:
    parts = EVENTS.parse("cim.events.sales.order.o-1.submitted.v6")

    assert parts is not None
    assert (parts.context, parts.version) == ("sales", 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cim",
        "cim.other.a.b",
        "cim.events.a.b.c.d",
        "cim.events.a.b.c.d.6",
        "cim.events.a.b.c.d.v0",
        "cim.events.a.*.c.d.v1",
        "cim.aggregates.a.b.c.state.v1",
        "cim.aggregates.a.b.c.other.s1",
        "cim.aggregates.a.b.c.state.s0",
        "cim.readmodels.a.saved",
        "cim.readmodels.a.b.eaten",
        "cim.readmodels.a.b c.saved",
        "cim.snapshots.a.b.v1",
        "cim.snapshots.a.b.c.v01",
    ],
)
def test_what_is_of_no_family_is_refused(text: str) -> None:
    with pytest.raises(InvalidSubject):
        parse_cim_subject(text)


def test_parts_that_cannot_stand_in_a_subject_are_refused() -> None:
    with pytest.raises(InvalidSubject, match="'a b'"):
        EventSubject(context="a b", aggregate="b", entity="c", event="d", version=1)
    with pytest.raises(InvalidSubject, match="version 0"):
        SnapshotSubject(context="a", aggregate="b", entity="c", version=0)
    with pytest.raises(InvalidSubject, match="a model's id"):
        ReadModelSubject(type="a", id="b..c", operation=ModelOperation.DELETED)


async def test_snapshots_and_read_models_are_told_of_under_their_families(store: Store) -> None:
    ref, heard = AggregateRef("shop", "basket", new_id()), asyncio.Queue[CoreMessage]()
    await append_at(store, ref, 0, [added("tea")])
    bucket = f"models-{new_id()[-12:]}"
    await ensure_bucket(store.connection, bucket)
    models = ReadModelStore(connection=store.connection, bucket=bucket)
    async with (
        store.connection.subscribe(f"cim.snapshots.shop.basket.{ref.id}.*", heard.put_nowait),
        store.connection.subscribe(f"cim.readmodels.cart.{ref.id}.*", heard.put_nowait),
        asyncio.timeout(60),
    ):
        await store.connection.client.flush()
        taken = await take(store, BASKET, ref, by="ada")
        await models.save("cart", ref.id, {"items": 1})
        await models.delete("cart", ref.id)
        found = [await heard.get() for _ in range(3)]

    assert [str(parse_cim_subject(one.subject)) for one in found] == [
        f"cim.snapshots.shop.basket.{ref.id}.v1",
        f"cim.readmodels.cart.{ref.id}.saved",
        f"cim.readmodels.cart.{ref.id}.deleted",
    ]
    assert [one.data for one in found] == [str(taken.cid).encode(), bucket.encode(), bucket.encode()]


@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        ("orders", "It has one token"),
        ("sales.order.submitted", "It says no version"),
        ("sales.Order.submitted.v1", "'Order' has capitals"),
        ("42.order.submitted.v1", "It begins with the id 42"),
        ("7f3c91e0-0000-4000-8000-000000000000.order.v1", "It begins with the id 7f3c91e0"),
        ("sales.or/der.v1", "'or/der' holds more than"),
        ("a..b", "empty token"),
        (".".join(["a"] * 17) + ".v1", "It has 18 tokens"),
        (f"sales.{'x' * 260}.v1", "characters"),
    ],
)
def test_badly_designed_subject_is_told_the_rule(subject: str, rule: str) -> None:
    assert any(rule in problem for problem in broken_rules(subject))


@pytest.mark.parametrize(
    "subject",
    [*(text for text in FAMILIES if not text.endswith(".saved")), "sales.order.submitted.v1", "cim.events.sales.*.*.*.*", "cim.events.>"],
)
def test_well_designed_subject_breaks_no_rule(subject: str) -> None:
    assert broken_rules(subject) == ()
