"""Proofs of snapshots: a true one is equal, a forged one is not, and says where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from apps.persistence.encoding import cid_of
from apps.persistence.errors import KeyNotFound
from apps.persistence.events import AggregateRef
from apps.persistence.snapshots import SNAPSHOTS_BUCKET, Snapshot, prove, take
from apps.persistence.store import append_at, kv_put
from apps.persistence.store.embedded import EmbeddedServer
from tests.persistence.baskets import BASKET, BASKET_2, added, named, removed
from tests.persistence.raw_stream import RawStream, open_raw_stream


@pytest.fixture
async def raw(nats_server: EmbeddedServer) -> AsyncIterator[RawStream]:
    async with open_raw_stream(nats_server) as stream:
        yield stream


@pytest.fixture
def ref() -> AggregateRef:
    """A basket of this test alone, as snapshots of all tests lie in one bucket."""
    return AggregateRef("shop", "basket", uuid4().hex)


async def fill(raw: RawStream, ref: AggregateRef) -> None:
    await append_at(raw.store, ref, 0, [added("apple"), added("pear"), added("plum"), removed("pear"), named("Sunday")])


async def keep(raw: RawStream, snapshot: Snapshot) -> None:
    await kv_put(raw.store.connection, SNAPSHOTS_BUCKET, str(snapshot.aggregate), snapshot.to_block())


async def test_a_true_snapshot_is_proved_equal(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    await take(raw.store, BASKET, ref, by="ada", version=4)

    proof = await prove(raw.store, BASKET, ref)

    assert (proof.equal, proof.snapshot_version, proof.events, proof.differences) == (True, 4, 4, ())
    assert proof.expected == proof.found


async def test_a_forged_snapshot_is_proved_different_and_its_differences_are_named(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    good = await take(raw.store, BASKET, ref, by="ada", version=4)
    await keep(raw, replace(good, state={"items": ["apple", "gold"], "count": 2}))

    proof = await prove(raw.store, BASKET, ref)

    assert (proof.equal, proof.is_at_its_event) == (False, True)
    assert [(one.place, one.before, one.after) for one in proof.differences] == [("items[1]", "plum", "gold")]


async def test_a_snapshot_of_another_event_is_not_equal_even_with_the_same_state(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    good = await take(raw.store, BASKET, ref, by="ada", version=4)
    await keep(raw, replace(good, cid=cid_of(b"another")))

    proof = await prove(raw.store, BASKET, ref)

    assert (proof.equal, proof.is_at_its_event, proof.expected == proof.found) == (False, False, True)


async def test_a_proof_needs_a_snapshot_of_the_definitions_schema(raw: RawStream, ref: AggregateRef) -> None:
    await fill(raw, ref)
    with pytest.raises(KeyNotFound, match="There is no snapshot"):
        await prove(raw.store, BASKET, ref)

    await take(raw.store, BASKET, ref, by="ada")

    with pytest.raises(KeyNotFound, match="schema 1, and the definition has 2"):
        await prove(raw.store, BASKET_2, ref)
